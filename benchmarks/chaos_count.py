"""Compares what somebody heard with what the outbox has: lost, doubled, out of order, never told. Knows no process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec


class Told(msgspec.Struct, frozen=True):
    """Which alert it was. Two are the same when both agree: a number that is given twice would show."""

    seq: int
    id: str


Life = Sequence[Told]  # what one process heard, from its start until it was killed


@dataclass(frozen=True, slots=True)
class Count:
    """`doubled` came more than once to one life, `again` to several: to another one that did not know of the first."""

    lost: int
    doubled: int
    again: int
    disordered: int
    foreign: int  # what was heard is not in the outbox, or another alert has its number there


def count(kept: Mapping[int, str], lives: Iterable[Life], last: int) -> Count:
    """`kept` is the outbox, number to event; all up to `last` should have been heard."""
    heard: set[Told] = set()
    doubled = again = disordered = 0
    for life in lives:
        first_here = list(dict.fromkeys(life))
        doubled += len(life) - len(first_here)
        again += len(heard.intersection(first_here))
        disordered += sum(after.seq < before.seq for before, after in pairwise(first_here))
        heard.update(first_here)
    return Count(
        lost=sum(Told(seq, event) not in heard for seq, event in kept.items() if seq <= last),
        doubled=doubled,
        again=again,
        disordered=disordered,
        foreign=sum(kept.get(told.seq) != told.id for told in heard),
    )
