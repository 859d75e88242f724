"""What `vigil watch` does with SIGHUP, and with a configuration that can't be followed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from engine.scorer import Scorer
from engine.scripted import ScriptedScorer
from engine.types import Judgement, Window
from stream.cli.watch import _follow, watch
from stream.config import WatchConfig, from_mapping
from stream.notify import Supervisor
from stream.reload import ConfigFile
from stream.watch import Watch
from stream.wiring import scorers

SCENE = "synthetic://?size=160x90&fps=10&events=none&duration=4"


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_as_before")
def test_sighup_without_a_file_is_one_line_whenever_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang_up(window: Window) -> Judgement:
        if window.index == 0:
            os.kill(os.getpid(), signal.SIGHUP)
        return Judgement(0.1)

    def load(_config: WatchConfig) -> Scorer:
        os.kill(os.getpid(), signal.SIGHUP)
        return ScriptedScorer(hang_up)

    monkeypatch.setattr(scorers, "make_scorer", load)
    caplog.set_level("INFO")
    settings = from_mapping(
        {
            "cameras": {"front": {"source": SCENE, "pace": "max"}},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "data": {"dir": str(tmp_path)},
        }
    )
    assert watch(settings, exit_at_end=True) == 0
    assert sum("no configuration file to read again" in line for line in caplog.messages) == 2


class Brittle:
    """Stands in for a `Watch` whose first change goes wrong in a way that nobody thought of."""

    def __init__(self) -> None:
        self.applied = 0
        self.done = asyncio.Event()

    async def apply(self, _config: WatchConfig) -> None:
        self.applied += 1
        if self.applied == 1:
            raise ValueError("nobody thought of that")
        self.done.set()


def test_a_change_that_goes_wrong_does_not_end_the_following(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "vigil.yaml"
    file.write_text(f"cameras: {{front: {{source: '{SCENE}'}}}}\n")

    async def follow() -> None:
        running, asked = Brittle(), asyncio.Event()
        task = asyncio.create_task(_follow(ConfigFile(file, {}), asked, cast(Watch, running), Supervisor(None)))
        async with asyncio.timeout(20):
            while not running.done.is_set():
                asked.set()
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(follow())
    assert "could not be followed" in caplog.text
    assert "nobody thought of that" in caplog.text
