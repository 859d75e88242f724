"""Cameras that fail in the middle of things: noticed in time, told by their fault, and back by themselves."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from engine.batcher import MicroBatcher
from engine.errors import SourceFault
from engine.windows import WindowPlan
from stream.clock import SystemClock
from stream.keeper import CameraKeeper, Report
from stream.rings import PacketRing
from stream.session import CameraSession, CameraState, SessionSettings, SessionStats, StateChange
from stream.sources.pyav import PyAvOptions, PyAvSource
from tests.integration.conftest import RtspServer
from tests.integration.fake_rtsp import FPS, GOP, Call, Talk, camera, well
from tests.integration.proxy import proxy
from tests.unit.stream.clips import encode

OPEN_S = 2.0
STALL_S = 1.5
SLACK_S = 4.0  # what a busy machine may add
SOON_S = 25.0


class Impatient(SystemClock):
    """Real time, but nobody waits long before a camera is tried again."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.wait(min(seconds, 0.1))


class Watched:
    """A camera that is watched as `vigil watch` does it, with what was reported and when."""

    def __init__(self, url: str) -> None:
        self.changes: list[tuple[float, StateChange]] = []
        clock = Impatient()
        batcher = MicroBatcher(max_batch=8, staleness_s=60, monotonic=clock.monotonic)
        options = PyAvOptions(open_timeout_s=OPEN_S, read_timeout_s=STALL_S)

        def make_session(report: Report, stats: SessionStats) -> CameraSession:
            return CameraSession(
                SessionSettings("front", WindowPlan(), (64, 36)),
                lambda: PyAvSource(url, options),
                packets=PacketRing(5.0, 1_000_000),
                batcher=batcher,
                report=report,
                clock=clock,
                rng=random.Random(1),
                stats=stats,
            )

        self._batcher = batcher
        self.keeper = CameraKeeper(
            "front",
            make_session,
            report=lambda change: self.changes.append((time.monotonic(), change)),
            clock=clock,
            stall_s=STALL_S,
            open_timeout_s=OPEN_S,
        )

    @property
    def stats(self) -> SessionStats:
        return self.keeper.stats

    def faults(self) -> list[SourceFault]:
        return [change.error.fault for _, change in self.changes if change.error]

    def first(self, state: CameraState) -> float | None:
        """When it was first told to be in that state."""
        return next((at_s for at_s, change in self.changes if change.state is state), None)

    def until(self, happened: Callable[[], object]) -> None:
        """Watch on until it has happened."""
        deadline_s = time.monotonic() + SOON_S
        while not happened():
            assert time.monotonic() < deadline_s, [change for _, change in self.changes[-4:]]
            self.keeper.tick()
            for window in self._batcher.take(0.05):
                window.release()

    def until_it_shows(self, pictures: int = FPS) -> None:
        """Until so many more pictures have come."""
        wanted = self.stats.pictures + pictures
        self.until(lambda: self.stats.pictures >= wanted and self.keeper.state is CameraState.LIVE)


@contextmanager
def watching(url: str) -> Iterator[Watched]:
    watched = Watched(url)
    watched.keeper.start()
    try:
        yield watched
    finally:
        watched.keeper.stop()
        assert watched.keeper.join(OPEN_S + SLACK_S)


def silent_after(method: str) -> Talk:
    def talk(call: Call) -> None:
        if method:
            call.serve(method)
        call.say_nothing()

    talk.__name__ = f"silent_after_{method or 'accept'}"
    return talk


def silent_in_mid_gop(call: Call) -> None:
    call.serve()
    call.play(GOP + GOP // 2)
    call.say_nothing()


def hangs_up_in_mid_gop(call: Call) -> None:
    call.serve()
    call.play(GOP + GOP // 2)


def turns_to_garbage(call: Call) -> None:
    call.serve()
    call.play(GOP)
    while True:
        call.send(random.Random(1).randbytes(65536))


def garbage_in_the_packets(call: Call) -> None:
    """Whole packets of the right length, whose contents mean nothing."""
    call.serve()
    call.play(GOP)
    rng = random.Random(1)
    while True:
        call.send(b"$\0\x04\x00" + rng.randbytes(1024))


def packet_longer_than_told(call: Call) -> None:
    call.serve()
    call.play(GOP)
    call.send(b"$\0\x00\x04" + bytes(5000))
    call.say_nothing()


def packet_shorter_than_told(call: Call) -> None:
    call.serve()
    call.play(GOP)
    call.send(b"$\0\xff\xff" + bytes(100))
    call.say_nothing()


def answer_shorter_than_told(call: Call) -> None:
    call.serve("OPTIONS")
    call.request()
    call.reply(b"v=0\r\n", "Content-Type: application/sdp\r\n", length=2_000_000_000)
    call.say_nothing()


def answer_of_negative_length(call: Call) -> None:
    call.serve("OPTIONS")
    call.request()
    call.reply(b"v=0\r\n", "Content-Type: application/sdp\r\n", length=-5)
    call.say_nothing()


def endless_headers(call: Call) -> None:
    call.request()
    call.send(b"RTSP/1.0 200 OK\r\n")
    while True:
        call.send(b"X-Filler: nothing to see here\r\n" * 500)


def endless_line(call: Call) -> None:
    call.request()
    while True:
        call.send(b"x" * 65536)


def redirects_to_itself(call: Call) -> None:
    call.request()
    call.reply(headers=f"Location: {call.url}\r\n", status="302 Moved")


UNREACHABLE, STALLED = SourceFault.UNREACHABLE, SourceFault.STALLED
INVALID, LOST, ENDED = SourceFault.INVALID, SourceFault.LOST, SourceFault.ENDED


@pytest.mark.parametrize(
    ("talk", "faults"),
    [
        (silent_after(""), {UNREACHABLE}),
        (silent_after("OPTIONS"), {UNREACHABLE}),
        (silent_after("DESCRIBE"), {UNREACHABLE}),
        (silent_after("SETUP"), {UNREACHABLE}),
        (silent_after("PLAY"), {INVALID}),
        (silent_in_mid_gop, {STALLED}),
        (hangs_up_in_mid_gop, {ENDED, LOST}),
        (turns_to_garbage, {STALLED, ENDED, LOST, INVALID}),
        (garbage_in_the_packets, {STALLED, ENDED, LOST, INVALID}),
        (packet_longer_than_told, {STALLED, ENDED, LOST}),
        (packet_shorter_than_told, {STALLED}),
        (answer_shorter_than_told, {UNREACHABLE, INVALID}),
        (answer_of_negative_length, {UNREACHABLE, INVALID}),
        (endless_headers, {UNREACHABLE, INVALID}),
        (endless_line, {UNREACHABLE, INVALID}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_a_camera_that_fails_is_told_by_its_fault_and_is_back_when_it_behaves(
    talk: Talk, faults: set[SourceFault]
) -> None:
    with camera(talk, well) as fake, watching(fake.url) as watched:
        watched.until(lambda: fake.calls >= 2)
        watched.until_it_shows()
        assert watched.faults()[0] in faults
        assert fake.most_open == 1


def test_a_silent_camera_is_stalled_within_the_stall_time() -> None:
    with camera(silent_in_mid_gop, well) as fake, watching(fake.url) as watched:
        watched.until(lambda: watched.faults())
        told_s = watched.changes[-1][0]
        assert watched.faults()[0] is STALLED
        assert told_s - fake.silent_since_s[0] < STALL_S + SLACK_S


def test_a_camera_that_redirects_to_itself_for_ever_is_given_up_in_time_with_one_connection() -> None:
    with camera(redirects_to_itself) as fake, watching(fake.url) as watched:
        watched.until(lambda: watched.faults())
        began_s, failed_s = watched.first(CameraState.CONNECTING), watched.first(CameraState.OFFLINE)
        assert began_s is not None
        assert failed_s is not None
        assert failed_s - began_s < OPEN_S + SLACK_S
        assert fake.most_open == 1


@pytest.mark.parametrize("scheme", ["file://", "", "http://127.0.0.1:1", "concat:", "subfile:"])
def test_a_redirect_leads_to_no_file_and_to_no_other_protocol(scheme: str, tmp_path: Path) -> None:
    """The target is a video: were it followed, the camera would be live."""
    video = encode(tmp_path / "secret.mp4")

    def redirect(call: Call) -> None:
        call.request()
        call.reply(headers=f"Location: {scheme}{video}\r\n", status="302 Moved")

    with camera(redirect) as fake, watching(fake.url) as watched:
        watched.until(lambda: fake.calls >= 2)
        assert watched.stats.pictures == 0
        assert watched.first(CameraState.LIVE) is None


def test_a_camera_that_lies_about_its_rate_is_sampled_by_its_own_time() -> None:
    def lie(call: Call) -> None:
        call.serve(framerate=1000)
        call.play()

    with camera(lie) as fake, watching(fake.url) as watched:
        watched.until_it_shows(3 * FPS)
        assert watched.faults() == []
        assert watched.stats.segment == 0
        assert watched.stats.frames == pytest.approx(watched.stats.pictures * 8 / FPS, abs=3)


@pytest.mark.parametrize("ahead_s", [1000.0, -1000.0])
def test_a_camera_whose_clock_jumps_is_told_and_goes_on(ahead_s: float) -> None:
    def jump(call: Call) -> None:
        call.serve()
        call.play(2 * GOP)
        call.play(ahead_s=ahead_s)

    with camera(jump) as fake, watching(fake.url) as watched:
        watched.until(lambda: watched.stats.trouble)
        assert watched.stats.trouble is not None
        assert watched.stats.trouble.fault == "clock_jump"
        watched.until_it_shows()
        assert (watched.stats.segment, watched.faults(), fake.calls) == (1, [], 1)


def test_a_camera_that_changes_its_resolution_is_told_and_goes_on() -> None:
    def grow(call: Call) -> None:
        call.serve()
        call.play(2 * GOP)
        call.play(size=(320, 192))

    with camera(grow) as fake, watching(fake.url) as watched:
        watched.until(lambda: watched.stats.trouble)
        assert watched.stats.trouble is not None
        assert watched.stats.trouble.fault == "resized"
        assert "320x192" in watched.stats.trouble.message
        watched.until_it_shows()
        assert (watched.faults(), fake.calls) == ([], 1)


def test_attempts_that_fail_leave_no_thread_and_no_socket_behind() -> None:
    process = psutil.Process()

    def held() -> tuple[int, int]:
        return process.num_threads(), sum(connection.status != "NONE" for connection in process.net_connections())

    talks = (hangs_up_at_once, answer_of_negative_length, redirects_elsewhere)
    with camera(*talks * 4, well) as fake:
        before = held()
        with watching(fake.url) as watched:
            watched.until(lambda: fake.calls > len(talks) * 4)
            watched.until_it_shows()
            assert fake.most_open == 1
        assert settles(held, before)


def hangs_up_at_once(call: Call) -> None:
    call.request()


def redirects_elsewhere(call: Call) -> None:
    call.request()
    call.reply(headers="Location: gopher://127.0.0.1/\r\n", status="302 Moved")


def settles(held: Callable[[], tuple[int, int]], wanted: tuple[int, int]) -> bool:
    """Whether it comes down to what was wanted; servers' threads take a moment to see that a line is closed."""
    deadline_s = time.monotonic() + SLACK_S
    while held() > wanted and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return all(now <= before for now, before in zip(held(), wanted, strict=True))


@pytest.mark.parametrize("talk", [endless_headers, endless_line, turns_to_garbage, answer_shorter_than_told])
def test_floods_do_not_fill_the_memory(talk: Talk) -> None:
    process = psutil.Process()
    with camera(talk) as fake, watching(fake.url) as watched:
        watched.until(lambda: watched.faults())
        before = process.memory_info().rss
        wanted = fake.calls + 2
        watched.until(lambda: fake.calls >= wanted)
        assert process.memory_info().rss - before < 64 << 20


@pytest.fixture
def real(start_rtsp_server: Callable[..., RtspServer]) -> RtspServer:
    return start_rtsp_server("--fps", str(FPS), "--gop", str(GOP))


@pytest.mark.rtsp
def test_a_wire_that_is_cut_is_mended_by_a_new_connection(real: RtspServer) -> None:
    with proxy(real.port) as wire, watching(wire.url()) as watched:
        watched.until_it_shows()
        wire.cut()
        watched.until(lambda: watched.faults())
        watched.until_it_shows()
        assert watched.faults()[0] in {LOST, ENDED}


@pytest.mark.rtsp
def test_a_wire_that_is_clogged_stalls_the_camera_until_it_is_free(real: RtspServer) -> None:
    with proxy(real.port) as wire, watching(wire.url()) as watched:
        watched.until_it_shows()
        wire.clogged, clogged_s = True, time.monotonic()
        watched.until(lambda: watched.faults())
        assert watched.faults()[0] is STALLED
        assert watched.changes[-1][0] - clogged_s < STALL_S + SLACK_S
        wire.clogged = False
        watched.until_it_shows()


@pytest.mark.rtsp
def test_a_wire_that_loses_pieces_costs_pictures_or_the_connection_but_not_the_camera(real: RtspServer) -> None:
    with proxy(real.port) as wire, watching(wire.url()) as watched:
        watched.until_it_shows()
        wire.lose = True
        lost_from_s = time.monotonic()
        watched.until(lambda: watched.faults() or time.monotonic() - lost_from_s > 2 * STALL_S)
        wire.lose = False
        watched.until_it_shows()


@pytest.mark.rtsp
def test_a_slow_wire_is_no_fault(real: RtspServer) -> None:
    with proxy(real.port) as wire, watching(wire.url()) as watched:
        wire.delay_s = 0.02
        watched.until_it_shows(2 * FPS)
        assert watched.faults() == []
        assert wire.calls == 1
