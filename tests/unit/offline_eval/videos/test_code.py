from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.types import ModelInfo
from offline_eval.videos import code, records
from offline_eval.videos.records import Run
from offline_eval.videos.store import ResponseStore


def test_the_version_tells_edited_sources_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = code.code_version.__wrapped__()
    assert found.startswith(f"{version('vigil-vad')}, code ")
    assert found == code.code_version.__wrapped__()
    edited = tmp_path / "edited_scorer.py"
    edited.write_text("SHARPNESS = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(code, "_DECIDES", ("edited_scorer",))
    before = code.code_version.__wrapped__()
    edited.write_text("SHARPNESS = 2\n")
    assert before != code.code_version.__wrapped__()


def test_what_edited_code_says_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ResponseStore(tmp_path, Run.of("made", ModelInfo("motion", "motion"), {})):
        pass
    monkeypatch.setattr(records, "code_version", lambda: "0.0.0, code 123")
    with pytest.raises(UsageError, match=r"version 0\.0\.0, code 123 instead of"):
        ResponseStore(tmp_path, Run.of("made", ModelInfo("motion", "motion"), {}))
