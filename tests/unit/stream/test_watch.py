"""The whole of `Watch` in one process: simulated cameras, scripted judgements, a real feed, outbox and clips."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest

from engine.errors import DeviceLostError, FeedError, SourceError, SourceFault, UsageError
from engine.recorded import RecordedScorer
from engine.scorer import Explanation, Request, Scorer
from engine.scripted import Answer, ScriptedLanguageScorer, ScriptedScorer
from engine.types import Box, Definition, Image, Judgement, Window
from stream import alerts as alerts_module
from stream import keeper
from stream import outbox as outbox_module
from stream import watch as watch_module
from stream.alerts import KEPT_S
from stream.clock import ManualClock
from stream.config import CameraConfig, WatchConfig, from_mapping
from stream.evidence import album
from stream.evidence.recorder import EvidenceWorker, Snapshot
from stream.evidence.snapshot import write_snapshot
from stream.feed.publisher import FeedPublisher
from stream.keeper import CameraKeeper
from stream.outbox import Outbox
from stream.outbox_file import OutboxFile
from stream.responses import read_responses
from stream.sources.base import Source
from stream.sources.scripted import ScriptedSource
from stream.sources.synthetic import SyntheticSource
from stream.watch import Watch
from stream.wiring.cameras import make_source
from tests.unit.engine.frames import window
from tests.unit.stream.feed import made
from tests.unit.stream.heard import Heard
from tests.unit.stream.test_keeper import StuckSource
from tests.unit.stream.test_session import INFO

PATIENCE_S = 20.0
WINDOW = {"length": "500ms", "stride": "500ms", "frames": 4}
SCENE = "synthetic://?size=160x90&fps=10&events=none&duration={}"
ALERTS = {"cooldown": 0, "merge_gap": "1s", "close_hold": "1s"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no hung disk."""
    monkeypatch.setattr(album, "WRITE_WAIT_S", PATIENCE_S)


def config(data: Path, cameras: dict[str, Any], **sections: Any) -> WatchConfig:
    """Cameras by name, unsmoothed, at full pace; loopback feed on a free port; nothing else."""
    return from_mapping(
        {
            "cameras": cameras,
            "defaults": {"pace": "max", "smoothing": {"kind": "none"}, "alerts": ALERTS},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "data": {"dir": str(data)},
            **sections,
        }
    )


def watch(settings: WatchConfig, scorer: Scorer, **options: Any) -> Heard:
    """Run to the end of every source, and hear all of it."""
    heard = Heard()
    watching = Watch(settings, scorer, **options)
    try:
        asyncio.run(watching.run(asyncio.Event(), exit_at_end=True, started=heard.start))
    finally:
        heard.stop()
    return heard


def watch_until(watching: Watch, enough: Callable[[Heard], bool]) -> Heard:
    """Run until enough was heard, or for 20 s, and hear also what is told at the end."""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(watching.run(stop, started=heard.start))
        for _ in range(400):
            if enough(heard):
                break
            await asyncio.sleep(0.05)
        stop.set()
        await asyncio.wait_for(task, 10)

    heard = Heard()
    try:
        asyncio.run(run())
    finally:
        heard.stop()
    return heard


def rising(scores: Sequence[float | None]) -> ScriptedScorer:
    """A scorer that gives these scores, one a window, with a sentence and a box for the high ones."""
    box = Box(0.25, 0.25, 0.75, 0.75, "something")

    def judgement(score: float | None) -> Answer:
        return None if score is None else Judgement(score, f"Score {score}.", boxes=(box,) if score > 0.5 else ())

    return ScriptedScorer([judgement(score) for score in scores])


def test_a_rise_becomes_one_event_with_snapshot_clip_and_sentence_in_the_outbox_and_on_the_feed(tmp_path: Path) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(14)}})
    heard = watch(settings, rising([0.1] * 4 + [0.7, 0.9, 0.8] + [0.1] * 7))
    new, *_, end = heard.alerts
    assert [alert.type for alert in (new, end)] == ["new", "end"]
    assert {alert.id for alert in heard.alerts} == {new.id}
    assert (new.severity, new.score, new.explanation) == ("detection", 0.7, "Score 0.7.")
    assert (end.severity, end.top_score, end.explanation, end.end_reason) == ("alert", 0.9, "Score 0.9.", "calm")
    assert end.boxes[0].label == "something"
    assert end.end_time is not None
    assert end.end_time - end.start_time == pytest.approx(3.0, abs=0.2)  # three windows of a second
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        kept = outbox.since(0)
    assert [(m.seq, m.type) for m in kept] == [(m.seq, m.type) for m in heard.alerts]
    assert new.snapshot is not None
    assert (tmp_path / new.snapshot).read_bytes()[:2] == b"\xff\xd8"
    assert end.clip is not None
    with av.open(str(tmp_path / end.clip)) as clip:
        shown = [frame.time for frame in clip.decode(video=0)]
    assert end.clip_start_time is not None
    assert end.snapshot_time is not None
    assert end.clip_start_time < end.start_time <= end.snapshot_time <= end.end_time
    assert shown[-1] - shown[0] == pytest.approx(4.0 + 3.0 + 5.0, abs=1.3)  # all there is before, the event, post-roll


def test_an_update_is_of_the_moment_that_is_the_worst_by_then(tmp_path: Path) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(8)}})
    heard = watch(settings, rising([0.1] * 3 + [0.7, 0.9, 0.7] + [0.1] * 2))
    update = heard.alerts[1]
    assert (update.type, update.severity, update.explanation) == ("update", "alert", "Score 0.9.")
    assert update.timing.window_end == update.time
    assert heard.alerts[-1].timing.window_end == update.time < heard.alerts[-1].time


def test_every_score_is_published_and_unknown_ones_are_marked(tmp_path: Path) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(5)}})
    heard = watch(settings, rising([0.1, None, 0.3, 0.2, 0.1]))
    assert [(s.raw, s.score, s.held) for s in heard.scores] == [
        (0.1, 0.1, False),
        (None, 0.1, True),
        (0.3, 0.3, False),
        (0.2, 0.2, False),
        (0.1, 0.1, False),
    ]


def test_an_event_that_is_open_when_a_file_ends_is_ended(tmp_path: Path) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(4)}})
    heard = watch(settings, rising([0.1, 0.9, 0.9, 0.9]))
    assert [(a.type, a.end_reason) for a in heard.alerts] == [("new", None), ("end", "source_ended")]
    assert heard.alerts[-1].has_clip
    assert heard.alerts[-1].clip_note == "ends where the source ended"


def test_a_dead_camera_beside_a_healthy_one_costs_it_nothing_and_says_why(tmp_path: Path) -> None:
    cameras = {"dead": {"source": "rtsp://user:hunter2@127.0.0.1:1/x"}, "live": {"source": SCENE.format(6)}}

    def source(camera: CameraConfig) -> Source:
        if "rtsp" in camera.source.url:
            return ScriptedSource([INFO], fail=SourceError("nobody there", SourceFault.REFUSED))
        return make_source(camera)

    running = Watch(config(tmp_path, cameras), rising([0.1] * 6), make_source=source)
    heard = watch_until(running, lambda heard: len(heard.scores) >= 6)
    assert len(heard.scores) == 6
    faults = {(s.camera, s.state, s.fault) for s in heard.statuses if s.fault}
    assert faults == {("dead", "offline", "refused")}
    assert all("hunter2" not in repr(s) for s in heard.statuses)


def test_a_camera_that_stays_dead_is_an_alert_that_ends_with_the_watch(tmp_path: Path) -> None:
    dead = {"source": "rtsp://user:hunter2@127.0.0.1:1/x", "health": {"alert_after": "100ms"}}
    quiet = {**dead, "health": {"alerts": False}}

    running = Watch(
        config(tmp_path, {"dead": dead, "quiet": quiet}),
        rising([]),
        make_source=lambda _: ScriptedSource([INFO], fail=SourceError("nobody there", SourceFault.REFUSED)),
    )
    heard = watch_until(running, lambda heard: bool(heard.alerts))
    new, end = heard.alerts
    assert [(each.type, each.camera, each.fault, each.severity) for each in (new, end)] == [
        ("new", "dead", "refused", "fault"),
        ("end", "dead", "refused", "fault"),
    ]
    assert (end.id, end.end_reason) == (new.id, "shutdown")
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        assert [kept.explanation for kept in outbox.since(0)] == [new.explanation, end.explanation]


def test_a_camera_that_was_given_up_is_watched_again_when_what_hung_has_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MAX_ABANDONED", 0)
    monkeypatch.setattr(keeper, "GRACE_S", 0.2)
    stuck, opened = StuckSource(), 0

    def source(camera: CameraConfig) -> Source:
        nonlocal opened
        if "rtsp" not in camera.source.url:
            return make_source(camera)
        opened += 1  # the first is only looked at whether it makes sense
        return stuck if opened == 2 else SyntheticSource(SCENE.format(3600))

    cameras = {
        "front": {"source": SCENE.format(3600), "pace": "realtime"},
        "back": {"source": "rtsp://127.0.0.1:1/x", "pace": "realtime", "open_timeout": "200ms"},
    }
    running = Watch(config(tmp_path, cameras), ScriptedScorer(lambda _window: 0.1), make_source=source)

    def watched_again(heard: Heard) -> bool:
        camera = running._cameras.get("back")
        if camera and camera.finished:
            stuck.let_go.set()
        return any(score.camera == "back" for score in heard.scores)

    heard = watch_until(running, watched_again)
    assert "failed" in [status.state for status in heard.statuses if status.camera == "back"]
    assert any(score.camera == "back" for score in heard.scores)
    assert not running._cameras["back"].desk.packets.ended


def test_stopping_ends_open_events_with_their_clips_well_within_ten_seconds(tmp_path: Path) -> None:
    async def run(heard: Heard) -> float:
        stop = asyncio.Event()
        settings = config(tmp_path, {"front": {"source": SCENE.format(3600), "pace": "realtime"}})
        task = asyncio.create_task(Watch(settings, rising([0.9] * 60)).run(stop, started=heard.start))
        for _ in range(200):
            if heard.alerts:
                break
            await asyncio.sleep(0.05)
        asked_s = time.monotonic()
        stop.set()
        await asyncio.wait_for(task, 10)
        return time.monotonic() - asked_s

    heard = Heard()
    try:
        assert asyncio.run(run(heard)) < 10
    finally:
        heard.stop()
    assert [(a.type, a.end_reason) for a in heard.alerts] == [("new", None), ("end", "shutdown")]
    assert heard.alerts[-1].has_clip


def test_events_left_open_by_a_crash_are_ended_under_their_own_id_at_the_next_start(tmp_path: Path) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(3)}})
    first = watch(settings, rising([0.9, 0.9, 0.9]))
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:  # as if the process had died before the end
        opened = outbox.append(msgspec.structs.replace(first.alerts[0], id="LEFTOPEN"))
    watch(settings, rising([0.1, 0.1, 0.1]))
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        (end,) = outbox.since(opened.seq)
    assert (end.type, end.id, end.end_reason) == ("end", "LEFTOPEN", "restart")


def test_a_files_events_and_cool_down_keep_its_own_time_however_slow_the_scorer(tmp_path: Path) -> None:
    clock = ManualClock()
    scores = [0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1]

    def slowly(window: Window) -> Answer:
        clock.advance(100.0)
        return scores[window.index]

    settings = config(
        tmp_path,
        {"front": {"source": SCENE.format(12), "alerts": ALERTS | {"cooldown": "3s"}}},
        scorer={"timeout": "1h"},
        engine={"max_batch": 1},
    )
    heard = watch(settings, ScriptedScorer(slowly), clock=clock)
    assert [a.end_reason for a in heard.alerts if a.type == "end"] == ["calm", "calm"]
    assert len([a for a in heard.alerts if a.type == "new"]) == 2


def test_what_a_scorer_says_after_the_end_is_let_go(tmp_path: Path) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(3)}})
    running = Watch(settings, rising([0.1] * 3))
    asyncio.run(running.run(asyncio.Event(), exit_at_end=True))
    released: list[bool] = []
    running._deliver([(window(release=lambda: released.append(True)), Judgement(0.9))], 5.0)
    assert released == [True]


def test_alerts_that_are_too_old_leave_the_outbox(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite3", lambda: time.time() - 1.01 * KEPT_S) as outbox:
        for kind in ("new", "end"):
            outbox.append(made.an_alert(type=kind))
    watch(config(tmp_path, {"front": {"source": SCENE.format(3)}}), rising([0.1] * 3))
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        assert (outbox.first_seq, outbox.last_seq) == (2, 2)  # the newest stays, so that counting goes on


def test_a_model_that_knows_nothing_is_told_once_and_so_is_that_it_knows_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(tmp_path, {"front": {"source": SCENE.format(45)}})
    judgements: list[Answer] = [0.1, *[Judgement.unknown("its numbers are not finite")] * 40, 0.1]
    watching = Watch(settings, ScriptedScorer(judgements))
    asyncio.run(watching.run(asyncio.Event(), exit_at_end=True))
    told = [record.message for record in caplog.records if "judged" in record.message]
    assert told == ["no window could be judged for 30 s: its numbers are not finite", "windows can be judged again"]
    assert watching.windows == "45 windows judged, 43 of them unknown, 0 dropped"


def test_a_scorer_that_raises_makes_windows_unknown_and_watching_goes_on(tmp_path: Path) -> None:
    def fail_once(window: Window) -> Answer:
        if window.index == 2:
            raise ValueError("out of luck")
        return 0.2

    settings = config(tmp_path, {"front": {"source": SCENE.format(6)}}, engine={"max_batch": 1})
    heard = watch(settings, ScriptedScorer(fail_once))
    assert [s.held for s in heard.scores] == [False, False, True, False, False, False]
    assert "out of luck" in heard.scores[2].reason


def test_a_hung_scorer_is_told_by_readiness_and_does_not_hold_up_the_end(tmp_path: Path) -> None:
    let_go = threading.Event()

    def hang(_window: Window) -> Answer:
        let_go.wait(20)
        return 0.5

    async def run() -> tuple[int, int]:
        stop = asyncio.Event()
        url: list[str] = []
        settings = config(
            tmp_path,
            {"front": {"source": SCENE.format(60), "pace": "realtime"}},
            scorer={"timeout": "500ms"},
            http={"bind": "127.0.0.1:0"},
        )
        running = Watch(settings, ScriptedScorer(hang))
        task = asyncio.create_task(running.run(stop, started=lambda _feed, http: url.append(http or "")))
        codes = []
        for _ in range(100):
            await asyncio.sleep(0.1)
            if url:
                codes.append(await asyncio.to_thread(status_of, url[0] + "/readyz"))
                if codes[-1] == 503:
                    break
        stop.set()
        let_go.set()
        await asyncio.wait_for(task, 10)
        return codes[0], codes[-1]

    assert asyncio.run(run()) == (200, 503)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_port_that_is_taken_is_one_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with FeedPublisher("tcp://127.0.0.1:*") as other:
        cameras = {"front": {"source": SCENE.format(3)}}
        settings = config(tmp_path, cameras, feed={"bind": other.bound_endpoint})
        with pytest.raises(FeedError, match="another Vigil"):
            asyncio.run(Watch(settings, rising([0.1])).run(asyncio.Event()))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("vigil-")] == []


def test_a_camera_that_cannot_be_started_is_an_error_that_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = CameraKeeper.start

    def start_one(keeper: CameraKeeper) -> None:
        if keeper.camera == "second":
            raise RuntimeError("can't start new thread")
        start(keeper)

    monkeypatch.setattr(CameraKeeper, "start", start_one)
    cameras = {name: {"source": SCENE.format(3600), "pace": "realtime"} for name in ("first", "second")}
    with pytest.raises(RuntimeError, match="new thread"):
        asyncio.run(Watch(config(tmp_path, cameras), rising([])).run(asyncio.Event()))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("vigil-")] == []


def test_a_recorded_run_is_answered_again_as_it_was(tmp_path: Path) -> None:
    record = tmp_path / "judgements.jsonl"
    camera = {"front": {"source": SCENE.format(5)}}
    first = watch(config(tmp_path / "1", camera), rising([0.1, None, 0.9, 0.2, 0.1]), record=record)
    again = watch(config(tmp_path / "2", camera), RecordedScorer(read_responses(record)))
    told = [[(s.pts_s, s.raw, s.score, s.held, s.text) for s in heard.scores] for heard in (first, again)]
    assert told[0] == told[1]
    assert [(a.type, a.score, a.boxes) for a in first.alerts] == [(a.type, a.score, a.boxes) for a in again.alerts]


def test_a_source_that_makes_no_sense_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seed"):
        Watch(config(tmp_path, {"front": {"source": "synthetic://?sede=3"}}), rising([]))


def telling(
    scores: Sequence[Answer] | Callable[[Window], Answer], explain: Callable[[Request], Explanation]
) -> ScriptedLanguageScorer:
    """A scorer that scores first and explains afterwards, when it is asked to."""
    return ScriptedLanguageScorer(scores, explain, frame_size=(64, 36))


def sentence(request: Request) -> Explanation:
    if request.said:
        return Explanation("In short: " + " ".join(request.said))
    return Explanation(f"Seen at {request.score}.", boxes=(Box(0.1, 0.1, 0.5, 0.5, "it"),))


def test_an_event_opens_without_words_is_explained_while_it_goes_on_and_ends_with_a_summary(tmp_path: Path) -> None:
    # The pace of a camera: at full pace a file is over before anything can be said.
    settings = config(tmp_path, {"front": {"source": SCENE.format(7), "pace": "realtime", "window": WINDOW}})
    scorer = telling([0.1] * 2 + [0.7] * 4 + [0.95] * 4 + [0.1] * 4, sentence)
    heard = watch(settings, scorer)
    new, *updates, end = heard.alerts
    assert (new.type, new.explanation, new.explanation_state, new.boxes) == ("new", None, "pending", ())
    told = [(alert.explanation, alert.explanation_state) for alert in updates]
    assert ("Seen at 0.7.", "provisional") in told
    assert told[-1] == ("Seen at 0.95.", "provisional")
    assert updates[-1].boxes[0].label == "it"
    assert (end.type, end.explanation_state) == ("end", "final")
    assert end.explanation == "In short: Seen at 0.7. Seen at 0.95."
    assert {alert.id for alert in heard.alerts} == {new.id}
    assert new.model.prompt_sha256 == scorer.info_for(Definition()).prompt_sha256


def test_sentences_that_come_with_the_score_get_their_boxes_and_are_summed_up_at_the_end(tmp_path: Path) -> None:
    def explain(request: Request) -> Explanation:
        if request.said:
            return Explanation("In short: " + " ".join(request.said))
        return Explanation(request.sentence or "Asked for.", boxes=(Box(0.1, 0.1, 0.5, 0.5, "it"),))

    cameras: dict[str, Any] = {
        "boxed": {"source": SCENE.format(4)},
        "plain": {"source": SCENE.format(4), "evidence": {"boxes": False}},
    }
    for camera in cameras.values():
        camera |= {"pace": "realtime", "window": WINDOW, "alerts": ALERTS | {"open": 0.4, "close": 0.2}}
    said = [Judgement(0.1), *[Judgement(0.6, text="A man waits.")] * 2, *[Judgement(0.9, text="A man climbs.")] * 10]
    calm = [Judgement(0.1), *[Judgement(0.45, text="A street is empty.")] * 10]
    scorer = telling(lambda window: (calm if window.camera == "calm" else said)[window.index], explain)
    cameras["calm"] = cameras["boxed"]
    heard = watch(config(tmp_path, cameras), scorer)
    told = {name: [alert for alert in heard.alerts if alert.camera == name] for name in cameras}
    assert {name: alerts[-1].explanation for name, alerts in told.items()} == {
        "boxed": "In short: A man waits. A man climbs.",
        "plain": "In short: A man waits. A man climbs.",
        "calm": "Asked for.",  # what was said of it says that nothing is abnormal
    }
    assert {name: len(alerts[-1].boxes) for name, alerts in told.items()} == {"boxed": 1, "plain": 0, "calm": 1}
    asked = [(each.window.camera, each.sentence, each.boxes, bool(each.said)) for each in scorer.requests]
    assert sorted(asked, key=str) == [
        ("boxed", "A man climbs.", True, False),
        ("boxed", "A man waits.", True, False),
        ("boxed", None, False, True),
        ("calm", None, True, False),
        ("plain", None, False, True),
    ]


def test_the_picture_of_an_event_is_the_one_that_its_boxes_belong_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[float, int]] = []
    improve = EvidenceWorker.improve

    def noting(self: EvidenceWorker, event_id: str, image: Image, boxes: Sequence[Box], time_s: float) -> Snapshot:
        shown.append((time_s, len(boxes)))
        return improve(self, event_id, image, boxes, time_s)

    monkeypatch.setattr(EvidenceWorker, "improve", noting)
    settings = config(tmp_path, {"front": {"source": SCENE.format(6), "pace": "realtime", "window": WINDOW}})
    scorer = telling([0.1] * 2 + [0.7, 0.71, 0.72, 0.73, 0.74, 0.73, 0.72, 0.71] + [0.1] * 2, sentence)
    heard = watch(settings, scorer)
    opened = scorer.requests[0].window.end.time_s
    assert shown == [(opened, 1)]  # a score that creeps up is not worth another explanation, nor another picture
    assert len(heard.alerts[-1].boxes) == 1
    assert heard.alerts[-1].snapshot_time == opened


def test_the_worst_window_that_comes_while_another_is_explained_is_explained_next(tmp_path: Path) -> None:
    def slow(request: Request) -> Explanation:
        time.sleep(1.2)  # two windows come meanwhile
        return Explanation(f"Seen at {request.score}.")

    settings = config(tmp_path, {"front": {"source": SCENE.format(7), "pace": "realtime", "window": WINDOW}})
    scorer = telling([0.1, 0.7, 0.95, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7] + [0.1] * 5, slow)
    heard = watch(settings, scorer)
    assert [request.score for request in scorer.requests][:2] == [0.7, 0.95]
    assert any(alert.explanation == "Seen at 0.95." for alert in heard.alerts)


def test_each_definition_has_its_own_scores_and_events_and_the_alert_names_it(tmp_path: Path) -> None:
    definitions = [{"name": "fire", "text": "smoke or fire"}, {"name": "helmet", "text": "no helmet", "open": 0.9}]
    settings = config(
        tmp_path,
        {"front": {"source": SCENE.format(7), "definitions": definitions, "alerts": ALERTS | {"alert": 0.95}}},
        scorer={"kind": "recorded", "responses": "scripted"},
    )
    fire, helmet = [0.1, 0.7, 0.7, 0.1, 0.1, 0.1, 0.1], [0.2, 0.8, 0.1, 0.1, 0.92, 0.1, 0.1]
    judged = [Judgement(a, further={"helmet": Judgement(b)}) for a, b in zip(fire, helmet, strict=True)]
    scorer = telling(judged, sentence)
    heard = watch(settings, scorer)
    assert [definition.name for definition in scorer.definitions["front"]] == ["fire", "helmet"]
    by_definition = {name: [s.score for s in heard.scores if s.definition == name] for name in ("fire", "helmet")}
    assert by_definition == {"fire": fire, "helmet": helmet}
    assert [(a.definition, a.threshold) for a in heard.alerts if a.type == "new"] == [("fire", 0.6), ("helmet", 0.9)]
    assert len({a.model.prompt_sha256 for a in heard.alerts}) == 2
    assert all(request.definition.name in ("fire", "helmet") for request in scorer.requests)


def test_a_scorer_that_was_not_asked_by_a_definition_leaves_its_score_unknown(tmp_path: Path) -> None:
    settings = config(
        tmp_path,
        {"front": {"source": SCENE.format(2), "definitions": ["a fire", "a fall"]}},
        scorer={"kind": "recorded", "responses": "scripted"},
    )
    heard = watch(settings, rising([0.1, 0.2]))
    fall = [score for score in heard.scores if score.definition == "a fall"]
    assert [score.score for score in fall] == [None, None]
    assert fall[0].reason == "the scorer was not asked about a fall"


def test_an_explanation_that_fails_costs_the_alert_nothing(tmp_path: Path) -> None:
    def fail(_request: Request) -> Explanation:
        raise ValueError("no words today")

    heard = watch(
        config(tmp_path, {"front": {"source": SCENE.format(6)}}), telling([0.1, 0.9, 0.9, 0.1, 0.1, 0.1], fail)
    )
    assert [(alert.type, alert.explanation) for alert in heard.alerts] == [("new", None), ("end", None)]
    assert heard.alerts[-1].explanation_state == "final"


def test_a_lost_device_ends_the_watch_and_leaves_its_events_open_for_the_next_process(tmp_path: Path) -> None:
    def lose(window: Window) -> Answer:
        if window.index >= 4:
            raise DeviceLostError("the GPU fell off the bus", advice="Vigil has to be started again")
        return 0.9

    settings = config(tmp_path, {"front": {"source": SCENE.format(20)}})
    with pytest.raises(DeviceLostError) as caught:
        watch(settings, ScriptedScorer(lose))
    assert caught.value.exit_code == 75
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        assert len(outbox.open_events()) == 1
    watch(settings, rising([0.1] * 20))
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        assert [(alert.type, alert.end_reason) for alert in outbox.since(0)] == [("new", None), ("end", "restart")]


class Disk:
    """A disk that takes nothing while it hangs: no picture, no alert, no pruning."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()
        monkeypatch.setattr(album, "write_snapshot", self._slow(write_snapshot))
        monkeypatch.setattr(OutboxFile, "insert", self._slow(OutboxFile.insert))
        monkeypatch.setattr(OutboxFile, "prune", self._slow(OutboxFile.prune))
        monkeypatch.setattr(album, "WRITE_WAIT_S", 0.05)
        monkeypatch.setattr(outbox_module, "WRITE_WAIT_S", 0.05)

    def _slow(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def slowly(*arguments: Any) -> Any:
            assert self.answers.wait(PATIENCE_S)
            return work(*arguments)

        return slowly


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.answers.set()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.02)


def test_with_a_disk_that_hangs_alerts_of_all_cameras_go_out_and_their_pictures_follow(
    tmp_path: Path, disk: Disk
) -> None:
    cameras = {name: {"source": SCENE.format(3600), "pace": "realtime", "window": WINDOW} for name in ("front", "back")}

    def named(heard: Heard) -> set[str]:
        return {alert.camera for alert in heard.alerts if alert.snapshot}

    async def run(heard: Heard) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(
            Watch(config(tmp_path, cameras), ScriptedScorer(lambda _: 0.9)).run(stop, started=heard.start)
        )
        await until(lambda: {alert.camera for alert in heard.alerts} == set(cameras))
        scored = len(heard.scores)
        await until(lambda: len(heard.scores) >= scored + 4)  # the loop goes on
        assert named(heard) == set()
        disk.answers.set()
        await until(lambda: named(heard) == set(cameras))
        stop.set()
        await task

    heard = Heard()
    try:
        asyncio.run(run(heard))
    finally:
        heard.stop()
    for name in cameras:
        new, update, *_ = [alert for alert in heard.alerts if alert.camera == name]
        assert (new.type, new.snapshot, new.snapshot_note) == ("new", None, "the disk has not taken the snapshot yet")
        assert (update.type, update.id, update.snapshot_note) == ("update", new.id, None)
        assert update.snapshot is not None
        assert (tmp_path / update.snapshot).exists()
    assert [alert.seq for alert in heard.alerts] == list(range(1, len(heard.alerts) + 1))


def test_a_scorer_that_hangs_in_an_explanation_costs_no_end_its_telling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "CAPTURED_S", 0.2)
    monkeypatch.setattr(alerts_module, "CLIPS_S", 0.5)
    monkeypatch.setattr(alerts_module, "TOLD_S", PATIENCE_S)
    hanging, over = threading.Event(), threading.Event()

    def explain(request: Request) -> Explanation:
        if request.score > 0.9:
            hanging.set()
            assert over.wait(PATIENCE_S)
        return Explanation(f"Seen at {request.score}.")

    async def run(heard: Heard) -> None:
        stop = asyncio.Event()
        settings = config(tmp_path, {"front": {"source": SCENE.format(3600), "pace": "realtime", "window": WINDOW}})
        scorer = telling([0.65] * 3 + [0.8] * 3 + [0.99] * 100, explain)
        task = asyncio.create_task(Watch(settings, scorer).run(stop, started=heard.start))
        await until(hanging.is_set)
        stop.set()
        await task

    heard = Heard()
    try:
        asyncio.run(run(heard))
    finally:
        over.set()
        heard.stop()
    assert (heard.alerts[-1].type, heard.alerts[-1].end_reason) == ("end", "shutdown")
