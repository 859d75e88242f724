"""How log records look on a terminal. The only place that sets up logging."""

from __future__ import annotations

import logging
import sys
import time

from stream.printable import printable


def log_to_stderr(*, debug: bool = False) -> None:
    """One line a record: time, camera, what happened. Records of warnings and above carry their level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(debug=debug))
    if not debug:  # open_clip talks on the root logger
        handler.addFilter(lambda record: record.name != "root" or record.levelno >= logging.WARNING)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for chatty in ("asyncio", "libav", "PIL", "matplotlib", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.INFO if debug else logging.WARNING)


class _Line(logging.Formatter):
    def __init__(self, *, debug: bool) -> None:
        super().__init__()
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        camera = getattr(record, "camera", "")
        where = f" {camera:<10}" if camera else ""
        level = "" if record.levelno <= logging.INFO else f" {record.levelname.lower()}:"
        if camera and record.levelno == logging.WARNING:
            level = ""  # what happens to a camera is no fault of the program
        line = printable(f"{clock}{where}{level} {record.getMessage()}")
        if record.exc_info and self._debug:
            line += "".join(f"\n{printable(each)}" for each in self.formatException(record.exc_info).splitlines())
        return line
