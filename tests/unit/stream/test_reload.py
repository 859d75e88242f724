"""Going on with another configuration while cameras are watched."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, RuntimeFault, SourceError, SourceFault, UsageError
from engine.scorer import Explanation
from engine.scripted import ScriptedLanguageScorer, ScriptedScorer
from engine.types import Definition, Judgement, Window
from stream import watch as watch_module
from stream.config import CameraConfig, WatchConfig, from_mapping
from stream.config.change import with_definitions
from stream.config.models import DefinitionConfig
from stream.feed.messages import AlertMessage
from stream.feed.server import CatchUpServer
from stream.reload import ConfigFile
from stream.sources.base import Source
from stream.sources.scripted import ScriptedSource
from stream.watch import FOLLOWED, Watch
from stream.wiring.cameras import make_source
from tests.unit.engine.sentences import WordEncoder
from tests.unit.stream.heard import Heard
from tests.unit.stream.test_session import INFO

SCENE = "synthetic://?size=160x90&fps=10&events=none&seed={}"
WINDOW = {"length": "200ms", "stride": "200ms", "frames": 2, "fps": 10}
PATIENCE_S = 20.0


def config(data: Path, cameras: dict[str, Any]) -> WatchConfig:
    return from_mapping(
        {
            "cameras": cameras,
            "defaults": {"window": WINDOW, "smoothing": {"kind": "none"}, "evidence": {"clip": False}},
            "scorer": {"kind": "recorded", "responses": "scripted"},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "data": {"dir": str(data)},
        }
    )


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(round(PATIENCE_S / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came about")


def watched(watch: Watch, play: Callable[[Heard], Awaitable[None]]) -> Heard:
    """Watch while `play` goes on."""
    heard = Heard()

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(watch.run(stop, started=heard.start))
        try:
            await play(heard)
        finally:
            stop.set()
            await asyncio.wait_for(task, PATIENCE_S)

    try:
        asyncio.run(run())
    finally:
        heard.stop()
    return heard


def scored(heard: Heard, camera: str) -> list[int]:
    """The windows of a camera that were scored, by their places."""
    return [score.index for score in heard.scores if score.camera == camera]


def reading() -> list[str]:
    """The threads that read cameras."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("vigil-camera-"))


def alerts(heard: Heard, camera: str) -> list[AlertMessage]:
    return [alert for alert in heard.alerts if alert.camera == camera]


def test_cameras_come_and_go_and_the_others_lose_no_window(tmp_path: Path) -> None:
    front, back = {"source": SCENE.format(1)}, {"source": SCENE.format(2)}
    watch = Watch(config(tmp_path, {"front": front, "gone": back}), ScriptedScorer(lambda _window: 0.1))

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "front")) > 3 and len(scored(heard, "gone")) > 0)
        await watch.apply(config(tmp_path, {"front": front, "new": back}))
        gone = len(scored(heard, "gone"))
        await until(lambda: len(scored(heard, "new")) > 3)
        assert len(scored(heard, "gone")) <= gone + 1  # one may have been on its way

    heard = watched(watch, play)
    places = scored(heard, "front")
    assert places == list(range(places[0], places[0] + len(places)))


def test_what_is_changed_while_all_is_being_opened_holds_and_no_camera_is_opened_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def slow_catch_up(*arguments: Any) -> CatchUpServer:
        opening.set()
        assert go_on.wait(PATIENCE_S)
        return open_catch_up(*arguments)

    open_catch_up = watch_module._open_catch_up
    monkeypatch.setattr(watch_module, "_open_catch_up", slow_catch_up)
    front, back = {"source": SCENE.format(1)}, {"source": SCENE.format(2)}
    watch = Watch(config(tmp_path, {"front": front, "gone": back}), ScriptedScorer(lambda _window: 0.1))

    async def play(heard: Heard) -> None:
        await until(opening.is_set)
        changing = asyncio.create_task(watch.apply(config(tmp_path, {"front": front, "new": back})))
        await asyncio.sleep(0)  # it is under way
        go_on.set()
        await asyncio.wait_for(changing, PATIENCE_S)
        await until(lambda: len(scored(heard, "front")) > 2 and len(scored(heard, "new")) > 2)
        await until(lambda: reading() == ["vigil-camera-front", "vigil-camera-new"])

    watched(watch, play)


def test_what_is_changed_when_the_end_has_begun_changes_nothing(tmp_path: Path) -> None:
    front, back = {"source": SCENE.format(1)}, {"source": SCENE.format(2)}
    watch = Watch(config(tmp_path, {"front": front}), ScriptedScorer(lambda _window: 0.1))

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "front")) > 0)

    watched(watch, play)
    asyncio.run(watch.apply(config(tmp_path, {"front": front, "late": back})))
    assert list(watch._cameras) == ["front"]


def test_new_thresholds_hold_at_once_and_end_what_was_open_by_the_old_ones(tmp_path: Path) -> None:
    front, back = {"source": SCENE.format(1)}, {"source": SCENE.format(2)}
    watch = Watch(config(tmp_path, {"front": front, "back": back}), ScriptedScorer(lambda _window: 0.7))

    async def play(heard: Heard) -> None:
        await until(lambda: bool(alerts(heard, "front") and alerts(heard, "back")))
        strict = front | {"alerts": {"open": 0.75, "alert": 0.9}}
        await watch.apply(config(tmp_path, {"front": strict, "back": back}))
        before = len(scored(heard, "front"))
        await until(lambda: len(scored(heard, "front")) > before + 3)

    heard = watched(watch, play)
    assert [(each.type, each.end_reason) for each in alerts(heard, "front")] == [("new", None), ("end", "reconfigured")]
    assert alerts(heard, "back")[-1].end_reason == "shutdown"
    places = scored(heard, "front")
    assert places == list(range(places[0], places[0] + len(places)))  # its stream was not touched
    assert {score.segment for score in heard.scores} == {0}


def test_a_definition_that_is_added_leaves_the_events_of_the_others_open(tmp_path: Path) -> None:
    def judge(window: Window) -> Judgement:
        return Judgement(0.9, "It burns.", further={"a fall": Judgement(0.95, "He falls.")})

    scorer = ScriptedLanguageScorer(judge, lambda _request: Explanation(None))
    one, two = ({"source": SCENE.format(1), "definitions": said} for said in (["a fire"], ["a fire", "a fall"]))
    watch = Watch(config(tmp_path, {"front": one}), scorer)

    async def play(heard: Heard) -> None:
        await until(lambda: bool(heard.alerts))
        await watch.apply(config(tmp_path, {"front": two}))
        await until(lambda: {alert.definition for alert in heard.alerts} == {"a fire", "a fall"})
        assert scorer.definitions["front"] == (Definition("a fire", "a fire"), Definition("a fall", "a fall"))

    heard = watched(watch, play)
    ends = [alert for alert in heard.alerts if alert.type == "end"]
    assert {(alert.definition, alert.end_reason) for alert in ends} == {("a fire", "shutdown"), ("a fall", "shutdown")}


def test_another_source_is_opened_and_its_time_goes_on_after_the_old_ones(tmp_path: Path) -> None:
    watch = Watch(config(tmp_path, {"front": {"source": SCENE.format(1)}}), ScriptedScorer(lambda _window: 0.1))

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "front")) > 2)
        await watch.apply(config(tmp_path, {"front": {"source": SCENE.format(2)}}))
        await until(lambda: any(score.segment > 0 for score in heard.scores))

    heard = watched(watch, play)
    segments = [score.segment for score in heard.scores]
    assert segments == sorted(segments)


def test_a_configuration_with_a_source_that_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    front = {"source": SCENE.format(1)}

    def source(camera: CameraConfig) -> Source:
        if "bad" in camera.source.url:
            raise UsageError("no such source")
        return make_source(camera)

    watch = Watch(config(tmp_path, {"front": front}), ScriptedScorer(lambda _window: 0.1), make_source=source)

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "front")) > 1)
        with pytest.raises(UsageError, match="no such source"):
            await watch.apply(config(tmp_path, {"bad": {"source": "bad.mp4"}}))
        before = len(scored(heard, "front"))
        await until(lambda: len(scored(heard, "front")) > before + 2)

    watched(watch, play)


# One change of each section that is not followed.
OTHER: dict[str, Any] = {
    "scorer": {"kind": "motion"},
    "clip": {"weights": "off"},
    "feed": {"bind": "tcp://127.0.0.1:5999"},
    "mqtt": {"url": "mqtt://127.0.0.1"},
    "webhooks": [{"name": "hook", "url": "https://hooks.example.org/", "secret": "s" * 32}],
    "http": {"bind": "127.0.0.1:5998"},
    "console": {"bind": "127.0.0.1:5997"},
    "data": {"dir": "elsewhere"},
    "engine": {"staleness": "3s"},
}


def test_a_change_of_each_section_is_followed_or_told_to_need_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert OTHER.keys() | FOLLOWED == WatchConfig.model_fields.keys()
    front = {"front": {"source": SCENE.format(1)}}
    began = config(tmp_path, front)
    watch = Watch(began, ScriptedScorer(lambda _window: 0.1))

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "front")) > 0)
        for name in OTHER:
            caplog.clear()
            await watch.apply(began.model_copy(update={name: getattr(from_mapping(OTHER), name)}))
            assert caplog.messages == [f"a change of `{name}` takes effect after a restart only"]
            await watch.apply(began)

    watched(watch, play)


def test_a_memory_of_pictures_that_is_turned_on_is_told_to_know_few_of_them_until_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = {"source": SCENE.format(1)}
    watch = Watch(config(tmp_path, {"front": front}), ScriptedScorer(lambda _window: 0.1), sentences=WordEncoder())

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "front")) > 0)
        await watch.apply(config(tmp_path, {"front": front | {"cleaning": {"memory": "pictures"}}}))
        assert any("after a restart only" in line for line in caplog.messages)

    watched(watch, play)


def test_a_camera_that_has_failed_can_be_given_another_source(tmp_path: Path) -> None:
    def source(camera: CameraConfig) -> Source:
        if "missing" in camera.source.url:
            return ScriptedSource([INFO], fail=SourceError("no such file", SourceFault.NOT_FOUND), live=False)
        return make_source(camera)

    other = {"source": SCENE.format(1)}
    watch = Watch(
        config(tmp_path, {"front": {"source": "missing.mp4"}, "other": other}),
        ScriptedScorer(lambda _window: 0.1),
        make_source=source,
    )

    async def play(heard: Heard) -> None:
        await until(lambda: len(scored(heard, "other")) > 1)
        await watch.apply(config(tmp_path, {"front": {"source": SCENE.format(2)}, "other": other}))
        await until(lambda: len(scored(heard, "front")) > 1)

    watched(watch, play)


def test_a_file_has_changed_when_it_says_something_else(tmp_path: Path) -> None:
    path = tmp_path / "vigil.yaml"
    path.write_text("cameras: {front: {source: '0'}}")
    file = ConfigFile(path, {"feed": {"bind": "tcp://127.0.0.1:1"}})
    assert file.load().feed.bind == "tcp://127.0.0.1:1"
    assert not file.changed()
    path.write_text("cameras: {front: {sauce: '0'}}")
    assert file.changed()
    with pytest.raises(ConfigError, match=r"front\.source: is missing"):
        file.load()
    assert not file.changed()  # it is not read again and again
    path.unlink()
    assert not file.changed()


def test_what_can_be_read_only_once_is_no_configuration_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(UsageError, match="is no file"):
            ConfigFile(path, {})


def dog(text: str, said: WatchConfig) -> tuple[str, WatchConfig]:
    return text + "    definitions: [a dog]\n", with_definitions(said, "front", [DefinitionConfig(text="a dog")])


CAMERA = (
    "scorer: {kind: openai, model: m, urls: ['http://127.0.0.1:1']}\ncameras:\n  front:\n    source: synthetic://\n"
)


def test_a_file_that_is_written_counts_as_seen_and_keeps_its_mode_its_mark_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "vigil.yaml"
    real.write_bytes(b"\xef\xbb\xbf" + CAMERA.encode())
    real.chmod(0o640)
    link.symlink_to(real)
    file = ConfigFile(link, {"data": {"dir": "elsewhere"}})
    written = file.rewrite(dog)
    assert (written.cameras["front"].definitions[0].text, str(written.data.dir)) == ("a dog", "elsewhere")
    assert not file.changed()
    assert file.load() == written
    assert link.is_symlink()
    assert real.read_bytes() == b"\xef\xbb\xbf" + CAMERA.encode() + b"    definitions: [a dog]\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [real, link]


@pytest.mark.parametrize(
    "wrong", ["    definitions: [a cat]\n", "    definitions: [a dog]\n    fps: 3\n", "    x: 1\n", "\t"]
)
def test_a_text_that_would_say_something_else_is_not_written(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "vigil.yaml"
    path.write_text(CAMERA)
    file = ConfigFile(path, {})
    with pytest.raises((ConfigError, RuntimeFault)):
        file.rewrite(lambda text, said: (f"{text}    {wrong}\n", dog(text, said)[1]))
    assert path.read_text() == CAMERA
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_does_not_hold_or_is_gone_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "vigil.yaml"
    path.write_text(CAMERA)
    file = ConfigFile(path, {})
    path.write_text("cameras: 3\n")
    with pytest.raises(ConfigError):
        file.rewrite(dog)
    assert path.read_text() == "cameras: 3\n"
    path.unlink()
    with pytest.raises(ConfigError, match="cannot read"):
        file.rewrite(dog)
