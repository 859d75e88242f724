from __future__ import annotations

import numpy as np
import pytest

from engine.types import Box, Image
from stream.sources.synthetic.options import EVENT_LENGTH_S, parse_url
from stream.sources.synthetic.scene import Scene
from stream.sources.synthetic.truth import GroundTruth


def scene(query: str) -> Scene:
    return Scene(parse_url(f"synthetic://?size=160x90&{query}"))


def inside(image: Image, box: Box) -> Image:
    height, width = image.shape[:2]
    return image[int(box.y1 * height) : int(box.y2 * height) + 1, int(box.x1 * width) : int(box.x2 * width) + 1]


def difference(a: Image, b: Image) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("query", ["events=fight@1,smoke@2", "night=1&events=vehicle@1,run@2"])
def test_a_frame_depends_on_the_options_and_its_index_alone(query: str) -> None:
    one, other = scene(query), scene(query)
    forwards = [one.render(index) for index in range(0, 60, 9)]
    backwards = [other.render(index) for index in reversed(range(0, 60, 9))]
    for a, b in zip(forwards, reversed(backwards), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("size", ["64x64", "160x90", "321x241", "640x360"])
def test_frames_have_the_size_that_was_asked_for(size: str) -> None:
    image = scene(f"size={size}").render(3)
    width, height = map(int, size.split("x"))
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert image.std() > 20  # a picture, not a plane


def test_a_frame_belongs_to_its_reader() -> None:
    one = scene("")
    first = one.render(0)
    kept = first.copy()
    one.render(1)
    assert np.array_equal(first, kept)
    first[:] = 0
    assert np.array_equal(one.render(0), kept)


def test_seeds_look_different_and_the_scene_stays_the_same_place() -> None:
    a, b = scene("seed=1&noise=0&traffic=0").render(0), scene("seed=2&noise=0&traffic=0").render(0)
    assert not np.array_equal(a, b)
    assert difference(a, b) < 25


def test_an_empty_street_without_noise_only_changes_its_light_and_clock() -> None:
    empty = scene("traffic=0&events=none&noise=0")
    a, b = empty.render(0), empty.render(15)
    upper = slice(0, 70)  # without the clock
    assert difference(a[upper], b[upper]) < 2
    assert difference(a[70:, :80], b[70:, :80]) > 0


def test_noise_is_as_strong_as_asked_for_and_new_in_every_frame() -> None:
    def grain(level: int) -> float:
        noisy = scene(f"traffic=0&events=none&noise={level}&fps=120")
        steps = noisy.render(0)[:70].astype(int) - noisy.render(1)[:70].astype(int)
        return float(steps.std() / np.sqrt(2))

    assert grain(0) < 0.7
    assert grain(4) == pytest.approx(4, rel=0.35)
    assert grain(12) == pytest.approx(12, rel=0.35)


def test_night_is_darker() -> None:
    assert scene("night=1").render(0).mean() < 0.6 * scene("").render(0).mean()


def test_more_traffic_is_more_motion() -> None:
    def motion(traffic: float) -> float:
        busy = scene(f"traffic={traffic}&events=none&noise=0")
        return sum(difference(busy.render(n)[:70], busy.render(n + 2)[:70]) for n in range(0, 450, 30))

    assert motion(0) < motion(1) < motion(4)


@pytest.mark.parametrize("kind", list(EVENT_LENGTH_S))
@pytest.mark.parametrize("night", [0, 1])
def test_an_event_is_seen_where_the_truth_says_and_nowhere_else(kind: str, night: int) -> None:
    query = f"size=320x180&traffic=0&noise=0&night={night}&fps=10"
    with_event, calm = scene(f"{query}&events={kind}@1"), scene(f"{query}&events=none")
    truth = GroundTruth(with_event.options)
    index = round(10 + 0.42 * EVENT_LENGTH_S[kind] * 10)
    (box,) = truth.boxes(index)
    changed = np.abs(with_event.render(index).astype(int) - calm.render(index).astype(int)).max(axis=2) > 24
    height, width = changed.shape
    total = changed.sum()
    assert total > 60
    reach = 0.3 if night and kind == "vehicle" else 0.06  # shadows and headlights reach out
    near = Box(box.x1 - reach, box.y1 - 0.04, box.x2 + reach, box.y2 + 0.06)
    grown = Box(max(near.x1, 0), max(near.y1, 0), min(near.x2, 1), min(near.y2, 1))
    assert inside(changed[..., None], grown).sum() > 0.9 * total
    rows, columns = np.nonzero(changed)
    assert np.ptp(columns) + 1 > 0.5 * (box.x2 - box.x1) * width
    assert np.ptp(rows) + 1 > 0.5 * (box.y2 - box.y1) * height
