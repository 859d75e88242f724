from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RuntimeFault, UsageError
from engine.recorded import RecordedScorer, Response
from engine.timeline import WindowMeta
from engine.types import Box, Judgement
from stream.responses import ResponseWriter, read_responses
from tests.unit.engine.frames import window

JUDGEMENTS = [
    Judgement(0.83, text="A man climbs over the gate – «quickly».", boxes=(Box(0.1, 0.2, 0.3, 0.4, "man"),)),
    Judgement.unknown("scorer failed: out of memory"),
    Judgement(0.0),
]


def test_what_was_recorded_is_answered_again(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    windows = [window(8 * i) for i in range(len(JUDGEMENTS))]
    with ResponseWriter(path) as writer:
        for w, judgement in zip(windows, JUDGEMENTS, strict=True):
            writer.write(WindowMeta.of(w), judgement)
    assert list(RecordedScorer(read_responses(path)).score(windows)) == JUDGEMENTS


def test_each_response_is_in_the_file_as_soon_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    with ResponseWriter(path) as writer:
        for done in range(1, 4):
            writer.write(WindowMeta("front", 0, done, float(done), 0.0, 1.0), Judgement(0.5))
            assert [response.pts_s for response in read_responses(path)] == [float(i + 1) for i in range(done)]


def test_a_hand_written_file_may_leave_out_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text('{"camera": "front", "index": 3, "score": 1}\n\n{"camera": "front", "pts_s": 4, "score": null}\n')
    assert list(read_responses(path)) == [
        Response(camera="front", index=3, score=1.0),
        Response(camera="front", pts_s=4.0),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"camera": "front", "index": 3', "truncated"),
        ('{"index": 3, "score": 0.5}', "camera"),
        ('{"camera": "front", "index": 3, "sore": 0.5}', "sore"),
        ('{"camera": "front", "index": 3, "score": "high"}', "score"),
        ('{"camera": "front", "index": 3, "score": 1.5}', "outside 0 to 1"),
        ('{"camera": "front", "score": 0.5}', "either index or pts_s"),
        ("[]", "object"),
    ],
)
def test_a_line_that_does_not_hold_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text(f'{{"camera": "front", "index": 0, "score": 0.5}}\n{line}\n')
    with pytest.raises(UsageError, match=rf"responses\.jsonl, line 2: .*{complaint}"):
        list(read_responses(path))


def test_a_missing_file_and_a_folder_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read responses from .*none\.jsonl: No such file"):
        list(read_responses(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="Is a directory"):
        list(read_responses(tmp_path))
    with pytest.raises(UsageError, match=r"cannot write responses to .*No such file"):
        ResponseWriter(tmp_path / "none" / "responses.jsonl")


def test_an_earlier_recording_is_never_overwritten_or_added_to(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text("kept")
    with pytest.raises(UsageError, match="exists already"):
        ResponseWriter(path)
    assert path.read_text() == "kept"


def test_a_failed_write_is_a_run_time_fault_that_names_the_file(tmp_path: Path) -> None:
    class FullDisk:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            return None

    with ResponseWriter(tmp_path / "responses.jsonl") as writer:
        writer._file.close()
        writer._file = FullDisk()  # type: ignore[assignment]
        with pytest.raises(RuntimeFault, match=r"cannot write responses to .*responses\.jsonl: No space left"):
            writer.write(WindowMeta("front", 0, 0, 0.0, 0.0, 1.0), Judgement(0.5))
