from __future__ import annotations

import numpy as np

from engine.types import Frame
from stream.clock import ManualClock
from stream.preview import WIDEST_PX, YOUNG_S, Preview
from stream.rings import FrameRing
from tests.unit.stream.test_session import Grey


def test_a_picture_is_converted_only_after_somebody_asked_and_once_for_all_who_did() -> None:
    clock = ManualClock()
    preview = Preview(clock.monotonic)
    pictures = [Grey(None, level) for level in (10, 20, 30)]
    preview.offer(pictures[0], 320, 180, 1.0)
    assert preview.fresh() is None
    assert preview.fresh() is None
    for time_s, picture in enumerate(pictures[1:], 2):
        preview.offer(picture, 320, 180, float(time_s))
    assert [picture.conversions for picture in pictures] == [0, 1, 0]
    shown = preview.fresh()
    assert shown is not None
    assert (shown.image.shape, int(shown.image.max()), shown.time_s, shown.squashed) == ((180, 320, 3), 20, 2.0, False)
    assert preview.fresh() is shown


def test_at_most_five_pictures_a_second_are_made_however_many_ask() -> None:
    clock = ManualClock()
    preview = Preview(clock.monotonic)
    picture = Grey(None)
    for _ in range(1000):
        preview.fresh()
        preview.offer(picture, 320, 180, clock.time())
        clock.advance(0.01)
    assert picture.conversions <= 10 / YOUNG_S + 1


def test_a_large_picture_is_made_small_in_its_own_shape() -> None:
    preview = Preview(ManualClock().monotonic)
    preview.fresh()
    preview.offer(Grey(None), 3840, 2160, 1.0)
    shown = preview.fresh()
    assert shown is not None
    assert shown.image.shape == (540, WIDEST_PX, 3)


def test_without_a_fresh_one_the_newest_of_picture_and_frame_has_to_do() -> None:
    clock = ManualClock()
    preview = Preview(clock.monotonic)
    assert preview.last() is None
    frame = Frame("front", 0, 0, 0.0, 5.0, 0.0, np.full((36, 64, 3), 7, np.uint8))
    preview.behind(lambda: frame)
    shown = preview.last()
    assert shown is not None
    assert (shown.time_s, shown.squashed, shown.image.shape) == (5.0, True, (36, 64, 3))
    for time_s, squashed in ((4.0, True), (6.0, False)):
        preview.fresh()
        preview.offer(Grey(None), 320, 180, time_s)
        clock.advance(10.0)
        shown = preview.last()
        assert shown is not None
        assert shown.squashed is squashed


def test_a_rings_newest_frame_is_a_copy_that_stays_as_it_was() -> None:
    ring = FrameRing(3, 4, 2, span=1)
    assert ring.newest() is None
    for number in range(7):
        slot = ring.claim()
        assert slot is not None
        before = ring.newest()
        slot.image[:] = number
        ring.commit(slot, camera="front", segment=0, number=number, pts_s=0.0, time_s=float(number), arrival_s=0.0)
        newest = ring.newest()
        assert newest is not None
        assert (newest.slot, int(newest.image.max())) == (number, number)
        assert before is None or int(before.image.max()) == before.slot == number - 1
