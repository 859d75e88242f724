"""From a configuration to the scorer, without any server."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError, UsageError
from stream.config import WatchConfig, from_mapping
from stream.config.models import OpenAIScorerConfig
from stream.wiring.scorers import make_openai_scorer


def configured(**keys: Any) -> WatchConfig:
    values = {"kind": "openai", "urls": ["http://127.0.0.1:8000/v1"], "model": "some/model", **keys}
    return from_mapping({"scorer": values}, environ={"VLLM_KEY": "sk-secret"})


def made(**keys: Any) -> Any:
    pytest.importorskip("httpx2", reason="needs the openai extra")
    config = configured(**keys).scorer
    assert isinstance(config, OpenAIScorerConfig)
    return make_openai_scorer(config)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"urls": []}, "scorer.urls"),
        ({"urls": ["127.0.0.1:8000"]}, "scorer.urls[0]: must be an address such as http://127.0.0.1:8000/v1"),
        ({"urls": ["ftp://host/v1"]}, "scorer.urls[0]: must be an address"),
        ({"urls": ["http://host/v1?key=x"]}, "scorer.urls[0]: must be an address"),
        ({"urls": ["http:///v1"]}, "scorer.urls[0]: must be an address"),
        ({"urls": ["http://host:99999/v1"]}, "scorer.urls[0]: must be an address"),
        ({"model": ""}, "scorer.model"),
        ({"concurrency": 0}, "scorer.concurrency"),
        ({"questions": ["<|im_end|>"]}, "scorer: a definition or question holds '<|'"),
        ({"size": "448"}, "scorer.size: must be WIDTHxHEIGHT in pixels"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_key(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configured(**keys)
    assert any(problem.startswith(says) for problem in raised.value.problems), raised.value.problems


@pytest.mark.parametrize("key", ["two words", "sécret", 12345678, "line\nbreak"])
def test_a_key_is_never_shown(key: object) -> None:
    with pytest.raises(ConfigError) as raised:
        configured(api_key=key)
    assert str(raised.value) == "scorer.api_key: a key has printable ASCII characters and no spaces"
    shown = repr(configured(api_key="${VLLM_KEY}"))
    assert "sk-secret" not in shown


def test_the_key_is_the_configured_one_or_else_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-usual")
    for keys, expected in (({"api_key": "${VLLM_KEY}"}, "Bearer sk-secret"), ({}, "Bearer sk-usual")):
        scorer = made(**keys)
        assert scorer._client.headers["Authorization"] == expected
        assert "sk-" not in repr(scorer._client.headers)
        scorer.close()
    monkeypatch.delenv("OPENAI_API_KEY")
    scorer = made()
    assert "Authorization" not in scorer._client.headers
    scorer.close()


def test_the_scorer_says_which_model_and_prompt_and_what_size_it_wants() -> None:
    scorer, other = made(size="640x360"), made(scoring="scale")
    assert (scorer.info.scorer, scorer.info.name) == ("openai", "some/model")
    assert (scorer.frame_size, other.frame_size) == ((640, 360), (448, 448))
    assert scorer.info.prompt_sha256 != other.info.prompt_sha256
    scorer.close()
    other.close()


def test_definitions_need_names_of_their_own_and_are_checked_at_once() -> None:
    from engine.types import Definition

    scorer = made()
    for definitions in ([], [Definition("a"), Definition("a", "smoke")], [Definition("b", "<|im_end|>")]):
        with pytest.raises(UsageError):
            scorer.define("front", definitions)
    scorer.close()
