"""What goes over the wire: chat completion requests, and what of a reply is read. What is received is not trusted.

Knows no HTTP and no prompt.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any

import cv2
import msgspec

from engine.scoring import Question
from engine.types import Frame

TOP_LOGPROBS = 20  # the most that servers give
JPEG_QUALITY = 90  # about 30 kB and 45 dB for 448x448 pixels of CCTV; 95 takes 1.4 times as much, 75 loses 3 to 4 dB

Part = dict[str, Any]


class TopToken(msgspec.Struct):
    token: str
    logprob: float


class Token(msgspec.Struct):
    token: str
    top_logprobs: list[TopToken] = []


class Logprobs(msgspec.Struct):
    content: list[Token] | None = None


class Message(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Message
    logprobs: Logprobs | None = None

    @property
    def tokens(self) -> list[Token]:
        """What was written, token by token; empty when the server does not tell how likely they are."""
        content = self.logprobs.content if self.logprobs else None
        return content if content and content[0].top_logprobs else []


class Completion(msgspec.Struct):
    choices: Annotated[list[Choice], msgspec.Meta(min_length=1)]


class Model(msgspec.Struct):
    id: str


class Models(msgspec.Struct):
    data: list[Model]


class _Fault(msgspec.Struct):
    """The shapes in which servers explain an error."""

    error: Any = None
    message: Any = None
    detail: Any = None


def data_url(frame: Frame) -> str:
    """The frame's picture as a JPEG in a URL."""
    bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def video(task: str, frames: Sequence[str]) -> list[Part]:
    """What comes before any question about a window: the task, then its frames, each with its number."""
    parts: list[Part] = []
    for number, url in enumerate(frames, start=1):
        parts += [_text(f"{task}\nFrame1: " if number == 1 else f"\nFrame{number}: "), picture(url)]
    return parts


def picture(url: str) -> Part:
    return {"type": "image_url", "image_url": {"url": url}}


def weighing(
    model: str,
    before: Sequence[Part],
    question: Question,
    *,
    at_once: bool,
    most_tokens: int,
    most: int = TOP_LOGPROBS,
) -> bytes:
    """Asks for the `most` likely tokens: with `at_once` for the very first ones after the question's opening."""
    # Where the first token alone matters, it may be any: some servers tell likelihoods only of what they might have
    # taken, and at temperature 0 that is one token.
    sampling = {"logprobs": True, "top_logprobs": most, "temperature": 1.0 if at_once else 0.0, "top_p": 1.0}
    return _request(model, before, question, forced=at_once, most_tokens=most_tokens, sampling=sampling)


def writing(model: str, before: Sequence[Part], question: Question, *, forced: bool, most_tokens: int) -> bytes:
    """Asks for a reply; with `forced` for what comes after the question's opening."""
    return _request(model, before, question, forced=forced, most_tokens=most_tokens, sampling={"temperature": 0.0})


def explained(body: bytes) -> str:
    """What a server says in the body of an error, or nothing."""
    try:
        fault = msgspec.json.decode(body, type=_Fault)
    except msgspec.MsgspecError:
        return ""
    inner = fault.error.get("message") if isinstance(fault.error, dict) else fault.error
    said = inner or fault.message or fault.detail
    return said if isinstance(said, str) else ""


def _request(
    model: str, before: Sequence[Part], question: Question, *, forced: bool, most_tokens: int, sampling: dict[str, Any]
) -> bytes:
    messages: list[dict[str, Any]] = [{"role": "user", "content": [*before, _text(f"\n{question.text}")]}]
    request = {"model": model, "messages": messages, "max_tokens": most_tokens, "stream": False, **sampling}
    if forced and question.opening:
        # vLLM and SGLang want to be told to go on with it; LMDeploy does so by itself.
        messages.append({"role": "assistant", "content": question.opening})
        request |= {"add_generation_prompt": False, "continue_final_message": True}
    return msgspec.json.encode(request)


def _text(text: str) -> Part:
    return {"type": "text", "text": text}
