"""The `vigil` command. Each subcommand is a thin file here; errors become one line and an exit code in one place.

Exit codes: 0 done, 1 a run-time failure, 2 bad usage or configuration, 130 ended by Ctrl-C.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from engine.errors import ConfigError, VigilError
from stream.cli import bridges, config, demo, doctor, feedback, keys, listen, replay, watch
from stream.cli.logs import log_to_stderr
from stream.cli.options import with_console_address
from stream.printable import printable

app = typer.Typer(
    help="Watch cameras and say, in words and while it is still going on, that something abnormal is happening.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("watch")(watch.command)
app.command("listen")(listen.command)
app.command("demo")(demo.command)
app.command("doctor")(doctor.command)
app.add_typer(config.app, name="config")
app.add_typer(bridges.app, name="bridges")
app.add_typer(keys.app, name="keys")
app.add_typer(feedback.app, name="feedback")
app.add_typer(replay.app, name="replay")


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vigil {version('vigil-vad')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show tracebacks.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    context.obj = debug
    log_to_stderr(debug=debug)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit the process with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    if debug:  # wherever it stands
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    sys.exit(run(arguments, debug=debug))


def run(arguments: list[str], *, debug: bool = False) -> int:
    """Run one command; what it raises becomes one line on stderr (all problems, for a configuration)."""
    try:
        code = app(with_console_address(arguments), prog_name="vigil", standalone_mode=False)
    except TyperException as error:
        return _misused(error)
    except VigilError as error:
        if debug:
            raise
        problems = error.problems if isinstance(error, ConfigError) else ()
        return _fail("\n".join(problems) or str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:  # a bug: still one line, unless more is asked for
        if debug:
            raise
        return _fail(f"{type(error).__name__}: {error} (a fault of Vigil's: run again with --debug and report it)", 1)
    return code if isinstance(code, int) else 0


def _misused(error: TyperException) -> int:
    """typer's words, and where to read on. Where nothing was asked for they are the help itself."""
    said = error.format_message().replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if context is not None and said == context.get_help():
        sys.stderr.write(f"{said}\n")
        return 2
    return _fail(f"{said} (see {context.command_path if context else 'vigil'} --help)", 2)


def _fail(message: str, code: int) -> int:
    for line in message.splitlines():
        sys.stderr.write(f"vigil: {printable(line)}\n")
    return code
