"""`vigil replay`: the command line on one side, `offline_eval` on the other. The only importer of `offline_eval`.

`vigil replay DATASET ...` is the group's own command: what is not the name of another one is a data set.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from engine.errors import UsageError
from stream.config import load

if TYPE_CHECKING:
    from offline_eval.metrics import Difference
    from offline_eval.procedures import Procedure
    from offline_eval.replay import Material

log = logging.getLogger(__name__)

_OF_A_DATASET = "run"
_EXTRA = ("matplotlib", "scipy", "sklearn")  # what the extra `eval` installs


class _DatasetFirst(TyperGroup):
    """A group whose first word is a data set unless it is one of its commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = bool(args) and args[0] in self.commands
        return super().resolve_command(ctx, args if known else [_OF_A_DATASET, *args])


app = typer.Typer(
    help="Replay a benchmark's recorded responses and measure what the live system would have told.\n\n"
    "vigil replay DATASET --annotations FILE --responses FILE; vigil replay DATASET --help tells all options.",
    cls=_DatasetFirst,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},  # options may come before the data set
    subcommand_metavar="DATASET | COMMAND [ARGS]...",
)


class Ends(StrEnum):
    EXCLUSIVE = "exclusive"
    INCLUSIVE = "inclusive"


DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="Such as ucf-crime or xd-violence.")]
Annotations = Annotated[Path, typer.Option(help="The data set's annotation file.")]
Responses = Annotated[Path, typer.Option(help='Recorded responses: JSON of {"video": ["text", ...], ...}.')]
Vectors = Annotated[
    Path | None, typer.Option(help="Sentence vectors, made by `vigil replay embed`: verdicts are weighed by meaning.")
]
Out = Annotated[Path | None, typer.Option(help="The folder for metrics.json, report.md and report.html.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the metrics as one line of JSON, and nothing else.")]
AllowMissing = Annotated[bool, typer.Option(help="Evaluate what there is, and say how much that was.")]
LabelEnd = Annotated[Ends, typer.Option(help="Whether the last number of a label is the first normal frame again.")]
Fps = Annotated[float | None, typer.Option(min=0.1, help="Frames per second, instead of the data set's own.")]
Resamples = Annotated[int, typer.Option(min=0, help="Resamples for the 95 % intervals; 0: none.")]


@app.command(_OF_A_DATASET, hidden=True)
def replay(
    dataset: DatasetName,
    annotations: Annotations,
    responses: Responses,
    method: Annotated[str, typer.Option(help="online, corevad, corevad-raw, corevad-gaussian or corevad-ewma.")],
    vectors: Vectors = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Smoothing and alerts of `online`: a file of vigil watch.")
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
    fps: Fps = None,
    resamples: Resamples = 1000,
) -> int:
    """Score recorded responses with a method and measure it: over frames, over events, and against the clock."""
    with _extra():
        from offline_eval.replay import replay as run_replay
        from offline_eval.results import metrics, save

        material = _material(dataset, annotations, responses, ends, fps, allow_missing)
        run = run_replay(material, _procedure(method, material, vectors, config), resamples=resamples)
        found = metrics(run)
        if out is not None:
            save(run, out, found)
    _print(found, as_json=as_json, out=out)
    return 0


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder given to --out.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, of the same videos.")],
    as_json: AsJson = False,
) -> int:
    """Say by how much B differs from A, figure by figure, and whether chance explains it."""
    with _extra():
        from offline_eval.results import compare_folders

        differences = compare_folders(first, second)
    if as_json:
        typer.echo(json.dumps({name: _difference(each) for name, each in differences.items()}))
        return 0
    typer.echo(f"{'B - A':<32} {'difference':>11}  {'95 % interval':^21}  {'p':>6}")
    for name, each in differences.items():
        typer.echo(f"{name:<32} {each.value:>+11.4f}  {each.low:>+10.4f} {each.high:>+10.4f}  {each.p:>6.3f}")
    return 0


@app.command("tune")
def tune(
    dataset: DatasetName,
    annotations: Annotations,
    responses: Responses,
    out: Annotated[Path, typer.Option(help="The folder for tuned.yaml and the out-of-fold report.")],
    vectors: Vectors = None,
    parts: Annotated[
        str | None, typer.Option(help="Parts of meaning, with commas: meaning,change,scene,memory. Default: all.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Into how many parts the videos are split.")] = 5,
    scorings: Annotated[int, typer.Option(min=1, help="Ways to score that are tried.")] = 80,
    policies: Annotated[int, typer.Option(min=1, help="Ways to alert that are tried.")] = 250,
    seed: Annotated[int, typer.Option(help="Of the folds and of what is tried.")] = 0,
    as_json: AsJson = False,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
    fps: Fps = None,
    resamples: Resamples = 1000,
) -> int:
    """Choose the parameters of `online` by cross-validation and write them as a file for vigil watch -c."""
    with _extra():
        from offline_eval.results import metrics, save
        from offline_eval.tuned import configuration, out_of_fold_run, spread
        from offline_eval.tuning import PARTS, Search
        from offline_eval.tuning import tune as run_tune
        from offline_eval.vectors import read_vectors

        material = _material(dataset, annotations, responses, ends, fps, allow_missing)
        encoder = read_vectors(vectors) if vectors else None
        wanted = tuple(PARTS if encoder else ()) if parts is None else tuple(part for part in parts.split(",") if part)
        search = Search(parts=wanted, folds=folds, scorings=scorings, policies=policies, seed=seed)
        videos = material.coverage.videos
        tuned = run_tune(videos, material.responses, encoder, material.dataset.fps, search, progress=log.info)
        run = out_of_fold_run(material, tuned, search, resamples=resamples)
        found = metrics(run) | {"folds": spread(tuned)}
        save(run, out, found)
        (out / "tuned.yaml").write_text(
            configuration(material, tuned, search, run.report.evaluation.figures()), encoding="utf-8"
        )
    _print(found, as_json=as_json, out=out)
    return 0


@app.command("judge")
def judge(
    dataset: DatasetName,
    annotations: Annotations,
    videos: Annotated[Path, typer.Option(help="The folder of the data set's videos.")],
    out: Annotated[Path, typer.Option(help="The folder of the store; a run that was stopped goes on in it.")],
    workers: Annotated[int, typer.Option(min=1, help="Videos that are read at once.")] = 2,
    shard: Annotated[
        str | None, typer.Option(help="Only part i of n of the videos, as i/n: for several machines.")
    ] = None,
    ray: Annotated[str | None, typer.Option(help="The address of a Ray cluster whose nodes do the work.")] = None,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
) -> int:
    """Have the motion scorer judge a data set's videos, on the live path, and store every judgement."""
    with _extra():
        from offline_eval.datasets import LabelEnds
        from offline_eval.videos.command import replay_from_videos
        from offline_eval.videos.scorers import motion

        logging.getLogger("stream.session").setLevel(logging.WARNING)  # every video begins a segment
        return replay_from_videos(
            dataset,
            annotations,
            videos,
            motion(),
            out=out,
            ends=LabelEnds(ends.value),
            workers=workers,
            shard=shard,
            ray=ray,
            allow_missing=allow_missing,
        )


@app.command("embed")
def embed(
    responses: Responses,
    encoder: Annotated[str, typer.Option(help="A model of sentence-transformers: its folder, or its name.")],
    vectors: Annotated[Path, typer.Option(help="The file to write, .npz.")],
) -> int:
    """Make the sentence vectors of recorded responses, once. Needs the package sentence-transformers."""
    with _extra():
        from offline_eval.responses import read_responses
        from offline_eval.vectors import SentenceTransformer, write_vectors

        said = read_responses(responses)
        count = write_vectors(vectors, said, SentenceTransformer(encoder), Path(encoder).name)
    log.info("%d sentences in %s", count, vectors)
    return 0


@contextmanager
def _extra() -> Iterator[None]:
    """Say which extra to install where one of its packages is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise UsageError(
            f"vigil replay needs {error.name}, which is not installed",
            advice="pip install -e '.[eval]' in Vigil's folder",
        ) from error


def _material(
    dataset: str, annotations: Path, responses: Path, ends: Ends, fps: float | None, allow_missing: bool
) -> Material:
    from offline_eval.datasets import LabelEnds
    from offline_eval.replay import read_material

    return read_material(
        dataset, annotations, responses, ends=LabelEnds(ends.value), fps=fps, allow_missing=allow_missing
    )


def _procedure(method: str, material: Material, vectors: Path | None, config: Path | None) -> Procedure:
    from offline_eval.methods.online import VERDICTS_ONLY, WITH_MEANING, OnlineSettings
    from offline_eval.procedures import ONLINE, online, published
    from offline_eval.vectors import read_vectors

    if method != ONLINE:
        if vectors or config:
            raise UsageError(f"{method} takes neither --vectors nor --config", advice="they are for --method online")
        return published(method, material.dataset.fps)
    encoder = read_vectors(vectors) if vectors else None
    settings = WITH_MEANING if encoder else VERDICTS_ONLY
    chosen = "the shipped ones, which were chosen on 145 videos of UCF-Crime: on those, only tuning is out of fold"
    if encoder is None:
        log.warning("without --vectors every anomalous verdict counts the same, whatever its sentence says")
    if config is not None:
        camera = load(config).defaults
        settings = OnlineSettings(
            settings.meaning, camera.smoothing.smoother, str(camera.smoothing), camera.alerts.policy()
        )
        chosen = f"smoothing and alerts from {config.name}"
    return online(settings, encoder, material.dataset.fps, chosen)


def _difference(each: Difference) -> dict[str, float | None]:
    values = {"value": each.value, "low": each.low, "high": each.high, "p": each.p}
    return {name: None if value != value else value for name, value in values.items()}  # NaN is unlike itself


def _print(found: Mapping[str, Any], *, as_json: bool, out: Path | None) -> None:
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
        return
    typer.echo(f"{found['method']} on {found['dataset']}: {found['videos']} videos, {found['frames']} frames")
    for name, each in found["figures"].items():
        value, low, high = (each[key] for key in ("value", "low", "high"))
        interval = "" if low is None else f"  {low:>9.4f} to {high:<9.4f}"
        typer.echo(f"  {name:<32} {'undefined' if value is None else f'{value:.4f}':>9}{interval}")
    if out is not None:
        typer.echo(f"  report in {out}")
