"""What can't be made whole leaves no context, socket or thread behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from stream.feed import asubscribe, client, publisher, server, subscribe
from stream.feed.catch_up import Kept
from stream.feed.publisher import FeedPublisher
from stream.feed.server import CatchUpServer
from stream.keys import KeyFolder


class History:
    """Has nothing, and notes that it was closed."""

    epoch = "E"

    def __init__(self) -> None:
        self.closed = False

    def since(self, seq: int, limit: int) -> Kept:
        raise NotImplementedError

    def open_events(self) -> Kept:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[zmq.Context[Any]]]:
    made: list[zmq.Context[Any]] = []
    init = zmq.Context.__init__

    def noting(self: zmq.Context[Any], *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(zmq.Context, "__init__", noting)
    yield made
    assert made
    assert all(context.closed for context in made)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("vigil-")] == []


@pytest.mark.parametrize(
    ("module", "make"),
    [
        (publisher, lambda: FeedPublisher("tcp://127.0.0.1:*")),
        (server, lambda: CatchUpServer("tcp://127.0.0.1:*", History(), "run")),
        (client, lambda: subscribe("tcp://127.0.0.1:5")),
        (client, lambda: asubscribe("tcp://127.0.0.1:5")),
    ],
)
def test_a_socket_that_takes_no_options(
    module: Any, make: Callable[[], object], contexts: list[zmq.Context[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HIGH_WATER_MARK", -5)
    with pytest.raises(zmq.ZMQError):
        make()


@pytest.mark.parametrize("thread", ["vigil-doorkeeper", "vigil-catch-up"])
def test_a_thread_that_can_not_be_started(
    thread: str, contexts: list[zmq.Context[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyFolder(tmp_path / "keys")
    keys.new_server()
    start = threading.Thread.start

    def fail(self: threading.Thread) -> None:
        if self.name == thread:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", fail)
    history = History()
    with pytest.raises(RuntimeError, match="new thread"):
        CatchUpServer("tcp://127.0.0.1:*", history, "run", keys=keys.path)
    assert history.closed
