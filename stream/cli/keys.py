"""`vigil keys`: who may listen to the feed from other machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.keys import SERVER, KeyFolder
from stream.printable import printable

app = typer.Typer(help="Make and revoke the keys that let others hear the feed.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The folder of keys, as in `feed.keys`.")]
DEFAULT = Path("vigil-keys")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a client; or `server`, which comes first.")],
    folder: Folder = DEFAULT,
) -> None:
    """Make a key. A client's is one file, to be handed over; it is let in at once, without a restart."""
    keys = KeyFolder(folder)
    if name == SERVER:
        typer.echo(f"{keys.new_server()} is made, and stays where it is")
        typer.echo(f"next: vigil keys new NAME --dir {folder}, and in the configuration feed: {{keys: {folder}}}")
    else:
        file = keys.new_client(name)
        typer.echo(f"{file} is made: bring it to {name} by a safe way, and keep no copy")
        typer.echo(f"there: vigil listen tcp://THIS_MACHINE:5557 --key {file.name}")


@app.command("list")
def names(folder: Folder = DEFAULT) -> None:
    """Say who is let in, with their public keys."""
    guests = KeyFolder(folder).guests()
    for public, name in guests.names.items():
        typer.echo(f"{printable(name)}\t{public}")
    for problem in guests.problems:
        typer.echo(f"vigil: {printable(problem)}", err=True)


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a client.")],
    folder: Folder = DEFAULT,
) -> None:
    """Let a client in no more. It is cut off within seconds; the others come back by themselves and miss no alert."""
    KeyFolder(folder).revoke(name)
    typer.echo(f"{name} is let in no more")
