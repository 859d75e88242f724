"""How far frames are from what Pillow makes of the same pictures, and what making them costs.

    python -m benchmarks.pictures VIDEO [VIDEO...]

Of each file some pictures are scaled to 448x448 by the live path's scaler and by the exact one, from the size that they
have and from others, and compared with Pillow's bicubic scaling of the whole picture in RGB. Prints a Markdown table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice

import av
import cv2
import numpy as np
from PIL import Image as Pillow

from benchmarks.common import environment
from engine.types import Image
from stream.sources.pyav_picture import Scaler

SIDE_PX = 448
PICTURES, EVERY = 12, 10
TIMES = 7
UNTAGGED, BT601 = 2, 6  # FFmpeg's numbers
SIZES = ((352, 288), (1280, 720), (1920, 1080))

Scale = Callable[[av.VideoFrame, Image], None]


def pictures(path: str) -> list[av.VideoFrame]:
    with av.open(path) as container:
        some = list(islice(container.decode(video=0), 0, PICTURES * EVERY, EVERY))
    for frame in some:
        if frame.colorspace == UNTAGGED:  # would be taken for others when it is scaled up
            frame.colorspace = BT601
    return some


def reference(frame: av.VideoFrame) -> Image:
    whole = Pillow.fromarray(frame.to_ndarray(format="rgb24"))
    return np.asarray(whole.resize((SIDE_PX, SIDE_PX), Pillow.Resampling.BICUBIC))


def area(frame: av.VideoFrame, out: Image) -> None:
    """As pictures of webcams are scaled, which are RGB already."""
    cv2.resize(frame.to_ndarray(format="rgb24"), (SIDE_PX, SIDE_PX), dst=out, interpolation=cv2.INTER_AREA)


def measured(frames: Sequence[av.VideoFrame], scale: Scale) -> str:
    """The cells of a row."""
    out, costs_ms, steps = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8), [], []
    for frame in frames:
        best_s = float("inf")
        for _ in range(TIMES):
            began_s = time.thread_time()
            scale(frame, out)
            best_s = min(best_s, time.thread_time() - began_s)
        costs_ms.append(1e3 * best_s)
        steps.append(np.abs(out.astype(int) - reference(frame)))
    all_steps = np.stack(steps)
    shares = (f"{100 * float((all_steps > least).mean()):.1f} %" for least in (1, 2))
    return f"{all_steps.max()} | {' | '.join(shares)} | {np.median(costs_ms):.2f} ms"


def main(paths: Sequence[str]) -> None:
    print(environment(), "", "| | | largest | > 1 step | > 2 steps | CPU |", "|---|---|---:|---:|---:|---:|", sep="\n")
    for path in paths:
        own = pictures(path)
        sizes = [(own[0].width, own[0].height), *SIZES]
        for width, height in sizes:
            frames = [frame.reformat(width, height, "yuv420p", interpolation="BICUBIC") for frame in own]
            ways: dict[str, Scale] = {
                "live": Scaler().write_rgb,
                "exact": Scaler(exact=True).write_rgb,
                "webcam": area,
            }
            for name, scale in ways.items():
                print(f"| {path.rpartition('/')[2]}, {width}x{height} | {name} | {measured(frames, scale)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
