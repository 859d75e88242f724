"""When a picture's fault begins and ends; `tests/integration/test_picture_faults.py` has real footage."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from engine.picture import HealthSettings, PictureFault, PictureHealth
from engine.picture.health import END_S, SETTLE_S
from engine.picture.view import LEARN_S
from engine.types import Frame, Image

FPS = 2
AFTER_S = 10.0
WIDTH, HEIGHT = 96, 54
ALL = frozenset(PictureFault)

Paint = Callable[[np.random.Generator], Image]


def room(seed: int) -> Paint:
    """A coloured scene of many boxes, seen by a noisy sensor."""
    rng = np.random.default_rng(seed)
    still = np.full((HEIGHT, WIDTH, 3), 90.0)
    for _ in range(60):
        x, y = rng.integers(0, WIDTH), rng.integers(0, HEIGHT)
        still[y : y + rng.integers(4, 20), x : x + rng.integers(4, 20)] = rng.uniform(20, 230, 3)
    return lambda grain: np.clip(still + grain.normal(0, 2, still.shape), 0, 255).astype(np.uint8)


def out_of_focus(paint: Paint) -> Paint:
    return lambda grain: np.asarray(cv2.GaussianBlur(paint(grain), (0, 0), 3.0), np.uint8)


def grey(paint: Paint) -> Paint:
    return lambda grain: paint(grain).mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)


def black(grain: np.random.Generator) -> Image:
    return np.clip(grain.normal(6, 1, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


class Camera:
    """Shows one scene after another, with a key picture each second."""

    def __init__(self, faults: frozenset[PictureFault] = ALL) -> None:
        self.health = PictureHealth(HealthSettings(faults, AFTER_S))
        self.told: list[tuple[float, PictureFault | None]] = []
        self.now_s = 0.0
        self.segment = 0
        self._grain = np.random.default_rng(1)
        self._fault: PictureFault | None = None
        self._keys = 0

    def show(self, paint: Paint, seconds: float, *, keys: bool = True) -> Camera:
        for _ in range(round(seconds * FPS)):
            self._keys += keys and self.now_s % 1 == 0
            time_s = self.now_s
            frame = Frame("front", self.segment, round(time_s * FPS), time_s, time_s, time_s, paint(self._grain))
            fault = self.health.push(frame, self._keys)
            if fault is not self._fault:
                self._fault = fault
                self.told.append((time_s, fault))
            self.now_s += 1 / FPS
        return self

    @property
    def faults(self) -> list[PictureFault | None]:
        return [fault for _, fault in self.told]


@pytest.fixture
def learnt() -> Camera:
    camera = Camera().show(room(1), LEARN_S + 5)
    assert camera.told == []
    return camera


@pytest.mark.parametrize(
    ("paint", "fault"),
    [
        (black, PictureFault.COVERED),
        (room(2), PictureFault.MOVED),
        (out_of_focus(room(1)), PictureFault.BLURRED),
    ],
)
def test_a_fault_is_told_after_its_time_and_over_after_a_good_stretch(
    learnt: Camera, paint: Paint, fault: PictureFault
) -> None:
    began_s = learnt.now_s
    ended_s = learnt.show(paint, AFTER_S + 10).now_s
    learnt.show(room(1), 20)
    (told_s, told), (over_s, over) = learnt.told
    assert (told, over) == (fault, None)
    assert AFTER_S <= told_s - began_s <= AFTER_S + 2
    assert END_S <= over_s - ended_s <= END_S + 2


def test_what_does_not_last_is_not_told(learnt: Camera) -> None:
    for _ in range(5):
        learnt.show(room(2), AFTER_S - 3).show(room(1), 2)
    assert learnt.told == []


def test_a_fault_that_comes_and_goes_is_one_fault(learnt: Camera) -> None:
    learnt.show(room(2), AFTER_S + 3)
    for _ in range(5):
        learnt.show(room(1), END_S - 2).show(room(2), 3)
    assert learnt.faults == [PictureFault.MOVED]


def test_a_view_that_is_not_known_yet_has_no_fault_but_being_covered() -> None:
    assert Camera().show(room(1), 10).show(room(2), 15).show(out_of_focus(room(2)), 15).told == []
    assert Camera().show(black, AFTER_S + 5).faults == [PictureFault.COVERED]


def test_another_view_that_lasts_becomes_the_usual_one(learnt: Camera) -> None:
    learnt.show(room(2), SETTLE_S + 30)
    assert learnt.faults == [PictureFault.MOVED, None]
    learnt.show(room(1), AFTER_S + 5)
    assert learnt.faults[-1] is PictureFault.MOVED


def test_night_has_a_view_of_its_own_that_is_learnt_and_then_held_to(learnt: Camera) -> None:
    night = grey(room(3))
    learnt.show(night, LEARN_S + 5).show(room(1), 20).show(night, 30)
    assert learnt.told == []
    learnt.show(grey(room(4)), AFTER_S + 5)
    assert learnt.faults == [PictureFault.MOVED]


def test_a_fault_outlives_a_break_of_the_stream_and_time_does_not_pass_in_it(learnt: Camera) -> None:
    learnt.show(room(2), AFTER_S - 3)
    learnt.segment += 1
    learnt.now_s = 0.0
    learnt.show(room(2), 2)
    assert learnt.told == []
    learnt.show(room(2), 5)
    assert learnt.faults == [PictureFault.MOVED]


def test_faults_that_are_not_looked_for_are_not_told() -> None:
    camera = Camera(ALL - {PictureFault.MOVED}).show(room(1), LEARN_S + 5).show(room(2), 40)
    assert camera.told == []


def test_after_forgetting_another_view_is_no_fault(learnt: Camera) -> None:
    learnt.health.forget()
    assert learnt.show(room(2), LEARN_S + 20).told == []


# Frozen


def test_the_same_picture_again_and_again_is_frozen_until_a_new_one_comes(learnt: Camera) -> None:
    kept = room(1)(np.random.default_rng(5))
    learnt.show(lambda _: kept, AFTER_S + 10).show(room(1), 15)
    assert learnt.faults == [PictureFault.FROZEN, None]


def test_a_few_pictures_in_turn_as_an_encoder_refines_one_are_frozen(learnt: Camera) -> None:
    kept = [room(1)(np.random.default_rng(5)).clip(0, 200) + np.uint8(level) for level in range(4)]
    count = iter(range(10_000))
    learnt.show(lambda _: kept[next(count) % 4], AFTER_S + 10)
    assert learnt.faults == [PictureFault.FROZEN]


def test_without_key_pictures_a_repeated_one_may_be_an_encoders_thrift(learnt: Camera) -> None:
    kept = room(1)(np.random.default_rng(5))
    assert learnt.show(lambda _: kept, 60, keys=False).told == []


def test_a_running_clock_in_a_still_picture_is_not_frozen(learnt: Camera) -> None:
    kept = room(1)(np.random.default_rng(5))

    def with_clock(_: np.random.Generator) -> Image:
        image = kept.copy()
        image[2:6, 2 : 4 + int(learnt.now_s) % 9] = 255  # changes once a second
        return image

    assert learnt.show(with_clock, 60).told == []


def test_a_film_in_a_loop_is_not_frozen(learnt: Camera) -> None:
    film = [room(1)(np.random.default_rng(5)) for _ in range(8)]
    for number, image in enumerate(film):
        image[20:30, 8 * number : 8 * number + 10] = 250
    count = iter(range(10_000))
    assert learnt.show(lambda _: film[next(count) % 8], 60).told == []
