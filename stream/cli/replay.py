"""`vigil replay`: the command line on one side, `offline_eval` on the other. Nothing else imports that.

`vigil replay DATASET ...` is the group's own command: what is not the name of another one is a data set.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from engine.errors import UsageError
from stream.cli import replay_responses, replay_tune
from stream.cli.options import ScorerKind
from stream.cli.replay_method import procedure_of
from stream.cli.replay_options import (
    RESPONSES,
    AllowMissing,
    Annotations,
    Config,
    DatasetName,
    Ends,
    Features,
    Fps,
    LabelEnd,
    Lengths,
    Method,
    Model,
    Ray,
    Resamples,
    Scorer,
    Urls,
    Vectors,
    Workers,
    needs_extra,
    print_figures,
    read_said,
    recipe_of,
    watch_config,
)

if TYPE_CHECKING:
    from offline_eval.metrics import Difference

_OF_A_DATASET = "run"

Out = Annotated[Path | None, typer.Option(help="The folder for metrics.json, report.md and report.html.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the metrics as one line of JSON, and nothing else.")]


class _DatasetFirst(TyperGroup):
    """A group whose first word is a data set unless it is one of its commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = bool(args) and args[0] in self.commands
        return super().resolve_command(ctx, args if known else [_OF_A_DATASET, *args])


app = typer.Typer(
    help="Replay a benchmark, its videos or recorded responses, and measure what the live system would have told.\n\n"
    "vigil replay DATASET --annotations FILE (--videos DIR | --responses FILE) --method NAME --out DIR; "
    "vigil replay DATASET --help tells all options.",
    cls=_DatasetFirst,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},  # options may come before the data set
    subcommand_metavar="DATASET | COMMAND [ARGS]...",
)
app.command("judge")(replay_responses.judge)
app.command("export")(replay_responses.export)
app.command("import")(replay_responses.import_)
app.command("embed")(replay_responses.embed)
app.command("tune")(replay_tune.tune)


@app.command(_OF_A_DATASET, hidden=True)
def replay(
    dataset: DatasetName,
    annotations: Annotations,
    method: Method,
    videos: Annotated[
        Path | None, typer.Option(help="The folder of the data set's videos: they are judged into --out first.")
    ] = None,
    responses: Annotated[list[Path] | None, RESPONSES] = None,
    features: Features = None,
    lengths: Lengths = None,
    out: Out = None,
    config: Config = None,
    scorer: Scorer = None,
    model: Model = None,
    urls: Urls = None,
    vectors: Vectors = None,
    as_json: AsJson = False,
    allow_missing: AllowMissing = False,
    ends: LabelEnd = Ends.EXCLUSIVE,
    fps: Fps = None,
    resamples: Resamples = 1000,
    workers: Workers = 2,
    ray: Ray = None,
) -> int:
    """Measure a method on videos or on recorded responses: over frames, over events, and against the clock.

    With --videos a run that was stopped goes on where it was. --scorer recorded answers from the file --responses.
    """
    with needs_extra():
        from offline_eval.datasets import LabelEnds
        from offline_eval.procedures import ONLINE, VERA, check_method
        from offline_eval.replay import illustrated
        from offline_eval.replay import replay as run_replay
        from offline_eval.results import check_writable, metrics, save
        from offline_eval.videos.command import judge_videos

        check_method(method)
        files: dict[str, Path] = {}
        summary = None
        if out is not None:
            check_writable(out)
        if videos is not None:
            if out is None:
                raise UsageError("videos are judged into a folder", advice="give --out DIR")
            if features:
                raise UsageError("videos are judged anew, so --features has no use", advice="give one of the two")
            if lengths:
                raise UsageError("videos are judged, so --lengths has no use", advice="leave it out")
            answers = responses[0] if responses and scorer is ScorerKind.RECORDED else None
            if responses and not answers:
                raise UsageError("videos are judged anew, so --responses has no use", advice="give one of the two")
            recipe, plan = recipe_of(method, watch_config(config, scorer, model, urls, answers))
            summary = judge_videos(
                dataset,
                annotations,
                videos,
                recipe,
                plan=plan,
                out=out,
                ends=LabelEnds(ends.value),
                workers=workers,
                ray=ray,
                allow_missing=allow_missing,
            )
            files = {video.name: Path(video.path) for video in summary.coverage.videos if video.path}
            responses = [out]
        elif scorer or model or urls:
            raise UsageError("--scorer, --model and --url judge videos", advice="give --videos DIR")
        elif config and method != ONLINE:
            raise UsageError(f"{method} takes no --config", advice="it is for --method online, or to judge --videos")
        material = read_said(
            dataset, annotations, responses or [], ends, fps, allow_missing, features if method in VERA else None
        )
        if summary is not None:
            material = dataclasses.replace(material, coverage=summary.explain(material.coverage))
        procedure = procedure_of(method, material, vectors, None if method in VERA else features, config)
        run = illustrated(run_replay(material, procedure, resamples=resamples), files)
        found = metrics(run)
        if out is not None:
            save(run, out, found)
    print_figures(found, as_json=as_json, out=out)
    return 0


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder given to --out.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, of the same videos.")],
    as_json: AsJson = False,
) -> int:
    """Say by how much B differs from A, figure by figure, and whether chance explains it."""
    with needs_extra():
        from offline_eval.results import compare_folders

        differences = compare_folders(first, second)
    if as_json:
        typer.echo(json.dumps({name: _difference(each) for name, each in differences.items()}))
        return 0
    typer.echo(f"{'B - A':<32} {'difference':>11}  {'95 % interval':^21}  {'p':>9}")
    for name, each in differences.items():
        value, low, high, p = (_written(*said) for said in _compared(each))
        typer.echo(f"{name:<32} {value:>11}  {low:>10} {high:>10}  {p:>9}")
    return 0


def _compared(each: Difference) -> list[tuple[float, str]]:
    return [(each.value, "+.4f"), (each.low, "+.4f"), (each.high, "+.4f"), (each.p, ".3f")]


def _written(value: float, how: str) -> str:
    return "undefined" if math.isnan(value) else f"{value:{how}}"


def _difference(each: Difference) -> dict[str, float | None]:
    values = {"value": each.value, "low": each.low, "high": each.high, "p": each.p}
    return {name: None if value != value else value for name, value in values.items()}  # NaN is unlike itself
