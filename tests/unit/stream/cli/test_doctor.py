"""How `vigil doctor` looks, and its exit code."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

from stream.cli.doctor import command
from tests.unit.stream.clips import encode


def machine_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine this is: only cameras and files are looked at."""
    monkeypatch.setattr("stream.doctor.checkup.machine_looks", lambda config: [])


def test_a_camera_has_a_heading_and_a_line_for_each_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = encode(tmp_path / "clip.mp4")
    assert command([f"door={clip}"]) == 0
    heading, first, *_, last = capsys.readouterr().out.splitlines()
    assert heading == f"door: {clip}"
    assert first.startswith("ok       stream             160x120, h264 (software)")
    assert last == "0 problems, 0 warnings"


def test_a_problem_makes_the_exit_code_one_and_gives_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["rtsp://vigil:tr0ub4dor@127.0.0.1:1/stream"]) == 1
    out = capsys.readouterr().out
    assert "problem  stream             refused: " in out
    assert "check the port" in out
    assert "1 problem, 0 warnings" in out
    assert "tr0ub4dor" not in out


def test_json_is_one_object_a_line_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = encode(tmp_path / "clip.mp4")
    command([f"door={clip}", "gone.mp4"], as_json=True)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["camera"] for each in found} == {"door", "gone"}
    assert all(set(each) == {"check", "message", "verdict", "advice", "camera", "values"} for each in found)
    assert next(each for each in found if each["check"] == "rate")["values"]["fps"] == 10.0


def test_a_file_is_checked_with_its_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine_is_fine(monkeypatch)
    clip = encode(tmp_path / "clip.mp4")
    file = tmp_path / "vigil.yaml"
    file.write_text(f"cameras:\n  door: {{source: {clip}}}\n")
    assert command(config=file) == 0
    out = capsys.readouterr().out
    assert "1 camera, scorer motion" in out
    assert f"door: {clip}" in out


def test_everything_wrong_with_a_file_is_told_and_the_machine_looked_at_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vigil.yaml"
    file.write_text("cameras:\n  door: {sourc: x}\nfeeds: {}\n")
    assert command(config=file, data=tmp_path / "data") == 1
    lines = capsys.readouterr().out.splitlines()
    problems = [line for line in lines if line.startswith("problem  configuration")]
    assert len(problems) >= 2
    assert any("versions" in line for line in lines)
    assert any(str(tmp_path / "data") in line for line in lines)


def test_no_text_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    command(["\x1b[31mred.mp4"])
    assert "\x1b" not in capsys.readouterr().out


def test_on_a_terminal_the_verdicts_have_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    above, below = pty.openpty()
    try:
        with open(below, "w", closefd=False) as terminal:
            monkeypatch.setattr("sys.stdout", terminal)
            command(["gone.mp4"])
        shown = ""
        while "not_found" not in shown:  # a terminal gives what it has so far; without it pytest's timeout ends this
            shown += os.read(above, 65536).decode()
    finally:
        os.close(above)
        os.close(below)
    assert "\x1b[1;31mproblem" in shown
