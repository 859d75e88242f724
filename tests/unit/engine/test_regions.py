from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UsageError
from engine.regions import Polygon, Regions

LEFT_HALF: Polygon = ((0, 0), (0.5, 0), (0.5, 1), (0, 1))
UPPER_HALF: Polygon = ((0, 0), (1, 0), (1, 0.5), (0, 0.5))


def test_without_zones_and_masks_everything_is_watched() -> None:
    assert Regions().raster(8, 4).all()


def test_a_raster_has_the_pictures_height_and_width() -> None:
    assert Regions(zones=(LEFT_HALF,)).raster(16, 9).shape == (9, 16)


def test_a_zone_watches_exactly_its_pixels() -> None:
    watched = Regions(zones=(LEFT_HALF,)).raster(8, 4)
    assert watched[:, :4].all()
    assert not watched[:, 4:].any()


def test_zones_add_up_and_masks_win() -> None:
    watched = Regions(zones=(LEFT_HALF, UPPER_HALF), masks=(UPPER_HALF,)).raster(8, 4)
    expected = np.zeros((4, 8), np.bool_)
    expected[2:, :4] = True
    np.testing.assert_array_equal(watched, expected)


def test_masks_alone_leave_the_rest_watched() -> None:
    watched = Regions(masks=(LEFT_HALF,)).raster(8, 4)
    np.testing.assert_array_equal(watched, Regions(zones=(LEFT_HALF,)).raster(8, 4) ^ True)


def test_the_direction_of_an_outline_does_not_matter() -> None:
    backwards = tuple(reversed(LEFT_HALF))
    np.testing.assert_array_equal(
        Regions(zones=(backwards,)).raster(40, 30), Regions(zones=(LEFT_HALF,)).raster(40, 30)
    )


def test_a_slanted_edge_halves_the_picture() -> None:
    triangle: Polygon = ((0, 0), (1, 0), (0, 1))
    watched = Regions(zones=(triangle,)).raster(200, 100)
    assert watched.mean() == pytest.approx(0.5, abs=0.01)
    assert watched[0, 0]
    assert not watched[-1, -1]


def test_a_hollow_polygon_is_hollow() -> None:
    horseshoe: Polygon = ((0, 0), (1, 0), (1, 1), (0.75, 1), (0.75, 0.25), (0.25, 0.25), (0.25, 1), (0, 1))
    watched = Regions(zones=(horseshoe,)).raster(8, 8)
    assert not watched[2:, 2:6].any()
    assert watched.sum() == 64 - 6 * 4


@pytest.mark.parametrize(
    ("polygon", "complaint"),
    [
        (((0, 0), (1, 1)), "mask 1 has 2 points"),
        (((0, 0), (1, 0), (1.5, 1)), r"mask 1 has the point \(1.5, 1\)"),
        (((0, 0), (1, 0), (float("nan"), 1)), "mask 1 has the point"),
    ],
)
def test_what_is_no_polygon_is_refused_by_its_name(polygon: Polygon, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Regions(masks=(polygon,))
