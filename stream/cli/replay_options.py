"""What several commands of `vigil replay` take and tell, and what it means to `offline_eval`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import UsageError
from stream.cli.options import ScorerKind, scorer_of
from stream.config import WatchConfig, from_mapping, load

if TYPE_CHECKING:
    from offline_eval.material import Material
    from offline_eval.videos.plan import Plan
    from offline_eval.videos.scorers import Recipe

_EXTRA = ("matplotlib", "scipy", "sklearn")  # what the extra `eval` installs


class Ends(StrEnum):
    EXCLUSIVE = "exclusive"
    INCLUSIVE = "inclusive"


DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="Such as ucf-crime or xd-violence.")]
Annotations = Annotated[Path, typer.Option(help="The data set's annotation file.")]
RESPONSES = typer.Option(
    "--responses",
    metavar="FILE|DIR",
    help='What was said of the videos: JSON of {"video": ["text", ...], ...}, or a folder that videos were judged '
    "into; several of these together.",
)
Responses = Annotated[list[Path], RESPONSES]
Features = Annotated[
    Path | None,
    typer.Option(
        help="How windows look: .npz of an array per video. For vera [H, D], and --responses is its initial scores: "
        'JSON of {"video": [0, 1, ...], ...}. For corevad CLIP\'s, a row per frame or segment, and --vectors is '
        "of the same CLIP."
    ),
]
Lengths = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|DIR",
        help='Where the annotations don\'t say how long the videos are: JSON of {"video": frames, ...}, or the folder '
        "of the videos.",
    ),
]
Method = Annotated[
    str,
    typer.Option(
        help="online, corevad, corevad-raw, corevad-gaussian, corevad-ewma, corevad-refined, corevad-full, vera, "
        "vera-xd-auc or vera-xd-ap."
    ),
]
Vectors = Annotated[
    Path | None, typer.Option(help="Sentence vectors, made by `vigil replay embed`: verdicts are weighed by meaning.")
]
AllowMissing = Annotated[bool, typer.Option(help="Evaluate what there is, and say how much that was.")]
LabelEnd = Annotated[Ends, typer.Option(help="Whether the last number of a label is the first normal frame again.")]
Fps = Annotated[float | None, typer.Option(min=0.1, help="Frames per second, instead of the data set's own.")]
Resamples = Annotated[int, typer.Option(min=0, help="Resamples for the 95 % intervals; 0: none.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="A file of vigil watch: its scorer, and of `defaults` the rest."
    ),
]
Scorer = Annotated[
    ScorerKind | None, typer.Option(help="With --videos: what judges them, instead of the configuration's.")
]
Model = Annotated[
    str | None, typer.Option(metavar="DIR_OR_ID", help="With --videos: the model that --scorer looks with.")
]
Workers = Annotated[int, typer.Option(min=1, help="Videos at once, a window of each for the scorer to judge together.")]
Ray = Annotated[str | None, typer.Option(help="The address of a Ray cluster whose nodes judge the videos.")]
Urls = Annotated[
    list[str] | None,
    typer.Option("--url", metavar="URL", help="With --videos: a server for --scorer openai; may be repeated."),
]


@contextmanager
def needs_extra() -> Iterator[None]:
    """Say which extra to install where one of its packages is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        raise UsageError(
            f"vigil replay needs {package}, which is not installed",
            advice="pip install -e '.[eval]' in Vigil's folder",
        ) from error


def watch_config(
    config: Path | None, scorer: ScorerKind | None, model: str | None, urls: list[str] | None, answers: Path | None
) -> WatchConfig:
    """The configuration that videos are judged by: what `vigil watch` would make of the same options."""
    section = scorer_of(scorer, answers, model, urls)
    overrides = {"scorer": section} if section else {}
    return load(config, overrides=overrides) if config else from_mapping(overrides)


def recipe_of(method: str, watch: WatchConfig) -> tuple[Recipe, Plan]:
    """What judges a method's windows, and which windows those are."""
    from offline_eval.procedures import ONLINE, VERA
    from offline_eval.videos.plan import OfflineCentredWindows, RawSegments
    from offline_eval.videos.scorers import configured, with_verdicts

    logging.getLogger("stream.session").setLevel(logging.WARNING)  # every video begins a segment
    if method == ONLINE:
        return configured(watch), watch.defaults.window.plan()
    if method in VERA:
        return configured(watch, vectors=True), OfflineCentredWindows()
    return configured(with_verdicts(watch, method)), RawSegments()


def read_said(
    dataset: str,
    annotations: Path,
    responses: list[Path],
    ends: Ends,
    fps: float | None,
    allow_missing: bool,
    features: Path | None = None,
    lengths: Path | None = None,
) -> Material:
    from offline_eval.datasets import LabelEnds
    from offline_eval.material import read_material

    if not responses:
        raise UsageError("there is nothing to measure", advice="give --videos DIR and --out DIR, or --responses FILE")
    return read_material(
        dataset,
        annotations,
        *responses,
        features=features,
        lengths=lengths,
        ends=LabelEnds(ends.value),
        fps=fps,
        allow_missing=allow_missing,
    )


def print_figures(found: Mapping[str, Any], *, as_json: bool, out: Path | None) -> None:
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
