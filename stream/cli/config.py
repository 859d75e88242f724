"""`vigil config`: what can be done with a configuration file without watching."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.config import load

app = typer.Typer(help="Check a configuration file.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `check` a subcommand although it is the only one."""


@app.command("check")
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML file for vigil watch -c.")]) -> None:
    """Say everything that is wrong with a file, with its lines.

    Exit code 2 when something is.
    """
    config = load(file)
    cameras = len(config.cameras)
    typer.echo(f"{file}: fine, {cameras} camera{'' if cameras == 1 else 's'}, scorer {config.scorer.kind}")
