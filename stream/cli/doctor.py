"""`vigil doctor`: the command line on one side, `stream.doctor` on the other; and how its findings look."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.cli.options import ConsoleAt, cameras_of
from stream.config import from_mapping
from stream.doctor.findings import Finding, Verdict, take
from stream.printable import printable

log = logging.getLogger(__name__)

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red"}
_WIDTHS = (7, 17)  # of the verdict and of what was looked at


def command(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="Watch these for some seconds, as vigil watch would open them."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="A YAML file: check it, the machine for it, and its cameras."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder for the outbox, snapshots and clips.")
    ] = None,
    console: ConsoleAt = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
) -> int:
    """Say what is wrong with this machine, or with cameras.

    Exit code 1 when something does not work.
    """
    # Heavy imports: `vigil --help` does without them.
    from stream.doctor.camera import camera_looks
    from stream.doctor.checkup import configuration, machine_looks

    overrides: dict[str, Any] = {}
    if sources:
        overrides["cameras"] = cameras_of(sources)
    if data:
        overrides["data"] = {"dir": str(data)}
    if console:
        overrides["console"] = {"bind": console}
    settings, found = configuration(config, overrides) if config else (from_mapping(overrides), [])
    looks = camera_looks(settings)
    if looks:
        log.info("watching %d camera%s for 5 to 15 s", len(looks), "s" * (len(looks) != 1))
    if config or not sources:
        looks = machine_looks(settings) + looks

    show = _as_json if as_json else _on_screen if sys.stdout.isatty() else _as_line
    counts: Counter[Verdict] = Counter()
    camera: str | None = None
    for finding in chain(found, take(looks)):
        counts[finding.verdict] += 1
        if finding.camera != camera and finding.camera and not as_json:
            camera = finding.camera
            typer.secho(printable(f"{camera}: {settings.cameras[camera].source}"), bold=True)
        show(finding)
    if not as_json:
        typer.echo(_summary(counts))
    return 1 if counts[Verdict.PROBLEM] else 0


def _as_json(finding: Finding) -> None:
    typer.echo(json.dumps(asdict(finding)))


def _as_line(finding: Finding) -> None:
    advice = f": {finding.advice}" if finding.advice else ""
    verdict, check = (f"{cell:<{width}}" for cell, width in zip((finding.verdict, finding.check), _WIDTHS, strict=True))
    typer.echo(printable(f"{verdict}  {check}  {finding.message}{advice}"))


def _on_screen(finding: Finding) -> None:
    """As wide as the terminal is, with the advice on a line of its own."""
    row = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for width in _WIDTHS:
        row.add_column(width=width, no_wrap=True)
    row.add_column(ratio=1)
    said = Text(printable(finding.message))
    if finding.advice:
        said.append(f"\n{printable(finding.advice)}", "dim")
    row.add_row(Text(finding.verdict, _STYLES[finding.verdict]), Text(finding.check), said)
    Console(highlight=False).print(row)


def _summary(counts: Counter[Verdict]) -> str:
    parts = [
        f"{counts[verdict]} {verdict}{'s' * (counts[verdict] != 1)}" for verdict in (Verdict.PROBLEM, Verdict.WARNING)
    ]
    return f"{parts[0]}, {parts[1]}"
