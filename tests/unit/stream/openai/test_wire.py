from __future__ import annotations

import base64
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from engine.scoring import Question
from stream.openai.wire import Choice, Completion, data_url, explained, video, weighing, writing
from tests.unit.engine.internvl2.windows import frame

QUESTION = Question("Is it?", "```\n", ("Yes", "No"))


def request(body: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return decoded


def test_a_frame_survives_its_way_into_a_url() -> None:
    shown = frame(64, 3)
    head, _, data = data_url(shown).partition(",")
    assert head == "data:image/jpeg;base64"
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    difference = np.abs(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(int) - shown.image)
    assert difference.mean() < 6  # of 256; colours are kept at half the resolution


def test_the_task_comes_first_and_the_question_last_so_that_prompts_begin_alike() -> None:
    before = video("Look.", ["data:1", "data:2"])
    one, other = (request(weighing("m", before, Question(text), at_once=True, most_tokens=1)) for text in ("A?", "B?"))
    parts, others = one["messages"][0]["content"], other["messages"][0]["content"]
    assert parts[:-1] == others[:-1]
    said = [part.get("text") or part["image_url"]["url"] for part in parts]
    assert said == ["Look.\nFrame1: ", "data:1", "\nFrame2: ", "data:2", "\nA?"]


def test_a_reply_is_begun_only_where_that_is_wanted() -> None:
    begun = request(weighing("m", [], QUESTION, at_once=True, most_tokens=1))
    assert begun["messages"][-1] == {"role": "assistant", "content": "```\n"}
    assert (begun["add_generation_prompt"], begun["continue_final_message"]) == (False, True)
    assert (begun["logprobs"], begun["top_logprobs"], begun["max_tokens"]) == (True, 20, 1)
    for body in (
        weighing("m", [], QUESTION, at_once=False, most_tokens=8),
        weighing("m", [], Question("Is it?"), at_once=True, most_tokens=1),
        writing("m", [], QUESTION, forced=False, most_tokens=64),
    ):
        plain = request(body)
        assert [message["role"] for message in plain["messages"]] == ["user"]
        assert "continue_final_message" not in plain
    assert "logprobs" not in request(writing("m", [], QUESTION, forced=True, most_tokens=64))


@pytest.mark.parametrize(
    "logprobs", [b"null", b"{}", b'{"content": null}', b'{"content": []}', b'{"content": [{"token": "An"}]}']
)
def test_a_reply_without_likelihoods_has_no_tokens(logprobs: bytes) -> None:
    body = b'{"choices": [{"message": {"content": "x"}, "logprobs": %s, "index": 0}], "id": "more"}' % logprobs
    choice: Choice = msgspec.json.decode(body, type=Completion).choices[0]
    assert choice.tokens == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "too long", "code": 400}}', "too long"),
        (b'{"error": "too long"}', "too long"),
        (b'{"object": "error", "message": "too long"}', "too long"),
        (b'{"detail": "too long"}', "too long"),
        (b'{"detail": [{"loc": ["body"]}]}', ""),
        (b"<html>", ""),
        (b"[]", ""),
    ],
)
def test_what_a_server_says_of_an_error_is_found(body: bytes, said: str) -> None:
    assert explained(body) == said
