"""What a `synthetic://` URL asks for. Knows the options and their limits, not how anything is drawn.

    synthetic://?size=640x360&fps=15&seed=3&events=run@25,fight@50+8&night=1

| option   | meaning                                                                      | default |
|----------|------------------------------------------------------------------------------|---------|
| seed     | who walks and drives when, and what everything looks like                    | 0       |
| size     | WIDTHxHEIGHT in pixels                                                       | 640x360 |
| fps      | frames per second                                                            | 15      |
| duration | length in seconds                                                            | endless |
| events   | KIND@START or KIND@START+LENGTH in seconds, joined by commas; `none`; `mix`  | mix     |
| traffic  | how busy the calm scene is: 0 is empty, 1 is usual                           | 1       |
| night    | 1 for a street lit by lamps                                                  | 0       |
| noise    | sensor noise, standard deviation in grey levels                              | 3 (night: 6) |
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from engine.errors import UsageError

SCHEME = "synthetic://"

# The events there are, with their usual lengths.
EVENT_LENGTH_S: dict[str, float] = {"fight": 10.0, "run": 7.0, "vehicle": 9.0, "smoke": 16.0}

_NUMBER = r"\d+(?:\.\d*)?"
_EVENT = re.compile(rf"([a-z_]+)@({_NUMBER})s?(?:\+({_NUMBER})s?)?")


@dataclass(frozen=True, slots=True)
class EventSpan:
    """One abnormal event's kind and time; `index` is its place in the script and varies its looks."""

    kind: str
    start_s: float
    end_s: float
    index: int


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """One scene, fully determined: equal options give equal frames. `events` is None for the endless mix."""

    seed: int = 0
    width: int = 640
    height: int = 360
    fps: float = 15.0
    duration_s: float = math.inf
    events: tuple[EventSpan, ...] | None = None
    traffic: float = 1.0
    night: bool = False
    noise: float = 3.0


def parse_url(url: str) -> SceneOptions:
    """The options in a `synthetic://?name=value&...` URL; raises UsageError that names the nearest known word."""
    if not url.startswith(SCHEME):
        raise UsageError(f"{url!r} is no synthetic camera", advice=f"write {SCHEME}?seed=1")
    place, _, query = url.removeprefix(SCHEME).partition("?")
    if place.strip("/"):
        raise UsageError(f"{url!r} has {place!r} where nothing belongs", advice=f"options come after {SCHEME}?")
    values: dict[str, object] = {}
    for part in filter(None, query.split("&")):
        name, _, text = part.partition("=")
        if name not in _PARSERS:
            raise UsageError(f"a synthetic camera has no option {name!r}", advice=_nearest(name, _PARSERS))
        # Not the form encoding in which a plus is a space: events=fight@50+8 keeps its plus.
        values.update(_PARSERS[name](unquote(text)))
    values.setdefault("noise", 6.0 if values.get("night") else 3.0)
    options = SceneOptions(**values)  # type: ignore[arg-type]  # each parser gives its fields' types
    late = [span for span in options.events or () if span.start_s >= options.duration_s]
    if late:
        raise UsageError(
            f"the event {late[0].kind}@{late[0].start_s:g} starts after the scene's end at {options.duration_s:g} s",
            advice="make duration longer or start the event earlier",
        )
    return options


def _nearest(word: str, known: dict[str, object] | dict[str, float] | dict[str, _Parser]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _number(name: str, text: str, low: float, high: float) -> float:
    if not re.fullmatch(_NUMBER, text) or not low <= float(text) <= high:
        raise UsageError(f"{name}={text} of a synthetic camera is no number from {low:g} to {high:g}")
    return float(text)


def _seed(text: str) -> dict[str, object]:
    if not re.fullmatch(r"\d{1,9}", text):
        raise UsageError(f"seed={text} of a synthetic camera is no whole number from 0 to 999999999")
    return {"seed": int(text)}


def _size(text: str) -> dict[str, object]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise UsageError(f"size={text} of a synthetic camera is no size", advice="write WIDTHxHEIGHT, as in 640x360")
    width, height = int(match[1]), int(match[2])
    if not (64 <= width <= 3840 and 64 <= height <= 2160):
        raise UsageError(f"size={text} of a synthetic camera is out of range", advice="64x64 to 3840x2160 can be drawn")
    return {"width": width, "height": height}


def _duration(text: str) -> dict[str, object]:
    return {"duration_s": _number("duration", text.removesuffix("s"), 0.1, 1e7)}


def _events(text: str) -> dict[str, object]:
    if text in ("mix", "none"):
        return {"events": None if text == "mix" else ()}
    spans = []
    for index, item in enumerate(text.split(",")):
        match = _EVENT.fullmatch(item)
        if not match:
            raise UsageError(
                f"events={text}: {item!r} is no event", advice="write KIND@START, as in fight@50 or fight@50+8"
            )
        kind, start_s = match[1], float(match[2])
        if kind not in EVENT_LENGTH_S:
            raise UsageError(f"events={text}: there is no event {kind!r}", advice=_nearest(kind, EVENT_LENGTH_S))
        length_s = float(match[3]) if match[3] else EVENT_LENGTH_S[kind]
        if length_s < 1.0:
            raise UsageError(f"events={text}: {item!r} is too short", advice="an event lasts one second or longer")
        spans.append(EventSpan(kind, start_s, start_s + length_s, index))
    return {"events": tuple(spans)}


def _night(text: str) -> dict[str, object]:
    if text not in ("0", "1"):
        raise UsageError(f"night={text} of a synthetic camera is neither 0 nor 1")
    return {"night": text == "1"}


_Parser = Callable[[str], dict[str, object]]

_PARSERS: dict[str, _Parser] = {
    "seed": _seed,
    "size": _size,
    "fps": lambda text: {"fps": _number("fps", text, 1, 120)},
    "duration": _duration,
    "events": _events,
    "traffic": lambda text: {"traffic": _number("traffic", text, 0, 4)},
    "night": _night,
    "noise": lambda text: {"noise": _number("noise", text, 0, 40)},
}
