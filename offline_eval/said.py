"""What was said of one video, wherever it was recorded: by a model in texts, or by a scorer of windows it was shown.

A text says nothing of time. Text i is about the video's ith segment of 30 frames, a window whose judgement exists from
the segment's last frame on. Opens no file, and knows no figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.timeline import WindowMeta
from engine.types import Judgement
from offline_eval.datasets.base import Video
from offline_eval.methods.corevad import segments as segments_of
from offline_eval.videos.store import StoredVideo

_RESPONSE = re.compile(r"\s*(anomalous|normal) scenes?\b\W*(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedWindow:
    """A window's judgement. `frame` is the last frame that the window shows, counted from the video's first: from it
    on the judgement exists. The window's `time_s` counts from the video's first picture."""

    window: WindowMeta
    judgement: Judgement
    frame: int


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What was said of one video, in order.

    `texts` has at least one for each segment of 30 frames, or none at all where the windows are others, or were judged
    by more than a verdict.
    """

    windows: tuple[JudgedWindow, ...]
    texts: tuple[str, ...] = ()


SaidOf = Mapping[str, Said]
"""By the video's name."""


def said_in_texts(video: Video, texts: Sequence[str], fps: float) -> Said:
    """One text for each segment of the video at least."""
    windows = []
    for index, (start, end) in enumerate(segments_of(video.known_frame_count())):
        time_s = (end - 1) / fps  # of its last frame
        window = WindowMeta(video.name, 0, index, pts_s=time_s, time_s=time_s, length_s=time_s - start / fps)
        windows.append(JudgedWindow(window, judgement_of(texts[index]), end - 1))
    return Said(tuple(windows), tuple(texts))


def said_in_store(stored: StoredVideo, frame_count: int, *, segments: bool) -> Said:
    """Of a video of so many frames, which may be a few less than were judged. `segments` says that these are windows
    of 30 frames."""
    windows = tuple(
        JudgedWindow(each.window, each.judgement, min(each.frame, frame_count - 1)) for each in stored.windows
    )
    return Said(windows, _texts_of(windows, frame_count) if segments else ())


def judgement_of(text: str) -> Judgement:
    """What a text says: 1 for an anomalous verdict, 0 for a normal one, with its sentence. Else unknown."""
    said = _RESPONSE.fullmatch(text)
    if said is None:
        return Judgement.unknown("the response has no verdict")
    return Judgement(float(said[1].lower() == "anomalous"), text=said[2].strip() or None)


def _texts_of(windows: Iterable[JudgedWindow], frame_count: int) -> tuple[str, ...]:
    """The verdicts on a video's segments as texts; an empty one where there is no verdict.

    None at all when a score is more than a verdict: a text would no longer say what the scorer said.
    """
    judgements = {each.window.index: each.judgement for each in windows}
    if any(each.score not in (None, 0.0, 1.0) for each in judgements.values()):
        return ()
    return tuple(text_of(judgements.get(index)) for index in range(len(segments_of(frame_count))))


def text_of(judgement: Judgement | None) -> str:
    """A verdict with its sentence as CoReVAD writes it; empty where there is none."""
    if judgement is None or judgement.score is None:
        return ""
    verdict = "Anomalous scenes." if judgement.score else "Normal scenes."
    return f"{verdict} {judgement.text}" if judgement.text else verdict
