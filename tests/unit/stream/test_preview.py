from __future__ import annotations

import numpy as np

from engine.types import Frame
from stream.clock import ManualClock
from stream.preview import EVERY_S, WIDEST_PX, Preview
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


def test_who_has_the_fresh_picture_asks_for_the_next() -> None:
    clock = ManualClock()
    preview = Preview(clock.monotonic)
    for time_s in range(2):
        preview.ask()
        preview.offer(Grey(None), 320, 180, float(time_s))
        shown = preview.fresh()
        assert shown is not None
        assert shown.time_s == time_s
        clock.advance(EVERY_S)


def test_at_most_ten_pictures_a_second_are_made_however_many_ask() -> None:
    clock = ManualClock()
    preview = Preview(clock.monotonic)
    picture = Grey(None)
    for _ in range(1000):
        preview.ask()
        preview.offer(picture, 320, 180, clock.time())
        clock.advance(0.01)
    assert 10 / EVERY_S - 10 <= picture.conversions <= 10 / EVERY_S + 1


def test_a_picture_is_as_wide_as_the_widest_that_was_looked_for() -> None:
    clock = ManualClock()
    preview = Preview(clock.monotonic)

    def made(*looked_px: int) -> list[int]:
        """How wide what each is shown is, after a new picture was asked for."""
        clock.advance(1.0)
        preview.fresh(looked_px[0])
        preview.offer(Grey(None), 1920, 1080, 0.0)
        return [shown.image.shape[1] if (shown := preview.fresh(px)) else 0 for px in looked_px]

    assert made(320) == [320]
    assert made(320, 640) == [320, 0]  # a wider one is made next
    assert made(320, 640) == [640, 640]
    assert made(320, 640) == [640, 640]  # whoever of them asks first
    assert [made(320) for _ in range(3)] == [[640], [640], [320]]


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
