"""The scripted abnormal events: when each happens and who does what in it at a given time.

Everything is a function of (event, seed, time). A few seconds before and after a fight its people walk in
and out like anybody else; that is not part of the event.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from stream.sources.synthetic.actors import Actor
from stream.sources.synthetic.options import EVENT_LENGTH_S, EventSpan
from stream.sources.synthetic.people import STRIDE_M, Person, Pose, gait
from stream.sources.synthetic.props import Puff, Smoke
from stream.sources.synthetic.traffic import edge_m, make_look
from stream.sources.synthetic.vehicles import VAN, Car

BIN_XZ = (4.3, 9.75)

# The endless mix: calm first, then one event now and then, each kind in its turn.
_MIX_FIRST_S, _MIX_EVERY_S, _MIX_JITTER_S = 20.0, 50.0, 10.0

_AROUND_S = 7.0  # walking in and out
_FIGHTERS = ((58, 62, 74), (170, 58, 48), (176, 150, 92), (60, 92, 74))  # told apart by their coats
_VANS = ((188, 190, 192), (64, 70, 82), (150, 66, 50))
_FIGHT_Z, _RUN_M_S, _PUFF_EVERY_S, _PUFF_LIFE_S = 6.6, 6.5, 0.25, 4.5


def spans_between(script: Sequence[EventSpan] | None, seed: int, start_s: float, end_s: float) -> list[EventSpan]:
    """The events that touch [start_s, end_s), by start; `script` None is the endless mix."""
    if script is None:
        first = max(0, math.floor((start_s - _MIX_FIRST_S - 2 * _MIX_EVERY_S) / _MIX_EVERY_S))
        last = max(0, math.ceil((end_s - _MIX_FIRST_S) / _MIX_EVERY_S))
        script = [_mixed(seed, index) for index in range(first, last)]
    return sorted((s for s in script if s.start_s < end_s and s.end_s > start_s), key=lambda span: span.start_s)


@functools.lru_cache(maxsize=64)
def _mixed(seed: int, index: int) -> EventSpan:
    kinds = np.random.default_rng((seed, 0xE7E)).permutation(list(EVENT_LENGTH_S))
    kind = str(kinds[index % len(kinds)])
    late_s = round(float(np.random.default_rng((seed, 0xE7E, index)).uniform(0, _MIX_JITTER_S)), 1)
    start_s = _MIX_FIRST_S + index * _MIX_EVERY_S + late_s
    return EventSpan(kind, start_s, start_s + EVENT_LENGTH_S[kind], index)


def cast_of(script: Sequence[EventSpan] | None, seed: int, time_s: float) -> list[Actor]:
    """Everybody who is in the scene at `time_s` because of an event, before, in or after it."""
    around = spans_between(script, seed, time_s - _AROUND_S, time_s + _AROUND_S)
    return [actor for span in around for actor in play(span, seed, time_s)]


def play(span: EventSpan, seed: int, time_s: float) -> list[Actor]:
    """One event's actors at `time_s`."""
    return _PLAYS[span.kind](span, seed, time_s)


def _fight(span: EventSpan, seed: int, time_s: float) -> list[Actor]:
    """Four men walk in with the flow, turn on each other, and walk out again."""
    away_s = max(span.start_s - time_s, time_s - span.end_s)
    if away_s > _AROUND_S:
        return []
    rng = np.random.default_rng((seed, 0xF2, span.index))
    centre_x, phase = float(rng.uniform(-1.6, 1.6)), float(rng.uniform(0, 6))
    people: list[Actor] = []
    for who, (side, row) in enumerate(((-1, 0), (1, 0), (-1, 1), (1, 1))):
        look = replace(make_look(seed, 0xF2, span.index, who), top=_FIGHTERS[who])
        home_x, home_z = side * (0.55 + 0.35 * row), _FIGHT_Z - 0.35 + 0.7 * row
        if away_s > 0:
            gone_m = -1.3 * away_s if time_s < span.start_s else 1.6 * away_s
            pose = gait(2 * math.pi * gone_m / STRIDE_M[False] + 1.9 * who, run=False)
            people.append(Person(look, centre_x + home_x + gone_m, home_z, 0.0, pose))
            continue
        t = time_s - span.start_s
        ease = min(t / 0.5, (span.end_s - time_s) / 0.5, 1.0)
        tempo = 6.2 + 0.7 * who
        lunge_x = ease * (0.42 * math.sin(tempo * t + 1.7 * who + phase) + 0.5 * math.sin(1.9 * t + phase))
        lunge_z = ease * 0.4 * math.sin((tempo + 1.1) * t + 2.6 * who)
        x, z = centre_x + home_x + lunge_x, home_z + lunge_z
        heading = math.atan2(_FIGHT_Z - z, centre_x + 0.5 * ease * math.sin(1.9 * t + phase) - x)
        people.append(Person(look, x, z, heading if ease == 1 else 0.0, _scuffling(t, who)))
    return people


def _scuffling(t: float, who: int) -> Pose:
    beat = 13.0 * t + 2.1 * who
    return Pose(
        legs=(0.55 * math.sin(7.3 * t + who), -0.5 * math.sin(6.1 * t + 2 * who)),
        knees=(0.35 + 0.3 * math.sin(5.0 * t), 0.35 + 0.3 * math.sin(6.6 * t + 1)),
        arms=(1.25 + 0.8 * math.sin(beat), 1.25 + 0.8 * math.sin(beat * 0.83 + 2.4)),
        elbows=(0.6 + 0.6 * math.cos(beat), 0.6 + 0.6 * math.cos(beat * 0.83 + 2.0)),
        lean=0.22 + 0.25 * math.sin(5.7 * t + 3 * who),
    )


def _run(span: EventSpan, seed: int, time_s: float) -> list[Actor]:
    """Somebody runs across the forecourt, first against the flow, and comes back if there is time."""
    if not span.start_s <= time_s < span.end_s:
        return []
    length_s, half_m = span.end_s - span.start_s, edge_m(6.6, 0.3)
    crossings = max(1, round(length_s * _RUN_M_S / (2 * half_m)))
    done, part = divmod((time_s - span.start_s) / length_s * crossings, 1.0)
    leftwards = int(done) % 2 == 0
    x = half_m - 2 * half_m * part if leftwards else 2 * half_m * part - half_m
    z = (7.0 if leftwards else 6.2) + 0.4 * math.sin(0.6 * x)
    pose = gait(2 * math.pi * 2 * half_m * part / STRIDE_M[True], run=True)
    return [Person(make_look(seed, 0x2F, span.index), x, z, math.pi if leftwards else 0.0, pose)]


def _vehicle(span: EventSpan, seed: int, time_s: float) -> list[Actor]:
    """A van drives along the forecourt where people walk, slows down, and leaves."""
    if not span.start_s <= time_s < span.end_s:
        return []
    colour = _VANS[int(np.random.default_rng((seed, 0xCA, span.index)).integers(len(_VANS)))]
    part = (time_s - span.start_s) / (span.end_s - span.start_s)
    edge = edge_m(7.0, 2.4)
    x = -edge * _slowing(part)
    z = 7.0 + 0.6 * math.sin(0.55 * x)
    slope = 0.6 * 0.55 * math.cos(0.55 * x)
    return [Car(VAN, colour, x, z, math.atan2(-slope, -1.0), edge - x)]


def _slowing(part: float) -> float:
    """From -1 to 1 while `part` goes from 0 to 1: slow in the middle, never standing still."""
    centred = 2 * part - 1
    return 0.25 * centred + 0.75 * centred**3


def _smoke(span: EventSpan, seed: int, time_s: float) -> list[Actor]:
    """The litter bin smokes: thin at first, then thick; the last puff is gone when the event ends."""
    if not span.start_s <= time_s < span.end_s:
        return []
    last = int(max(span.end_s - span.start_s - _PUFF_LIFE_S, 0.5) / _PUFF_EVERY_S)
    newest = min(int((time_s - span.start_s) / _PUFF_EVERY_S), last)
    oldest = max(0, math.ceil((time_s - span.start_s - _PUFF_LIFE_S) / _PUFF_EVERY_S))
    puffs = []
    for index in range(oldest, newest + 1):
        a, b = _puff_twist(seed, span.index, index)
        age_s = time_s - span.start_s - index * _PUFF_EVERY_S
        part = age_s / _PUFF_LIFE_S
        thick = min(0.45 + 0.08 * index, 1.0)
        puffs.append(
            Puff(
                x=BIN_XZ[0] - 1.0 * age_s + 0.8 * a * part + 0.12 * math.sin(2.2 * age_s + 3 * b),
                y=0.8 + 0.7 * age_s + 0.25 * b * part,
                z=BIN_XZ[1],
                radius_m=(0.45 + 2.6 * part) * thick,
                density=0.95 * thick * min(9 * part, 1.0) * (1 - part),
                grey=int(190 + 30 * part + 12 * a),
            )
        )
    return [Smoke(tuple(puffs))]


@functools.lru_cache(maxsize=256)
def _puff_twist(seed: int, event: int, index: int) -> tuple[float, float]:
    a, b = np.random.default_rng((seed, 0x50, event, index)).uniform(-1, 1, 2)
    return float(a), float(b)


_PLAYS: dict[str, Callable[[EventSpan, int, float], list[Actor]]] = {
    "fight": _fight,
    "run": _run,
    "vehicle": _vehicle,
    "smoke": _smoke,
}
