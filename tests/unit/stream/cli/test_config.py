"""What `vigil config check` says of what a file names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream.cli import run
from stream.keys import KeyFolder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def file(tmp_path: Path, keys: KeyFolder) -> Path:
    file = tmp_path / "vigil.yaml"
    file.write_text(
        f"cameras: {{front: {{source: 'synthetic://'}}}}\n"
        f"feed: {{bind: 'tcp://127.0.0.1:*', keys: {keys.path}}}\n"
        f"http: {{bind: 'off'}}\n"
        f"data: {{dir: {tmp_path / 'data'}}}\n"
    )
    return file


def test_keys_that_a_watch_refuses_are_refused_in_the_same_words(
    file: Path, keys: KeyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    def both() -> str:
        said = []
        for command in (["config", "check", str(file)], ["watch", "-c", str(file), "--for", "1s"]):
            assert run(command) == 2
            said.append(capsys.readouterr().err.splitlines()[-1])
        assert said[0] == said[1]
        return said[0]

    assert "has no key for the server" in both()
    keys.new_server().chmod(0o644)
    assert "others can read" in both()
    (keys.path / "server.key_secret").chmod(0o600)
    keys.path.chmod(0o777)
    assert "others can write to" in both()


def test_what_a_watch_only_says_is_only_said(file: Path, keys: KeyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    keys.new_server()
    assert run(["config", "check", str(file)]) == 0
    said = capsys.readouterr()
    assert said.err == (f"vigil: {keys.path} lets in no client: make a key: vigil keys new NAME --dir {keys.path}\n")
    assert "fine" in said.out
    keys.new_client("office")
    assert run(["config", "check", str(file)]) == 0
    assert not capsys.readouterr().err
