"""A snapshot shows its boxes and labels at any size, in the camera's shape."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import EvidenceError
from engine.types import Box
from stream.evidence.snapshot import draw_boxes, encode_jpeg, unsquash, write_snapshot

GREY = 90


def grey(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((height, width, 3), GREY, np.uint8)


def test_a_jpeg_keeps_size_and_colours() -> None:
    image = grey(64, 48)
    image[:, :32] = (200, 30, 30)
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(image, 95), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded is not None
    assert decoded.shape == image.shape
    assert np.abs(decoded[:, :24].astype(int) - (200, 30, 30)).max() < 12


def test_a_jpeg_is_the_one_that_opencv_makes_of_the_colours_turned_round() -> None:
    image = np.random.default_rng(3).integers(0, 256, (48, 63, 3), np.uint8)
    done, plain = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    assert encode_jpeg(image, 80) == plain.tobytes()


@pytest.mark.parametrize(
    ("squashed", "native", "expected"),
    [
        ((448, 448), (1920, 1080), (796, 448)),
        ((448, 448), (480, 640), (336, 448)),
        ((448, 448), (300, 190), (300, 190)),
        ((320, 180), (320, 180), (320, 180)),
    ],
)
def test_a_squashed_frame_gets_its_cameras_shape_back(
    squashed: tuple[int, int], native: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert unsquash(grey(*squashed), native).shape == (expected[1], expected[0], 3)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (300, 190), (1920, 1080), (3840, 2160)])
def test_boxes_are_drawn_where_they_are_and_wide_enough_to_see(width: int, height: int) -> None:
    image = grey(width, height)
    drawn = draw_boxes(image, [Box(0.25, 0.5, 0.75, 1.0)])
    changed = np.any(drawn != image, axis=2)
    rows, columns = np.nonzero(changed)
    line_px = max(1, width / 400)
    assert abs(rows.min() - 0.5 * height) <= 2 + line_px
    assert abs(rows.max() - height) <= 2 + line_px
    assert abs(columns.min() - 0.25 * width) <= 2 + line_px
    assert abs(columns.max() - 0.75 * width) <= 2 + line_px
    assert changed.sum() >= line_px * width
    assert not changed[height * 3 // 4, width // 2]
    assert np.all(image == GREY), "the original was drawn on"


@pytest.mark.parametrize("box", [Box(0.0, 0.0, 1.0, 1.0, "person"), Box(0.9, 0.9, 1.0, 1.0, "a very long label here")])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (640, 360), (1920, 1080)])
def test_labels_stay_within_the_picture(box: Box, width: int, height: int) -> None:
    bare = draw_boxes(grey(width, height), [Box(box.x1, box.y1, box.x2, box.y2)])
    labelled = draw_boxes(grey(width, height), [box])
    assert labelled.shape == (height, width, 3)
    changed = np.any(labelled != bare, axis=2)
    assert changed.sum() > 100
    assert changed[:, : width // 2].any() or box.x1 > 0.5


def test_a_label_that_the_font_lacks_is_still_drawn() -> None:
    box = Box(0.2, 0.5, 0.8, 0.9, "门口")
    bare = draw_boxes(grey(320, 180), [Box(0.2, 0.5, 0.8, 0.9)])
    assert not np.array_equal(draw_boxes(grey(320, 180), [box]), bare)


def test_a_snapshot_is_put_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "day" / "camera" / "event.jpg"
    write_snapshot(path, b"one")
    write_snapshot(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvidenceError, match="can't write the snapshot"):
        write_snapshot(tmp_path / "file" / "event.jpg", b"one")
