"""Says what a camera's stream means for Vigil: whether it works, what it costs, what could be better.

Knows the configuration of a camera and what `stream.doctor.probe` measured. Decides nothing that a watch decides.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from engine.errors import EvidenceError, UsageError
from stream.config.models import CameraConfig, WatchConfig
from stream.doctor.findings import Finding, Look, Value, ok, problem, warning
from stream.doctor.probe import LONGEST_LOOK_S, Seen, watch
from stream.remux import ClipWriter, browser_note
from stream.sources.base import StreamInfo
from stream.timing import PACE_BOUNDS
from stream.webrtc.door import Doors
from stream.wiring.cameras import make_source, waits_for, watched

GRACE_S = 10.0  # beyond a source's own timeouts: looking up a name is covered by none of them
FEW_PICTURES = 0.7  # of what is announced
LONG_KEY_INTERVAL_S = 10.0
BUSY = 0.8  # of the one core that a camera's thread can use


def camera_looks(config: WatchConfig) -> list[Look]:
    """One look at each camera that is not turned off."""
    return [_look(name, camera) for name, camera in watched(config).items()]


def _look(name: str, config: CameraConfig) -> Look:
    limit_s = config.open_timeout_s + LONGEST_LOOK_S + config.stall_s + GRACE_S
    return Look("stream", lambda: examine(config), limit_s, camera=name)


def examine(config: CameraConfig) -> Iterator[Finding]:
    """Open the camera as a watch does, watch it for some seconds, and say what was seen."""
    from stream.console import load_console

    try:
        source = make_source(config, Doors())
        if waits := waits_for(config):
            load_console()  # where publishers come in
            yield ok("stream", f"{waits} of the console; the extras for both are installed")
            return
    except UsageError as wrong:
        yield problem("stream", wrong.message, wrong.advice)
        return
    seen = watch(source)
    if seen.info is not None and seen.pictures:
        yield from judge(seen, seen.info, config)
    elif seen.error is None:
        # It is open and sends, but nothing of it decodes.
        yield problem("stream", f"no picture came in {seen.lasted_s:.0f} s", "set the camera to H.264 or H.265")
    if seen.error is not None:
        error = seen.error
        yield problem("stream", f"{error.fault}: {error.message}", error.advice, fault=error.fault.value)


def judge(seen: Seen, info: StreamInfo, config: CameraConfig) -> Iterator[Finding]:
    """What a stream that gave pictures is like, from the best known to the most subtle."""
    fps = _fps(seen)
    yield _stream(seen, info)
    if fps is not None:
        yield _rate(seen, info, fps, config.window.fps)
    yield _key_frames(seen)
    yield _time_stamps(seen)
    yield _decoding(seen, fps)
    yield _clips(seen, info)
    if fps is not None:
        yield _idle(seen, config, fps)


def _stream(seen: Seen, info: StreamInfo) -> Finding:
    first_s = seen.first_picture_s or 0.0
    message = f"{info.width}x{info.height}, {info.decoder or info.codec}, first picture after {first_s:.1f} s"
    values: dict[str, Value] = {
        "codec": info.codec,
        "width": info.width,
        "height": info.height,
        "decoder": info.decoder,
        "first_picture_s": round(first_s, 3),
        "changes": seen.changes,
    }
    if seen.changes:
        advice = "each change begins a new segment; a camera that does this often should be set to one size"
        return warning("stream", f"{message}; codec or size changed {seen.changes} times", advice, **values)
    return ok("stream", message, "", **values)


def _fps(seen: Seen) -> float | None:
    """Pictures that the camera sends in a second, decoded or not; by arrival when its stamps can't be right."""
    if seen.packets < 2:
        return None
    honest = seen.pace is None or PACE_BOUNDS[0] <= seen.pace <= PACE_BOUNDS[1]
    span_s = seen.stamp_span_s if honest and seen.stamp_span_s else seen.arrival_span_s
    return (seen.packets - 1) / span_s if span_s else None


def _rate(seen: Seen, info: StreamInfo, fps: float, wanted_fps: float) -> Finding:
    bits_per_s = 8 * seen.bytes * fps / seen.packets
    announced = info.announced_fps
    message = f"{fps:.3g} pictures a second" + (f" ({announced:.3g} announced)" if announced else "")
    message += f", {_bit_rate(bits_per_s)}"
    values: dict[str, Value] = {
        "fps": round(fps, 2),
        "announced_fps": announced and round(announced, 2),
        "bits_per_s": round(bits_per_s),
    }
    if fps < wanted_fps:
        return warning(
            "rate",
            message,
            f"{wanted_fps:g} a second are sampled: raise the camera's rate, or set window.fps to what it has",
            **values,
        )
    if announced and fps < FEW_PICTURES * announced:
        return warning("rate", message, "it may be dark there, or the camera or network overloaded", **values)
    return ok("rate", message, "", **values)


def _key_frames(seen: Seen) -> Finding:
    intervals_s = seen.key_intervals_s
    if not intervals_s:
        advice = "set the camera's key-frame interval (I-frame interval, GOP) to 1 or 2 s: clips begin with one"
        count = "one key frame" if seen.keys_s else "no key frame"
        say = warning if seen.live else ok
        return say("key frames", f"{count} in {max(seen.stamp_span_s, seen.arrival_span_s):.0f} s", advice)
    usual_s, least_s, most_s = median(intervals_s), min(intervals_s), max(intervals_s)
    values: dict[str, Value] = {"median_s": round(usual_s, 3), "min_s": round(least_s, 3), "max_s": round(most_s, 3)}
    if len(seen.keys_s) == seen.packets:
        return ok("key frames", "every picture is one", "", **values)
    message = f"every {usual_s:.3g} s"
    if most_s > 1.05 * least_s:
        message += f" ({least_s:.3g} to {most_s:.3g} s)"
    if most_s >= LONG_KEY_INTERVAL_S:
        advice = "set the camera's key-frame interval (I-frame interval, GOP) to 1 or 2 s: clips begin with one"
        return warning("key frames", message, advice, **values)
    return ok("key frames", message, "", **values)


def _time_stamps(seen: Seen) -> Finding:
    pace = seen.pace
    values: dict[str, Value] = {
        "unstamped": seen.unstamped,
        "backward": seen.backward,
        "pace": None if pace is None else round(pace, 3),
    }
    wrong = []
    if seen.unstamped:
        wrong.append(f"{seen.unstamped} of {seen.pictures} pictures have none")
    if seen.backward:
        wrong.append(f"{seen.backward} of {seen.pictures} pictures are not newer than the one before")
    if pace is not None and not PACE_BOUNDS[0] <= pace <= PACE_BOUNDS[1]:
        wrong.append(f"they run at {pace:.2g} of real time")
    if wrong:
        advice = "Vigil copes, by arrival times where it must; newer firmware or another profile may do better"
        return warning("time stamps", "; ".join(wrong), advice, **values)
    return ok("time stamps", "complete and in order", "", **values)


def _decoding(seen: Seen, fps: float | None) -> Finding:
    each_s = seen.cpu_s / seen.pictures
    message = f"{1000 * each_s:.2g} ms of CPU a picture"
    values: dict[str, Value] = {"cpu_ms": round(1000 * each_s, 3), "pictures": seen.pictures}
    if fps is None:
        return ok("decoding", message, "", **values)
    share = seen.cpu_s / seen.packets * fps
    values["core_share"] = round(share, 4)
    message += f", {100 * share:.2g} % of a core"
    if seen.pictures < 0.9 * seen.packets:
        message += f"; {100 * seen.pictures / seen.packets:.0f} % are decoded, as no picture needs the others"
    if share > BUSY:
        advice = "use a smaller stream of the camera (most have a sub-stream), or hwaccel"
        return warning("decoding", message, advice, **values)
    return ok("decoding", message, "", **values)


def _clips(seen: Seen, info: StreamInfo) -> Finding:
    """Tried with the stream's own packets."""
    with tempfile.TemporaryDirectory(prefix="vigil-doctor-") as folder:
        writer = ClipWriter(Path(folder) / "clip.mp4", info)
        try:
            for packet in seen.kept:
                writer.write(packet)
            made = writer.close()
        except EvidenceError as error:
            writer.close()
            return warning("clips", error.message, error.advice)
    note = browser_note(info.codec)
    if not made:
        return warning("clips", "none can be cut: no key frame came", "shorten the camera's key-frame interval")
    return ok("clips", note or "play in every browser", "", browser=not note)


def _idle(seen: Seen, config: CameraConfig, fps: float) -> Finding:
    """A still scene is scored at the last key frame before the floor would be missed."""
    intervals_s = seen.key_intervals_s or [LONGEST_LOOK_S]
    key_s, floor_s = median(intervals_s), config.idle.floor_s
    every_s = max(1, math.floor(floor_s / key_s + 0.01)) * key_s
    share = min(1.0, 1 / (key_s * fps))
    values: dict[str, Value] = {"scored_every_s": round(every_s, 2), "decoded_share": round(share, 4)}
    state = "on" if config.idle.enabled else "off"
    message = (
        f"{state}: a still scene would be scored every {every_s:.3g} s and take {100 * share:.2g} % of the decoding"
    )
    if config.idle.enabled and every_s > floor_s + 0.5:
        advice = f"to score it every {floor_s:g} s (idle.floor), shorten the camera's key-frame interval"
        return warning("idle", message, advice, **values)
    return ok("idle", message, "", **values)


def _bit_rate(bits_per_s: float) -> str:
    return f"{bits_per_s / 1e6:.2g} Mbit/s" if bits_per_s >= 1e6 else f"{bits_per_s / 1e3:.3g} kbit/s"
