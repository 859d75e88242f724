"""The console: a page in the browser, and the API behind it, beside a watch that goes on without it.

It needs the `console` extra. Nothing outside this package imports it but inside a function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import UsageError

if TYPE_CHECKING:
    from stream.console.server import ConsoleServer
    from stream.console.view import WatchView


def open_console(view: WatchView) -> ConsoleServer:
    """Serve it until it is closed. Raises UsageError without the extra, RuntimeFault when it can't be served."""
    return load_console()(view)


def load_console() -> type[ConsoleServer]:
    """Raises UsageError without the extra."""
    try:
        from stream.console.server import ConsoleServer
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the console needs {error.name}, which is not installed",
            advice="pip install -e '.[console]' in Vigil's folder",
        ) from error
    return ConsoleServer
