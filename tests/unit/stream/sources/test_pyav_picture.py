"""Decoded pictures as RGB: colours, ranges, sizes and rotation."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.plane import VideoPlane

from engine.types import Image
from stream.sources.pyav import PyAvSource
from stream.sources.pyav_picture import DecodedPicture, Scaler
from tests.unit.stream.sources.videos import encode, rgb, scene, split

BT709, UNTAGGED, BT601, BT2020 = 1, 2, 6, 9  # FFmpeg's numbers
LIMITED, FULL = 1, 2


def plane_bytes(plane: VideoPlane, value: int, deep: bool) -> bytes:
    if deep:
        return bytes(np.full(plane.buffer_size // 2, value * 4, np.uint16))
    return bytes([value]) * plane.buffer_size


def flat(
    yuv: tuple[int, int, int],
    pix_fmt: str = "yuv420p",
    colours: int = UNTAGGED,
    value_range: int = 0,
    size: tuple[int, int] = (320, 180),
) -> av.VideoFrame:
    frame = av.VideoFrame(*size, pix_fmt)
    for plane, value in zip(frame.planes, yuv, strict=True):
        plane.update(plane_bytes(plane, value, pix_fmt.endswith("10le")))
    frame.colorspace, frame.color_range = colours, value_range
    return frame


def shown(frame: av.VideoFrame, width: int = 64, height: int = 48) -> Image:
    return rgb(DecodedPicture(frame, Fraction(1, 10), Scaler()), width, height)


@pytest.mark.parametrize(
    ("frame", "colour"),
    [
        (flat((81, 90, 240), colours=BT601, value_range=LIMITED), (255, 0, 0)),
        (flat((63, 102, 240), colours=BT709, value_range=LIMITED), (255, 0, 0)),
        (flat((63, 102, 240), "yuv420p10le", colours=BT709, value_range=LIMITED), (255, 0, 0)),
        (flat((74, 97, 240), "yuv420p10le", colours=BT2020, value_range=LIMITED), (255, 0, 0)),
        (flat((76, 85, 255), "yuvj420p"), (255, 0, 0)),
        (flat((76, 85, 255), colours=BT601, value_range=FULL), (255, 0, 0)),
        (flat((76, 85, 255), "yuvj422p"), (255, 0, 0)),
        (flat((81, 90, 240)), (255, 0, 0)),
        (flat((63, 102, 240), size=(1280, 720)), (255, 0, 0)),
        (flat((235, 128, 128)), (255, 255, 255)),
        (flat((255, 128, 128), "yuvj420p"), (255, 255, 255)),
        (flat((16, 128, 128)), (0, 0, 0)),
        (flat((0, 128, 128), "yuvj420p"), (0, 0, 0)),
    ],
)
def test_colours_are_right_for_every_matrix_and_range(frame: av.VideoFrame, colour: tuple[int, int, int]) -> None:
    assert np.abs(shown(frame).astype(int) - colour).max() <= 4


@pytest.mark.parametrize("size", [(64, 48), (65, 47), (49, 27), (700, 500), (448, 448)])
def test_a_picture_is_squashed_to_any_size(size: tuple[int, int]) -> None:
    image = scene(3, 320, 180)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    reference = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    assert np.abs(shown(frame, *size).astype(float) - reference).mean() < 8


def test_only_the_given_pixels_are_written_whatever_their_layout() -> None:
    frame = av.VideoFrame.from_ndarray(scene(3, 320, 180), format="rgb24").reformat(format="yuv420p")
    plain = shown(frame, 64, 48)
    ring = np.full((3, 50, 70, 3), 7, np.uint8)
    picture = DecodedPicture(frame, Fraction(1, 10), Scaler())
    picture.write_rgb(ring[1, 1:49, 2:66])
    assert np.array_equal(ring[1, 1:49, 2:66], plain)
    ring[1, 1:49, 2:66] = 7
    assert (ring == 7).all()
    reversed_view = np.zeros((48, 64, 3), np.uint8)[::-1, ::-1]
    picture.write_rgb(reversed_view)
    assert np.array_equal(reversed_view, plain)


@pytest.mark.parametrize("size", [(352, 288), (1280, 720)])
def test_an_exact_scaler_gives_what_pillow_makes_of_the_whole_picture(size: tuple[int, int]) -> None:
    pillow = pytest.importorskip("PIL.Image")
    frame = av.VideoFrame.from_ndarray(scene(3, *size), format="rgb24").reformat(format="yuv420p")
    frame.colorspace = BT601 if size[1] < 720 else BT709
    whole = frame.to_ndarray(format="rgb24")
    expected = np.asarray(pillow.fromarray(whole).resize((448, 448), pillow.Resampling.BICUBIC))
    quick, exact = (np.zeros((448, 448, 3), np.uint8) for _ in range(2))
    Scaler().write_rgb(frame, quick)
    Scaler(exact=True).write_rgb(frame, exact)
    assert np.array_equal(exact, expected)
    assert np.abs(quick.astype(int) - expected).max() > 1


def test_one_scaler_serves_pictures_of_changing_kinds() -> None:
    scaler = Scaler()
    frames = [
        flat((81, 90, 240)),
        flat((76, 85, 255), "yuvj420p", size=(64, 64)),
        flat((63, 102, 240), size=(1280, 720)),
    ]
    for frame in frames * 2:
        out = np.zeros((32, 32, 3), np.uint8)
        scaler.write_rgb(frame, out)
        assert np.abs(out.astype(int) - (255, 0, 0)).max() <= 4


def test_a_time_is_the_streams_own_or_none() -> None:
    frame = flat((81, 90, 240))
    assert DecodedPicture(frame, Fraction(1, 10), Scaler()).pts_s is None
    frame.pts = 25
    assert DecodedPicture(frame, Fraction(1, 10), Scaler()).pts_s == 2.5


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
)
def test_a_video_that_says_it_is_rotated_is_shown_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], turns: int
) -> None:
    """The display matrix of an MP4's track, as phones write it; (0, 1, -1, 0) turns clockwise."""
    path = encode(tmp_path / "a.mp4", size=(160, 96), pictures=1)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    source = PyAvSource(str(path))
    source.open()
    _, _, pictures = split(list(source))
    source.close()
    upright = np.rot90(scene(0, 160, 96), turns).astype(float)
    height, width = upright.shape[:2]
    assert np.abs(rgb(pictures[0], width, height) - upright).mean() < 12
