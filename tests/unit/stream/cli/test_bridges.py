from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from stream.bridges.ledger import DeadLetter, Ledger
from stream.cli import run
from stream.feed.events import Position
from stream.feed.messages import encode
from tests.unit.stream.feed.made import an_alert


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with closing(Ledger(tmp_path)) as ledger:
        for seq, bridge in enumerate(("webhook-ops", "webhook-ops", "mqtt"), 1):
            place, body = Position("E", seq), encode(an_alert(seq=seq, epoch="E"))
            letter = DeadLetter(bridge, place, 1.7e9 + seq, "it said \x1b[31mno", body, again=False)
            ledger.set_aside(letter, place)
    return tmp_path


def test_dead_letters_are_listed_and_nothing_in_them_steers_a_terminal(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bridges", "dead-letters", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1:3] for line in lines] == [
        ["webhook-ops", "alert 1"],
        ["webhook-ops", "alert 2"],
        ["mqtt", "alert 3"],
    ]
    assert "\x1b" not in "".join(lines)


def test_as_json_they_have_the_whole_alert(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bridges", "dead-letters", "--data", str(data), "--bridge", "mqtt", "--format", "json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    letter = json.loads(line)
    assert (letter["bridge"], letter["seq"], letter["again"], letter["alert"]["camera"]) == ("mqtt", 3, False, "front")


def test_replay_marks_them_for_the_vigil_that_runs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bridges", "replay", "--data", str(data), "--bridge", "webhook-ops"]) == 0
    assert capsys.readouterr().out == "2 alerts will be tried once more\n"
    with closing(Ledger(data)) as ledger:
        assert [letter.again for letter in ledger.dead_letters()] == [True, True, False]


def test_a_folder_without_bridges_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bridges", "replay", "--data", str(tmp_path)]) == 2
    assert "no bridge has run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
