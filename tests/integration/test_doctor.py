"""`vigil doctor` as a program, against a real RTSP server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import RtspServer

pytestmark = pytest.mark.rtsp

Start = Callable[..., RtspServer]
LIMIT_S = 60


def doctor(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """(exit code, what was found by what was looked at, all that was written)."""
    command = [sys.executable, "-m", "stream.cli", "doctor", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {each["check"]: each for each in found}, done.stdout + done.stderr


def test_a_camera_is_measured_as_it_is(start_rtsp_server: Start) -> None:
    server = start_rtsp_server("--fps", "15", "--gop", "15", "--user", "vigil", "--password", "tr0ub4dor")
    code, found, written = doctor(f"door={server.url('vigil:tr0ub4dor')}")
    assert code == 0, written
    assert found["stream"]["camera"] == "door"
    values = {check: each["values"] for check, each in found.items()}
    assert (values["stream"]["codec"], values["stream"]["width"], values["stream"]["height"]) == ("h264", 320, 240)
    assert values["rate"]["fps"] == pytest.approx(15, rel=0.1)
    assert values["key frames"]["median_s"] == pytest.approx(1, rel=0.1)
    assert values["clips"]["browser"] is True
    assert 0 < values["decoding"]["core_share"] < 1
    assert values["idle"]["scored_every_s"] == pytest.approx(5, abs=1)
    assert "tr0ub4dor" not in written


def test_a_wrong_password_is_named_and_not_shown(start_rtsp_server: Start) -> None:
    server = start_rtsp_server("--user", "vigil", "--password", "tr0ub4dor")
    code, found, written = doctor(server.url("vigil:wr0ng-one"))
    assert code == 1
    assert found["stream"]["values"] == {"fault": "unauthorized"}
    assert found["stream"]["advice"]
    assert "wr0ng-one" not in written


def test_a_camera_that_falls_silent_is_told_in_bounded_time(start_rtsp_server: Start) -> None:
    server = start_rtsp_server()
    server.freeze()
    code, found, _ = doctor(server.url())
    assert code == 1
    assert found["stream"]["values"] == {"fault": "unreachable"}
