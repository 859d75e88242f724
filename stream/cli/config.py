"""`vigil config`: what can be done with a configuration file without watching."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.config import load
from stream.keys import KeyFolder
from stream.printable import printable

app = typer.Typer(help="Check a configuration file.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `check` a subcommand although it is the only one."""


@app.command("check")
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML file for vigil watch -c.")]) -> None:
    """Say everything that is wrong with a file, with its lines, and with the folder of keys that it names.

    Exit code 2 when vigil watch would refuse it.
    """
    config = load(file)
    if config.feed.keys:
        _, guests = KeyFolder(config.feed.keys).open()
        for problem in guests.problems:
            typer.echo(f"vigil: {printable(problem)}", err=True)
    cameras = len(config.cameras)
    typer.echo(f"{file}: fine, {cameras} camera{'' if cameras == 1 else 's'}, scorer {config.scorer.kind}")
