"""One picture of an event as a JPEG, with its boxes drawn. Knows pixels and one file; no events, no threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engine.errors import EvidenceError
from engine.types import Box, Image
from stream.remux import part_path

_COLOUR = (255, 64, 32)  # RGB: a red that stands out by day and in grey night pictures
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def unsquash(image: Image, native_size: tuple[int, int]) -> Image:
    """A picture that was squashed to a scorer's size in its camera's shape again: (width, height) in pixels.

    As tall as it is and as wide as it should be, but never larger than the camera's own picture.
    """
    native_width, native_height = native_size
    height = min(image.shape[0], native_height)
    width = max(1, round(height * native_width / native_height))
    return _resized(image, width, height)


def draw_boxes(image: Image, boxes: Sequence[Box]) -> Image:
    """A copy of [H, W, 3] RGB with boxes and their labels, readable at any size."""
    drawn = image.copy()
    height, width = drawn.shape[:2]
    line_px = max(1, round(max(width, height) / 400))
    scale = max(0.35, max(width, height) / 1600)
    for box in boxes:
        left, top = round(box.x1 * (width - 1)), round(box.y1 * (height - 1))
        right, bottom = round(box.x2 * (width - 1)), round(box.y2 * (height - 1))
        cv2.rectangle(drawn, (left, top), (right, bottom), _COLOUR, line_px)
        if box.label:
            _draw_label(drawn, box.label, left, top, scale, line_px)
    return drawn


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """[H, W, 3] RGB as a JPEG."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise EvidenceError(f"can't encode a picture of shape {image.shape} as a JPEG")
    return encoded.tobytes()


def write_snapshot(path: Path, jpeg: bytes) -> None:
    """Put the file there whole: whoever reads `path` sees the picture before or this one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_path(path)
        part.write_bytes(jpeg)
        part.replace(path)
    except OSError as error:
        raise EvidenceError(
            f"{path}: can't write the snapshot ({error.strerror})",
            advice="check the free space and the permissions of the data folder",
        ) from error


def _draw_label(drawn: Image, label: str, left: int, top: int, scale: float, line_px: int) -> None:
    """White on a filled bar above the box, or inside it where there is no room, kept within the picture."""
    text = label.encode("ascii", "replace").decode()  # the font has nothing else
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, line_px)
    bar_height = text_height + below + 2 * line_px
    bar_top = top - bar_height if top >= bar_height else top
    bar_left = max(0, min(left, drawn.shape[1] - text_width - 2 * line_px))
    corner = (bar_left + text_width + 2 * line_px, bar_top + bar_height)
    cv2.rectangle(drawn, (bar_left, bar_top), corner, _COLOUR, cv2.FILLED)
    origin = (bar_left + line_px, bar_top + text_height + line_px)
    cv2.putText(drawn, text, origin, _FONT, scale, (255, 255, 255), line_px, cv2.LINE_AA)


def _resized(image: Image, width: int, height: int) -> Image:
    if (width, height) == (image.shape[1], image.shape[0]):
        return image
    shrinks = width * height < image.shape[0] * image.shape[1]
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(scaled, dtype=np.uint8)
