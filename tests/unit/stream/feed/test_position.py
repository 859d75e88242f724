from pathlib import Path

import pytest

from engine.errors import FeedError
from stream.feed.events import Position
from stream.feed.position import PositionFile


def test_a_position_is_found_again_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "position"
    file = PositionFile(path)
    assert file.load() is None
    for seq in (1, 2):
        file.save(Position("E", seq))
    assert PositionFile(path).load() == Position("E", 2)
    assert [child.name for child in tmp_path.iterdir()] == ["position"]


def test_the_same_position_is_not_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "position"
    PositionFile(path).save(Position("E", 1))
    file = PositionFile(path)
    file.load()
    path.unlink()
    file.save(Position("E", 1))
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"epoch": 1, "seq": 2}', b'{"epoch": "E", "seq": -1}', b"\xff"])
def test_a_file_that_holds_no_position_is_an_error_and_not_a_beginning(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "position"
    path.write_bytes(content)
    with pytest.raises(FeedError, match=r"holds no position.*delete it"):
        PositionFile(path).load()


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="can't be kept") as caught:
        PositionFile(tmp_path / "none" / "position").save(Position("E", 1))
    assert "\n" not in str(caught.value)
