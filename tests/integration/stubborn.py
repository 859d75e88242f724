"""`vigil watch` with a scorer that has an event opened and then never comes back from native code.

python -m tests.integration.stubborn OPTION...
"""

from __future__ import annotations

import sys
import time

from engine.scripted import ScriptedScorer
from engine.types import Window
from stream.cli import main
from stream.wiring import scorers


def hang_later(window: Window) -> float:
    if window.index >= 4:
        time.sleep(3600)
    return 0.9


if __name__ == "__main__":
    scorers.make_scorer = lambda config: ScriptedScorer(hang_later)
    main(["watch", *sys.argv[1:]])
