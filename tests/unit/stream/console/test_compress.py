from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")

from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from stream.console.compress import SMALLEST_BYTES, Compressed

TEXT = b"many words, many words. " * 100


def ask(
    answer: Response, accepts: str | None = "gzip, deflate, br", method: str = "GET"
) -> tuple[dict[str, str], bytes]:
    """The headers and the body that a client gets."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, receive, send)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", accepts.encode())] if accepts is not None else []
    scope = {"type": "http", "method": method, "headers": headers, "path": "/", "asgi": {"spec_version": "2.4"}}
    asyncio.run(Compressed(app)(scope, receive, send))
    got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return got, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("kind", ["application/json", "text/javascript; charset=utf-8", "application/problem+json"])
def test_a_text_is_compressed_for_who_can_unpack_it(kind: str) -> None:
    headers, body = ask(Response(TEXT, media_type=kind))
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert "content-length" not in headers
    assert len(body) < len(TEXT) / 10
    assert gzip.decompress(body) == TEXT


@pytest.mark.parametrize("accepts", [None, "", "identity", "br", "gzip;q=0", "br, gzip; q=0.0", "xgzip"])
def test_others_get_it_as_it_is_and_caches_are_told_of_both(accepts: str | None) -> None:
    headers, body = ask(Response(TEXT, media_type="application/json"), accepts)
    assert (body, headers["vary"]) == (TEXT, "Accept-Encoding")
    assert "content-encoding" not in headers


@pytest.mark.parametrize("accepts", ["gzip", "GZIP;q=0.5", "br;q=1.0, gzip;q=0.8, *;q=0.1"])
def test_the_ways_to_ask_for_it_are_understood(accepts: str) -> None:
    assert ask(Response(TEXT, media_type="text/css"), accepts)[0]["content-encoding"] == "gzip"


def test_a_text_that_comes_in_pieces_is_compressed_as_it_comes() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield TEXT

    _, body = ask(StreamingResponse(pieces(), media_type="application/jsonl"))
    assert gzip.decompress(body) == 5 * TEXT


@pytest.mark.parametrize(
    "answer",
    [
        Response(TEXT, media_type="text/event-stream"),
        Response(TEXT, media_type="image/jpeg"),
        Response(TEXT, media_type="multipart/mixed; boundary=picture"),
        Response(TEXT, 206, media_type="application/json"),
        Response(b"x" * (SMALLEST_BYTES - 1), media_type="application/json"),
    ],
    ids=["events", "a picture", "pictures", "a part", "what is small"],
)
def test_streams_pictures_parts_and_small_texts_pass_unchanged(answer: Response) -> None:
    headers, body = ask(answer)
    assert "content-encoding" not in headers
    assert body == answer.body


def test_a_question_for_the_headers_alone_and_one_for_news_get_no_body() -> None:
    assert "content-encoding" not in ask(Response(b"", media_type="text/css"), method="HEAD")[0]
    headers, body = ask(Response(status_code=304, headers={"ETag": 'W/"1"'}))
    assert (headers["vary"], headers["etag"], body) == ("Accept-Encoding", 'W/"1"', b"")


def test_it_leaves_other_kinds_of_talk_alone() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(scope["type"])

    async def nothing() -> Message:
        raise AssertionError

    async def nowhere(message: Message) -> None:
        raise AssertionError

    asyncio.run(Compressed(app)({"type": "lifespan"}, nothing, nowhere))
    assert heard == ["lifespan"]
