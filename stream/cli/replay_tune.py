"""`vigil replay tune`: parameters chosen by a benchmark's labels, or by what people marked of their own cameras."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UsageError
from stream.cli.replay_options import (
    AllowMissing,
    Ends,
    Fps,
    LabelEnd,
    Lengths,
    Resamples,
    Responses,
    Vectors,
    needs_extra,
    print_figures,
    read_said,
)
from stream.config import WatchConfig, load

log = logging.getLogger(__name__)

FILE = "tuned.yaml"
_BY_MARKS = {"marks", "responses", "out", "config", "folds", "seed", "as_json"}
_BY_MARKS_ONLY = {"marks", "config"}


def tune(
    ctx: typer.Context,
    responses: Responses,
    out: Annotated[Path, typer.Option(help="The folder for tuned.yaml and, by labels, the out-of-fold report.")],
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="Such as ucf-crime; none with --marks.")
    ] = None,
    annotations: Annotated[Path | None, typer.Option(help="The data set's annotation file.")] = None,
    marks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Choose by what people marked of events, from `vigil feedback export`; --responses is then what "
            "`vigil watch --record` wrote at that time.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="With --marks: what was watched with; without it, the defaults.",
        ),
    ] = None,
    vectors: Vectors = None,
    parts: Annotated[
        str | None, typer.Option(help="Parts of meaning, with commas: meaning,change,scene,memory. Default: all.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Into how many parts videos or marks are split.")] = 5,
    scorings: Annotated[int, typer.Option(min=1, help="Ways to score that are tried.")] = 80,
    policies: Annotated[int, typer.Option(min=1, help="Ways to alert that are tried.")] = 250,
    seed: Annotated[int, typer.Option(help="Of the folds and of what is tried.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one line of JSON, and nothing else.")
    ] = False,
    lengths: Lengths = None,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
    fps: Fps = None,
    resamples: Resamples = 1000,
) -> int:
    """Choose the parameters of `online` by cross-validation and write them as a file for vigil watch -c.

    vigil replay tune DATASET --annotations FILE ... chooses by labels, vigil replay tune --marks FILE ... by what
    people marked of the events of their own cameras.
    """
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    useless = given - _BY_MARKS if marks else given & _BY_MARKS_ONLY
    if useless:
        name = min(useless)
        shown = "a data set" if name == "dataset" else f"--{name.replace('_', '-')}"
        raise UsageError(f"{shown} has no use {'with' if marks else 'without'} --marks", advice="leave it out")
    if marks is not None:
        return _by_marks(marks, responses, out, config, folds, seed, as_json=as_json)
    if dataset is None or annotations is None:
        raise UsageError(
            "tuning needs labels or marks", advice="name a DATASET and --annotations FILE, or give --marks FILE"
        )
    with needs_extra():
        from offline_eval.results import check_writable, metrics, save
        from offline_eval.tuned import configuration, out_of_fold_run, spread
        from offline_eval.tuning import PARTS, Search
        from offline_eval.tuning import tune as run_tune
        from offline_eval.vectors import read_vectors

        check_writable(out)
        material = read_said(dataset, annotations, responses, ends, fps, allow_missing, lengths=lengths)
        if material.clip:
            log.warning("neighbours and memory have no part in the search, and %s has no score changed by them", FILE)
        encoder = read_vectors(vectors) if vectors else None
        wanted = tuple(PARTS if encoder else ()) if parts is None else tuple(part for part in parts.split(",") if part)
        search = Search(parts=wanted, folds=folds, scorings=scorings, policies=policies, seed=seed)
        videos = material.coverage.videos
        tuned = run_tune(videos, material.said, encoder, material.dataset.fps, search, progress=log.info)
        run = out_of_fold_run(material, tuned, search, resamples=resamples)
        found = metrics(run) | {"folds": spread(tuned)}
        save(run, out, found)
        (out / FILE).write_text(
            configuration(material, tuned, search, run.report.evaluation.figures()), encoding="utf-8"
        )
    print_figures(found, as_json=as_json, out=out)
    return 0


def _by_marks(
    marks: Path, recordings: list[Path], out: Path, config: Path | None, folds: int, seed: int, *, as_json: bool
) -> int:
    with needs_extra():
        from offline_eval.marks import read_marked_scores
        from offline_eval.marks_tuned import BLIND, configuration, figures, lines_of, own_values
        from offline_eval.marks_tuning import tune_by_marks
        from offline_eval.material import identity
        from offline_eval.results import check_writable

        check_writable(out)
        watch = load(config) if config else WatchConfig()
        scores = read_marked_scores(marks, recordings)
        tuned = tune_by_marks(scores, watch, folds, seed, progress=log.info)
        found = figures(scores, tuned)
        sources = {
            "marks": identity(marks),
            "scores": ", ".join(map(identity, recordings)),
            "configured": identity(config) if config else "the defaults of vigil watch",
        }
        (out / FILE).write_text(configuration(scores, tuned, sources, found), encoding="utf-8")
    if not tuned.now.told.all():
        log.warning(
            "%d of %d marked events are not told as configured: give what they were told with by --config",
            (~tuned.now.told).sum(),
            len(tuned.right),
        )
    if own := own_values(watch):
        log.warning("cameras with values of their own, which they keep: %s", ", ".join(own))
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
        return 0
    for line in (*lines_of(found), BLIND, f"{FILE} in {out}"):
        typer.echo(line)
    return 0
