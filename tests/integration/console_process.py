"""A watch with its console in a process of its own: prints its address, and ends when its standard input does.

    python -m tests.integration.console_process DATA [TOKENS]

What a test does in its own threads can't disturb it so, nor it the test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).parents[2]
STOP_S = 60


@contextmanager
def running_console(data: Path, tokens: Sequence[Mapping[str, str]] = ()) -> Iterator[str]:
    """The address of one that watches a simulated camera, `front`, with a scorer that understands words."""
    command = [sys.executable, "-m", "tests.integration.console_process", str(data), json.dumps(tokens)]
    with subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()  # empty when it could not start: pytest's timeout bounds the wait
            assert url, "the console did not start"
            yield url
            process.stdin.close()
            assert process.wait(STOP_S) == 0
        finally:
            process.kill()


def main() -> None:
    from tests.integration.console import SCENE, Running, WordScorer, settings

    console = {"bind": "127.0.0.1:0", "tokens": json.loads(sys.argv[2]) if len(sys.argv) > 2 else []}
    config = settings(Path(sys.argv[1]), {"front": {"source": SCENE.format(1)}}, console=console)
    running = Running(config, WordScorer())
    try:
        print(running.url, flush=True)
        sys.stdin.read()
    finally:
        running.stop()


if __name__ == "__main__":
    main()
