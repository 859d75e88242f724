"""`vigil listen`: subscribe to a feed and print it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import duration
from stream.feed.messages import DEFAULT_ENDPOINT


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def command(
    endpoint: Annotated[str, typer.Argument(metavar="ADDRESS", help="The feed's address.")] = DEFAULT_ENDPOINT,
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="Only this camera.")] = None,
    format: Annotated[Format, typer.Option(help="A table for people, or JSON lines for programs.")] = Format.TABLE,
    from_seq: Annotated[
        int | None,
        typer.Option(
            "--from-seq",
            min=0,
            metavar="NUMBER",
            help="Begin with the alert of this number, or with all that are kept: 0.",
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your key, for a feed with keys: see vigil keys new.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Stop after this many alerts.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="DURATION", help="Stop, with exit code 1, when none came for this long."),
    ] = None,
) -> int:
    """Print alerts as they come, until Ctrl-C; with --from-seq those that were told before first."""
    from stream.listen import listen

    return listen(endpoint, camera, format.value, count, timeout, from_seq, key)
