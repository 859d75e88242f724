"""A watch with its console, in a thread of the test's process, and a scorer that says what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from engine.scorer import Explanation, Request, Scorer
from engine.types import Box, Definition, Judgement, ModelInfo, Window
from stream.config import WatchConfig, from_mapping
from stream.reload import ConfigFile
from stream.watch import Watch

PATIENCE_S = 60.0  # of a machine that has much else to do
SCENE = "synthetic://?size=160x90&fps=10&events=none&seed={}"
DEFAULTS = {
    "window": {"length": "200ms", "stride": "200ms", "frames": 2, "fps": 10},
    "smoothing": {"kind": "none"},
    "alerts": {"cooldown": 0, "merge_gap": "200ms", "close_hold": "200ms", "update_every": "200ms"},
    "evidence": {"pre_roll": "1s", "post_roll": "200ms"},
}


class WordScorer:
    """Scores by what a definition's text is to it, else by the camera's level; explains with `sentence`."""

    def __init__(self) -> None:
        self.info = ModelInfo("scripted", "words")
        self.frame_size = (64, 36)
        self.max_batch = 16
        self.levels: dict[str, float] = {}
        self.by_text: dict[str, float] = {}
        self.sentence = "A man climbs a ladder."
        self.boxes: tuple[Box, ...] = ()
        self.defined: dict[str, tuple[Definition, ...]] = {}
        self.may_score = threading.Event()
        self.may_score.set()

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        return [self._judge(window) for window in windows]

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        self.defined[camera] = tuple(definitions)

    def forget(self, camera: str) -> None:
        self.defined.pop(camera, None)

    def info_for(self, definition: Definition) -> ModelInfo:
        return self.info

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        for place, _ in enumerate(requests):
            yield {place: Explanation(self.sentence, boxes=self.boxes)}

    def close(self) -> None:
        pass

    def _judge(self, window: Window) -> Judgement:
        if "/" in window.camera:  # a try, which a test may hold up
            self.may_score.wait(PATIENCE_S)
        first, *others = self.defined.get(window.camera, (Definition(),))
        further = {each.name: Judgement(self._score(window, each)) for each in others}
        return Judgement(self._score(window, first), further=further)

    def _score(self, window: Window, definition: Definition) -> float:
        return self.by_text.get(definition.text or "", self.levels.get(window.camera, 0.1))


def settings(data: Path, cameras: Mapping[str, Any], **sections: Any) -> WatchConfig:
    """Cameras by name; a console on a free port, a feed as well, and nothing else."""
    return from_mapping(
        {
            "cameras": cameras,
            "defaults": DEFAULTS,
            "scorer": {"kind": "recorded", "responses": "scripted"},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "console": {"bind": "127.0.0.1:0"},
            "data": {"dir": str(data)},
        }
        | sections
    )


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` gives as soon as that is true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.03)
    return value


class Running:
    """A watch that runs until it is stopped. `client` asks its console."""

    def __init__(
        self, config: WatchConfig, scorer: Scorer, file: ConfigFile | None = None, record: Path | None = None
    ) -> None:
        self.watch = Watch(config, scorer, file=file, record=record)
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        url = until(lambda: self.watch.console_url or self._failed, "the console")
        if self._failed:
            self._thread.join()
            raise self._failed[0]
        self.url: str = url
        self.client = httpx2.Client(base_url=url, timeout=PATIENCE_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except BaseException as error:  # noqa: BLE001 - it is for the test
            self._failed.append(error)

    async def _watch(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self.watch.run(self._stop)

    def get(self, path: str, **options: Any) -> Any:
        """The JSON at a path."""
        answer = self.client.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self) -> None:
        with contextlib.closing(self.client):
            if self._loop is not None and self._stop is not None and self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]


@contextlib.contextmanager
def all_closed() -> Iterator[list[Any]]:
    """What is put in here is closed in the end, last things first; no thread is left then."""
    before = set(threading.enumerate())
    opened: list[Any] = []
    yield opened
    for each in reversed(opened):
        each.stop() if isinstance(each, Running) else each.close()
    assert not [each for each in set(threading.enumerate()) - before if each.name != "pytest_timeout"]


class Listening:
    """What a viewer of /api/stream hears, as (event, id, data), in a thread until it is closed."""

    def __init__(self, url: str, path: str = "/api/stream", **headers: str) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self._client = httpx2.Client(base_url=url, timeout=PATIENCE_S)
        self._request = self._client.stream(
            "GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()}
        )
        self._answer = self._request.__enter__()
        assert self._answer.status_code == 200, self._answer.read()
        self.content_type = self._answer.headers["content-type"]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        fields: dict[str, str] = {}
        with contextlib.suppress(httpx2.HTTPError, httpx2.StreamError, OSError):
            for line in self._answer.iter_lines():
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif not line:
                    if "data" in fields:
                        self.heard.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
                    fields = {}

    def of(self, kind: str) -> list[Any]:
        return [data for event, _, data in self.heard if event == kind]

    @property
    def last_id(self) -> str:
        return [event_id for _, event_id, _ in self.heard if event_id][-1]

    def close(self) -> None:
        """Hang up."""
        network = self._answer.extensions["network_stream"].get_extra_info("socket")
        with contextlib.suppress(OSError):
            network.shutdown(2)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._request.__exit__(None, None, None)
        self._client.close()
