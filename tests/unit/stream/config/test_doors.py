"""What other machines could reach without a key or a token does not pass, wherever it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError
from stream.cli import run
from stream.config import from_mapping

TOKEN = "a-token-of-22-letters!"
OPEN = ["tcp://0.0.0.0:5557", "tcp://*:5557", "tcp://[::]:5557", "tcp://192.0.2.7:5557", "tcp://camera-box:5557"]
SHUT = ["tcp://127.0.0.1:5557", "tcp://[::1]:5557", "tcp://localhost:5557", "ipc:///run/vigil/feed"]


def refusal(tree: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping(tree)
    [problem] = caught.value.problems
    return problem


@pytest.mark.parametrize("key", ["bind", "catch_up"])
@pytest.mark.parametrize("endpoint", OPEN)
def test_a_feed_that_other_machines_reach_needs_keys(key: str, endpoint: str) -> None:
    said = refusal({"feed": {key: endpoint}})
    for words in ("open to the whole network", "vigil keys new server", "vigil keys new NAME", "{keys: vigil-keys}"):
        assert words in said
    assert from_mapping({"feed": {key: endpoint, "keys": "vigil-keys"}}).feed.keys == Path("vigil-keys")


@pytest.mark.parametrize("endpoint", SHUT)
def test_a_feed_for_this_machine_needs_none(endpoint: str) -> None:
    assert from_mapping({"feed": {"bind": endpoint}}).feed.keys is None


@pytest.mark.parametrize("bind", ["0.0.0.0:8787", "[::]:8787", "camera-box:8787"])
def test_health_and_metrics_that_other_machines_reach_need_a_token(bind: str) -> None:
    said = refusal({"http": {"bind": bind}})
    assert "open to the whole network" in said
    assert "http: {token: '${VIGIL_HTTP_TOKEN}'}" in said
    assert from_mapping({"http": {"bind": bind, "token": TOKEN}}).http.token is not None
    assert "16 characters or more" in refusal({"http": {"bind": bind, "token": "short"}})


def test_nothing_shows_the_token() -> None:
    config = from_mapping({"http": {"token": TOKEN}})
    assert TOKEN not in f"{config!r} {config} {config.model_dump_json()}"


def test_config_check_refuses_all_of_them_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vigil.yaml"
    file.write_text("feed: {bind: 'tcp://*:5557'}\nhttp: {bind: '0.0.0.0:8787'}\nconsole: {bind: '0.0.0.0:8788'}\n")
    assert run(["config", "check", str(file)]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("open to the whole network" in line for line in lines)
