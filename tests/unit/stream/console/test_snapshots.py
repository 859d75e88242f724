from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from stream.console import snapshots
from stream.console.snapshots import Snapshots
from stream.evidence.paths import CLEAN
from stream.evidence.snapshot import encode_jpeg, write_snapshot
from stream.feed.messages import AlertBox, AlertMessage
from tests.unit.stream.feed.made import an_alert

NAME = "events/2024-06-21/gate/E1.jpg"
BOX = AlertBox(x1=0.1, y1=0.1, x2=0.2, y2=0.2)


def put(data: Path, level: int, ending: str = ".jpg") -> bytes:
    jpeg = encode_jpeg(np.full((180, 320, 3), level, np.uint8))
    write_snapshot((data / NAME).with_suffix(ending), jpeg)
    return jpeg


def read(kept: Snapshots, alert: AlertMessage, width: int | None = None, *, boxes: bool = True) -> tuple[str, bytes]:
    found = kept.read(alert, width=width, boxes=boxes, known=())
    assert found is not None
    return found


def size(jpeg: bytes) -> tuple[int, ...]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return tuple(image.shape)


def test_a_snapshot_is_read_as_it_lies_there_with_a_tag_of_its_own(tmp_path: Path) -> None:
    kept, alert = Snapshots(tmp_path), an_alert(snapshot=NAME)
    first = put(tmp_path, 10)
    tag, jpeg = read(kept, alert)
    assert jpeg == first
    second = put(tmp_path, 200)
    newer, jpeg = read(kept, alert)
    assert (jpeg, newer != tag) == (second, True)
    assert kept.read(alert, width=None, boxes=True, known=[newer]) == (newer, b"")


def test_without_boxes_the_clean_one_is_read_where_there_are_boxes(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path)
    drawn, clean = put(tmp_path, 10), put(tmp_path, 200, CLEAN)
    marked, plain = an_alert(snapshot=NAME, boxes=(BOX,)), an_alert(snapshot=NAME)
    assert read(kept, marked)[1] == drawn
    assert read(kept, marked, boxes=False)[1] == clean
    assert read(kept, plain, boxes=False)[1] == drawn  # it has none drawn
    (tmp_path / NAME).with_suffix(CLEAN).unlink()
    assert kept.read(marked, width=None, boxes=False, known=()) is None


def test_small_ones_are_made_once_and_only_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, alert = Snapshots(tmp_path), an_alert(snapshot=NAME)
    jpeg = put(tmp_path, 10)
    tag, small = read(kept, alert, 240)
    assert size(small) == (135, 240, 3)
    assert read(kept, alert, 960)[1] == jpeg
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "imdecode", lambda *_: pytest.fail("made again"))
        assert read(kept, alert, 240) == (tag, small)
    put(tmp_path, 200)
    assert read(kept, alert, 240)[1] != small


def test_small_ones_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "KEPT", 2)
    kept, alert = Snapshots(tmp_path), an_alert(snapshot=NAME)
    put(tmp_path, 10)
    for width in (100, 101, 102, 103):
        read(kept, alert, width)
    assert len(kept._small) == 2


def test_what_is_no_picture_stays_as_it_is(tmp_path: Path) -> None:
    write_snapshot(tmp_path / NAME, b"broken")
    assert read(Snapshots(tmp_path), an_alert(snapshot=NAME), 240)[1] == b"broken"


@pytest.mark.parametrize("name", [None, "events/gone.jpg", "events", "../E1.jpg", "events/a\x00b.jpg"])
def test_what_is_not_there_or_elsewhere_is_none(tmp_path: Path, name: str | None) -> None:
    put(tmp_path / "data", 10)
    (tmp_path / "E1.jpg").write_bytes(b"secret")
    alert = an_alert(snapshot=name, boxes=(BOX,))
    for boxes in (True, False):
        assert Snapshots(tmp_path / "data").read(alert, width=None, boxes=boxes, known=()) is None
