from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import SourceError, UsageError
from engine.types import Image
from stream.sources.base import EncodedPacket, Picture, StreamInfo
from stream.sources.synthetic import SyntheticSource, backdrop


def pictures(url: str, *, keyframes_only: bool = False) -> list[Picture]:
    source = SyntheticSource(url)
    source.keyframes_only = keyframes_only
    source.open()
    shown = [item for item in source if not isinstance(item, StreamInfo | EncodedPacket)]
    source.close()
    return shown


def pixels(picture: Picture) -> Image:
    out = np.zeros((90, 160, 3), np.uint8)
    picture.write_rgb(out)
    return out


@pytest.mark.parametrize("fps", [15, 12.5, 30])
def test_picture_i_is_shown_at_exactly_i_over_fps(fps: float) -> None:
    shown = pictures(f"synthetic://?size=160x90&duration=3&fps={fps:g}")
    assert [picture.pts_s for picture in shown] == [i / fps for i in range(len(shown))]
    assert len(shown) == np.ceil(3 * fps)


def test_one_that_is_closed_while_it_draws_its_street_draws_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    source, drawn = SyntheticSource("synthetic://?size=640x360"), 0
    ground = backdrop._ground

    def draw(*arguments: Any) -> Any:
        nonlocal drawn
        drawn += 1
        source.close()
        return ground(*arguments)

    monkeypatch.setattr(backdrop, "_ground", draw)
    with pytest.raises(SourceError, match="closed while it was opened"):
        source.open()
    assert drawn == 1


def test_the_same_url_gives_the_same_pictures() -> None:
    url = "synthetic://?size=160x90&duration=2&seed=4&events=run@0"
    for a, b in zip(pictures(url), pictures(url), strict=True):
        assert np.array_equal(pixels(a), pixels(b))


def test_key_pictures_alone_are_the_same_ones_once_a_second() -> None:
    url = "synthetic://?size=160x90&duration=3.5&fps=10"
    sparse = pictures(url, keyframes_only=True)
    assert [picture.pts_s for picture in sparse] == [0, 1, 2, 3]
    assert np.array_equal(pixels(sparse[2]), pixels(pictures(url)[20]))


def test_it_is_paced_by_its_reader_and_says_what_it_is() -> None:
    source = SyntheticSource("synthetic://?size=320x240&fps=12.5")
    info = source.open()
    source.close()
    assert not source.live
    assert (info.codec, info.width, info.height, info.announced_fps) == ("h264", 320, 240, 12.5)


def test_the_ground_truth_is_there_before_it_is_opened() -> None:
    source = SyntheticSource("synthetic://?events=fight@25&duration=60")
    (event,) = source.ground_truth.events(60)
    assert (event.kind, event.start_s, event.end_s) == ("fight", 25, 35)
    assert source.ground_truth.boxes(30 * 15)[0].label == "fight"
    source.close()


def test_a_bad_url_is_refused_when_the_source_is_made() -> None:
    with pytest.raises(UsageError, match="did you mean 'fps'"):
        SyntheticSource("synthetic://?fpss=3")
