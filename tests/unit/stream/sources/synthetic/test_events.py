from __future__ import annotations

import itertools

import pytest

from stream.sources.synthetic.events import spans_between
from stream.sources.synthetic.options import EVENT_LENGTH_S, parse_url
from stream.sources.synthetic.truth import GroundTruth


def truth(query: str) -> GroundTruth:
    return GroundTruth(parse_url(f"synthetic://?{query}"))


def test_scripted_events_are_told_in_order_of_time() -> None:
    events = truth("events=smoke@40,run@5+6&duration=100").events(1e9)
    assert [(e.kind, e.start_s, e.end_s) for e in events] == [("run", 5, 11), ("smoke", 40, 56)]


def test_only_events_that_have_started_are_told() -> None:
    assert [e.kind for e in truth("events=smoke@40,run@5").events(20)] == ["run"]


@pytest.mark.parametrize("seed", range(4))
def test_the_endless_mix_has_every_kind_and_more_calm_than_events(seed: int) -> None:
    events = truth(f"seed={seed}").events(3600)
    assert events[0].start_s >= 20
    assert {event.kind for event in events[:4]} == set(EVENT_LENGTH_S)
    assert all(after.start_s - before.end_s >= 20 for before, after in itertools.pairwise(events))
    assert 60 < len(events) < 80


def test_the_endless_mix_is_the_same_wherever_one_looks_in() -> None:
    whole = spans_between(None, 3, 0, 5000)
    for at_s in range(0, 5000, 7):
        expected = [span for span in whole if span.start_s < at_s + 7 and span.end_s > at_s]
        assert spans_between(None, 3, at_s, at_s + 7) == expected


def test_seeds_differ_in_their_mix() -> None:
    assert len({tuple(truth(f"seed={seed}").events(300)) for seed in range(6)}) == 6


@pytest.mark.parametrize("kind", list(EVENT_LENGTH_S))
@pytest.mark.parametrize("length_s", [None, 3, 40])
def test_an_event_has_a_box_during_it_and_none_outside(kind: str, length_s: int | None) -> None:
    scene = truth(f"events={kind}@20{f'+{length_s}' if length_s else ''}&fps=10&seed=2")
    (event,) = scene.events(1e9)
    frames = range(round(event.start_s * 10), round(event.end_s * 10))
    seen = [index for index in frames if scene.boxes(index)]
    assert len(seen) > 0.55 * len(frames)  # it may still be out of sight, or just leave it
    for index in seen:
        (box,) = scene.boxes(index)
        assert box.label == kind
        assert 0 <= box.x1 < box.x2 <= 1
        assert 0 <= box.y1 < box.y2 <= 1
    for index in (*range(frames[0]), *range(frames[-1] + 1, frames[-1] + 100)):
        assert scene.boxes(index) == []


def test_events_at_the_same_time_have_a_box_each() -> None:
    scene = truth("events=fight@10,smoke@10&fps=10")
    assert {box.label for box in scene.boxes(140)} == {"fight", "smoke"}


def test_a_box_moves_smoothly() -> None:
    scene = truth("events=vehicle@0&fps=25")
    boxes = [box for index in range(9 * 25) for box in scene.boxes(index)]
    assert all(abs(after.x1 - before.x1) < 0.06 for before, after in itertools.pairwise(boxes))
    assert boxes[0].x1 > 0.7
    assert boxes[-1].x2 < 0.3
