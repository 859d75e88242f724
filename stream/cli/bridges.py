"""`vigil bridges`: what bridges could not deliver, and having it tried once more."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UsageError
from stream.bridges.ledger import FILE_NAME, DeadLetter, Ledger
from stream.cli.listen import Format
from stream.config.models import DataConfig
from stream.printable import printable

app = typer.Typer(
    help="See alerts that MQTT or a webhook would not take, and deliver them again.", no_args_is_help=True
)

_Data = Annotated[Path, typer.Option(metavar="DIR", help="The data folder of vigil watch.")]
_Bridge = Annotated[str | None, typer.Option(metavar="NAME", help="Only of this bridge: mqtt, or webhook-NAME.")]
_DATA = DataConfig().dir


@app.command("dead-letters")
def dead_letters(
    data: _Data = _DATA,
    bridge: _Bridge = None,
    format: Annotated[Format, typer.Option(help="Lines for people, or JSON lines for programs.")] = Format.TABLE,
) -> None:
    """List the alerts that were set aside, oldest first."""
    with closing(_ledger(data)) as ledger:
        for letter in ledger.dead_letters(bridge):
            typer.echo(_json(letter) if format is Format.JSON else _line(letter))


@app.command("replay")
def replay(data: _Data = _DATA, bridge: _Bridge = None) -> None:
    """Have the alerts that were set aside delivered once more: by the vigil watch that runs, or by the next."""
    with closing(_ledger(data)) as ledger:
        count = ledger.try_again(bridge)
    typer.echo(f"{count} alert{'' if count == 1 else 's'} will be tried once more")


def _ledger(data: Path) -> Ledger:
    if not (data / FILE_NAME).exists():
        raise UsageError(
            f"no bridge has run with the data folder {data}", advice="name the one of vigil watch by --data"
        )
    return Ledger(data)


def _line(letter: DeadLetter) -> str:
    when = datetime.fromtimestamp(letter.time_s).astimezone().isoformat(" ", "seconds")
    again = "  (to be tried once more)" if letter.again else ""
    return printable(f"{when}  {letter.bridge}  alert {letter.place.seq}  {letter.reason}{again}")


def _json(letter: DeadLetter) -> str:
    return json.dumps(
        {
            "bridge": letter.bridge,
            "epoch": letter.place.epoch,
            "seq": letter.place.seq,
            "time": letter.time_s,
            "reason": letter.reason,
            "again": letter.again,
            "alert": json.loads(letter.body),
        }
    )
