"""`vigil feedback`: what people said of alerts in the console."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import RuntimeFault, UsageError
from stream.config.models import DataConfig
from stream.console.database import NAME, failing, open_read_only
from stream.console.marks import feedback

_DATA = DataConfig().dir

app = typer.Typer(help="What people said of alerts in the console.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `export` a subcommand although it is the only one."""


@app.command("export")
def export(
    data: Annotated[Path, typer.Option(metavar="DIR", help="The data folder of vigil watch.")] = _DATA,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, instead of to standard output.")
    ] = None,
) -> None:
    """Write every event that was marked as one line of JSON, with its verdict and note.

    It may be done while vigil watch runs.
    """
    path = data / NAME
    if not path.exists():
        raise UsageError(
            f"no console has run with the data folder {data}", advice="name the one of vigil watch by --data"
        )
    with failing(path, "read"), closing(open_read_only(path)) as db:
        written = b"".join(feedback(db))
    if output is None:
        sys.stdout.buffer.write(written)
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        raise RuntimeFault(f"{output} can't be written ({error.strerror})", advice="choose another file") from error
