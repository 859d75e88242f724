"""`vigil watch` that has one event told, and then neither its disk nor its scorer ever comes back.

python -m tests.integration.hopeless OPTION...
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from engine.scripted import ScriptedScorer
from engine.types import Window
from stream.cli import main
from stream.evidence import album
from stream.evidence.clip import ClipRecording
from stream.outbox_file import OutboxFile, OutboxReader
from stream.reload import ConfigFile
from stream.wiring import scorers

hopeless = threading.Event()


def hang_later(window: Window) -> float:
    if window.index >= 4:
        hopeless.set()
        time.sleep(3600)
    return 0.9


def hanging(work: Callable[..., Any]) -> Callable[..., Any]:
    def maybe(*arguments: Any, **options: Any) -> Any:
        if hopeless.is_set():
            time.sleep(3600)
        return work(*arguments, **options)

    return maybe


if __name__ == "__main__":
    scorers.make_scorer = lambda config: ScriptedScorer(hang_later)
    for kind, names in (
        (album, ("write_snapshot",)),
        (OutboxFile, ("insert", "mark", "prune", "close")),
        (OutboxReader, ("since", "open_events")),
        (ClipRecording, ("follow", "finish")),
        (ConfigFile, ("_content",)),
    ):
        for name in names:
            setattr(kind, name, hanging(getattr(kind, name)))
    main(["watch", *sys.argv[1:]])
