"""What the doctor measures of a stream, and what it makes of that. Time is the script's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import pytest

from engine.errors import SourceError, SourceFault
from engine.types import Image
from stream.config import from_mapping
from stream.config.models import CameraConfig
from stream.doctor.camera import camera_looks, examine, judge
from stream.doctor.findings import Finding, Verdict, take
from stream.doctor.probe import LONGEST_LOOK_S, LOOK_S, Seen, watch
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.scripted import ScriptedSource
from tests.unit.stream.clips import encode

OK, WARNING, PROBLEM = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM
INFO = StreamInfo("h264", 640, 360, Fraction(1, 1000), b"", 10.0, "h264 (software)")
PACKET_BYTES = 1000
CPU_S = 0.004  # of each item


@dataclass
class Grey:
    pts_s: float | None
    is_key: bool = False

    def write_rgb(self, out: Image) -> None:
        raise AssertionError("the doctor converts no picture")


@dataclass
class Script:
    """Items with the time at which each comes; playing them moves the clock."""

    items: list[tuple[float, Item | Exception]] = field(default_factory=lambda: [(0.0, INFO)])
    now_s: float = 100.0
    played: int = 0

    def play(self, *, live: bool = True) -> Seen:
        class Played(list[Item | Exception]):
            def __iter__(played) -> Iterator[Item | Exception]:
                for at_s, item in self.items:
                    self.now_s = 100.0 + at_s
                    self.played += 1
                    yield item

        source = ScriptedSource(Played(item for _, item in self.items), live=live)
        seen = watch(source, monotonic=lambda: self.now_s, cpu_time=lambda: CPU_S * self.played)
        assert source.closed
        return seen

    def add(self, at_s: float, stamp_s: float | None, *, key: bool, shown: bool = True) -> None:
        ticks = None if stamp_s is None else round(1000 * stamp_s)
        self.items.append((at_s, EncodedPacket(b"x" * PACKET_BYTES, ticks, ticks, 0, key)))
        if shown:
            self.items.append((at_s, Grey(stamp_s, key)))


def steady(fps: float = 10.0, seconds: float = 20.0, key_every_s: float = 2.0, speed: float = 1.0) -> Script:
    """A camera without a flaw, unless its stamps run at another speed."""
    script = Script()
    for number in range(round(seconds * fps)):
        at_s = number / fps
        script.add(0.1 + at_s, speed * at_s, key=number % round(key_every_s * fps) == 0)
    return script


def camera(**settings: object) -> CameraConfig:
    return from_mapping({"cameras": {"front": {"source": "0", **settings}}}).cameras["front"]


def judged(seen: Seen, config: CameraConfig | None = None) -> dict[str, Finding]:
    assert seen.info is not None
    return {finding.check: finding for finding in judge(seen, seen.info, config or camera())}


def worst(found: Sequence[Finding]) -> Verdict:
    return max((finding.verdict for finding in found), key=[OK, WARNING, PROBLEM].index)


def test_a_steady_camera_is_measured_for_some_seconds() -> None:
    found = judged(steady().play())
    assert found["stream"].values["first_picture_s"] == pytest.approx(0.1)
    assert found["rate"].values == {"fps": 10.0, "announced_fps": 10.0, "bits_per_s": 10 * 8 * PACKET_BYTES}
    assert found["key frames"].values == {"median_s": 2.0, "min_s": 2.0, "max_s": 2.0}
    assert found["time stamps"].values == {"unstamped": 0, "backward": 0, "pace": pytest.approx(1.0)}
    assert found["decoding"].values["core_share"] == pytest.approx(2 * CPU_S * 10, rel=0.05)
    assert {check: finding.verdict for check, finding in found.items() if check != "clips"} == dict.fromkeys(
        ["stream", "rate", "key frames", "time stamps", "decoding", "idle"], OK
    )


def test_it_looks_longer_until_a_second_key_frame_came_and_then_gives_up() -> None:
    assert steady(key_every_s=1).play().lasted_s == pytest.approx(LOOK_S, abs=0.2)
    assert steady(key_every_s=8).play().lasted_s == pytest.approx(8, abs=0.2)
    alone = steady(key_every_s=100).play()
    assert alone.lasted_s == pytest.approx(LONGEST_LOOK_S, abs=0.2)
    found = judged(alone)["key frames"]
    assert (found.verdict, found.message) == (WARNING, "one key frame in 15 s")


def test_of_a_file_it_looks_at_some_seconds_of_its_own_time() -> None:
    script = steady(fps=100, seconds=60)
    script.items = [(index / 1e5, item) for index, (_, item) in enumerate(script.items)]  # read at once
    seen = script.play(live=False)
    assert seen.stamp_span_s == pytest.approx(LOOK_S, abs=0.1)
    assert seen.lasted_s < 0.1
    assert judged(seen)["rate"].values["fps"] == pytest.approx(100)


def test_a_source_without_packets_is_left_in_the_end() -> None:
    script = Script()
    script.items += [(0.1 * number, Grey(0.1 * number, True)) for number in range(1000)]
    seen = script.play()
    assert seen.lasted_s == pytest.approx(LONGEST_LOOK_S, abs=0.2)
    assert judged(seen)["clips"].verdict is WARNING


def test_what_a_server_had_kept_does_not_count_as_speed() -> None:
    script = Script()
    for number in range(200):
        script.add(0.1 + max(0.0, number / 10 - 3), number / 10, key=number % 10 == 0)  # three seconds at once
    found = judged(script.play())
    assert found["rate"].values["fps"] == pytest.approx(10, rel=0.02)
    assert found["time stamps"].verdict is OK


def test_stamps_at_a_wrong_speed_are_told_and_not_used() -> None:
    found = judged(steady(speed=0.5).play())
    assert found["time stamps"].verdict is WARNING
    assert "0.5 of real time" in found["time stamps"].message
    assert found["rate"].values["fps"] == pytest.approx(10, rel=0.02)


def test_missing_and_backward_stamps_are_counted_but_for_the_first_picture() -> None:
    script = Script()
    stamps_s = [None, 0.1, 0.2, None, 0.4, 0.3, 0.3, 0.7, *(0.8 + 0.1 * number for number in range(200))]
    for number, stamp_s in enumerate(stamps_s):
        script.add(0.1 + 0.1 * number, stamp_s, key=number % 20 == 0)
    found = judged(script.play())["time stamps"]
    assert found.verdict is WARNING
    assert (found.values["unstamped"], found.values["backward"]) == (1, 2)


def test_fewer_pictures_than_announced_or_than_are_sampled_are_a_warning() -> None:
    slow = judged(steady(fps=5).play())["rate"]
    assert (slow.verdict, slow.values["fps"]) == (WARNING, 5.0)
    assert "8 a second are sampled" in slow.advice
    assert judged(steady(fps=5).play(), camera(window={"fps": 4, "frames": 4}))["rate"].advice.startswith("it may be")
    script = steady(fps=10)
    script.items[0] = (0.0, replace(INFO, announced_fps=25.0))
    found = judged(script.play())["rate"]
    assert found.verdict is WARNING
    assert "25 announced" in found.message


def test_pictures_that_are_left_out_of_decoding_are_told() -> None:
    script = Script()
    for number in range(200):
        script.add(0.1 + number / 10, number / 10, key=number % 20 == 0, shown=number % 2 == 0)
    seen = script.play()
    assert seen.pictures == pytest.approx(seen.packets / 2, abs=1)
    assert "are decoded, as no picture needs the others" in judged(seen)["decoding"].message


def test_a_stream_that_takes_a_whole_core_is_a_warning() -> None:
    seen = steady().play()
    seen.cpu_s = 0.95 * seen.lasted_s
    found = judged(seen)["decoding"]
    assert found.verdict is WARNING
    assert "sub-stream" in found.advice


@pytest.mark.parametrize(("key_every_s", "scored_every_s"), [(1.0, 5.0), (2.0, 4.0), (4.0, 4.0), (8.0, 8.0)])
def test_the_idle_tier_is_foretold_from_the_key_frames(key_every_s: float, scored_every_s: float) -> None:
    seen = steady(key_every_s=key_every_s).play()
    assert judged(seen)["idle"].values["scored_every_s"] == scored_every_s
    assert judged(seen)["idle"].verdict is OK  # it is off
    on = judged(seen, camera(idle={"enabled": True}))["idle"]
    assert on.verdict is (WARNING if scored_every_s > 5 else OK)


def test_changes_in_mid_stream_are_told() -> None:
    script = steady()
    script.items.insert(20, (1.5, replace(INFO, width=1280, height=720)))
    found = judged(script.play())["stream"]
    assert (found.verdict, found.values["width"], found.values["changes"]) == (WARNING, 1280, 1)


def test_a_stream_that_breaks_off_is_judged_by_what_came() -> None:
    script = steady(seconds=3)
    script.items.append((9.0, SourceError("front: nothing came for 5 s", SourceFault.STALLED)))
    seen = script.play()
    assert seen.error is not None
    assert seen.error.fault is SourceFault.STALLED
    assert judged(seen)["rate"].values["fps"] == 10.0


# Real files and failures, through everything

FILES = [("clip.mp4", "libx264", OK, "every browser"), ("clip.mkv", "libx265", OK, "Safari")]
FILES += [("clip.webm", "libvpx", WARNING, "can't hold vp8"), ("clip.avi", "mjpeg", OK, "Motion JPEG")]


@pytest.mark.parametrize(("name", "codec", "verdict", "words"), FILES)
def test_whether_clips_play_is_tried_with_the_streams_own_packets(
    tmp_path: Path, name: str, codec: str, verdict: Verdict, words: str
) -> None:
    path = encode(tmp_path / name, codec)
    found = {finding.check: finding for finding in examine(camera(source=str(path)))}
    assert found["rate"].values["fps"] == pytest.approx(10, rel=0.02)
    assert found["clips"].verdict is verdict
    assert words in found["clips"].message
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


def test_a_file_of_noise_and_one_that_is_missing_are_problems(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 100)
    for name, fault in (("noise.mp4", "invalid"), ("missing.mp4", "not_found")):
        (found,) = examine(camera(source=str(tmp_path / name)))
        assert (found.verdict, found.values["fault"]) == (PROBLEM, fault)
        assert found.advice


def test_a_source_that_makes_no_sense_is_a_problem() -> None:
    (found,) = examine(camera(source="synthetic://?sise=3"))
    assert found.verdict is PROBLEM
    assert "sise" in found.message


def publisher() -> CameraConfig:
    tree = {"cameras": {"phone": {"source": "webrtc://door"}}, "console": {"bind": "127.0.0.1:0"}}
    return from_mapping(tree).cameras["phone"]


def test_a_camera_that_waits_for_a_publisher_is_fine_where_the_extras_are() -> None:
    for extra in ("aiortc", "fastapi"):
        pytest.importorskip(extra, reason="needs the console and webrtc extras")
    (found,) = examine(publisher())
    assert (found.verdict, found.message.partition(" of ")[0]) == (OK, "waits for a publisher at /whip/door")


def test_a_camera_that_waits_for_a_publisher_is_a_problem_without_the_webrtc_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stream.wiring.cameras.find_spec", lambda _name: None)
    (found,) = examine(publisher())
    assert (found.verdict, found.message) == (PROBLEM, "webrtc://door needs the webrtc extra")


def test_a_camera_that_waits_for_a_publisher_is_a_problem_without_the_console_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stream.wiring.cameras.find_spec", lambda name: name)
    monkeypatch.delitem(sys.modules, "stream.console.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    (found,) = examine(publisher())
    assert (found.verdict, "uvicorn" in found.message, "[console]" in found.advice) == (PROBLEM, True, True)


def test_every_camera_that_is_on_is_looked_at_and_passwords_stay_hidden(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4")
    config = from_mapping(
        {
            "cameras": {
                "front": {"source": str(clip)},
                "yard": {"source": "rtsp://vigil:tr0ub4dor@127.0.0.1:1/stream"},
                "shed": {"source": "missing.mp4", "enabled": False},
            }
        }
    )
    found = list(take(camera_looks(config)))
    assert list(dict.fromkeys(finding.camera for finding in found)) == ["front", "yard"]
    assert worst([finding for finding in found if finding.camera == "front"]) is OK
    assert worst([finding for finding in found if finding.camera == "yard"]) is PROBLEM
    assert "tr0ub4dor" not in str(found)
