from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.errors import RuntimeFault, UsageError
from engine.recorded import RecordedScorer, Response
from engine.timeline import WindowMeta
from engine.types import Box, Judgement
from stream import responses as responses_module
from stream.responses import ResponseRecorder, ResponseWriter, read_responses
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


def test_a_response_says_when_its_window_ended_and_how_far_back_it_looks(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    with ResponseWriter(path) as writer:
        writer.write(
            WindowMeta("front", 0, 0, 3.0, 1767225600.5, 1.25), Judgement(0.5, further={"fall": Judgement(0.1)})
        )
    assert [(each.definition, each.time_s, each.length_s) for each in read_responses(path)] == [
        (None, 1767225600.5, 1.25),
        ("fall", 1767225600.5, 1.25),
    ]


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


META = WindowMeta("front", 0, 0, 0.0, 0.0, 1.0)


def test_a_recorder_writes_from_a_thread_of_its_own(tmp_path: Path) -> None:
    recorder = ResponseRecorder(tmp_path / "responses.jsonl")
    for score in (0.1, 0.2):
        recorder.write(META, Judgement(score))
    recorder.close()
    assert [response.score for response in read_responses(tmp_path / "responses.jsonl")] == [0.1, 0.2]
    assert "vigil-record" not in {thread.name for thread in threading.enumerate()}


def test_a_disk_that_takes_nothing_ends_the_recording_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()
    monkeypatch.setattr(responses_module, "MOST_WAITING", 3)
    monkeypatch.setattr(ResponseWriter, "write", lambda *_: over.wait(20))
    recorder = ResponseRecorder(tmp_path / "responses.jsonl")
    for _ in range(10):
        recorder.write(META, Judgement(0.5))
    told = [record.message for record in caplog.records]
    over.set()
    recorder.close()
    (line,) = told
    assert line.endswith("the disk does not answer; nothing more is recorded")


def test_a_failed_write_ends_the_recording_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeFault("cannot write responses: no space")

    monkeypatch.setattr(ResponseWriter, "write", fail)
    recorder = ResponseRecorder(tmp_path / "responses.jsonl")
    for _ in range(3):
        recorder.write(META, Judgement(0.5))
    recorder.close()
    assert [record.message for record in caplog.records] == [
        "cannot write responses: no space; nothing more is recorded"
    ]
