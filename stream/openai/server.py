"""One server: a request, and its reply or a `ServerFault`. Maps whatever HTTP and its library come up with.

Knows no prompt and no other server.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
import time
from collections.abc import Iterator
from http.client import responses
from typing import TypeVar

import httpx2
import msgspec

from engine.errors import ScorerError, UsageError
from stream.backoff import told_wait_s
from stream.openai.breaker import Breaker
from stream.openai.wire import explained
from stream.printable import printable
from stream.urls import HIDDEN, redact, scrub

log = logging.getLogger(__name__)

MOST_REPLY_BYTES = 1 << 20  # a reply with all its likelihoods takes some 10 kB
MOST_REQUEST_BYTES = 64 << 20
LONGEST_SAYING = 300  # of what a server says of an error
LONGEST_AFTER_S = 60.0

Reply = TypeVar("Reply")


class ServerFault(ScorerError):
    """A server did not do what it was asked to. With `retry` it may do so later."""

    def __init__(self, message: str, *, advice: str = "", retry: bool = False) -> None:
        super().__init__(message, advice=advice)
        self.retry = retry


class Late(ServerFault):
    """The server gave no answer within the time that it had."""


class Busy(ServerFault):
    """The server has too much to do: it wants to be asked again, but not within `after_s`."""

    def __init__(self, message: str, *, after_s: float) -> None:
        super().__init__(message, retry=True)
        self.after_s = after_s


class Rejected(ServerFault):
    """The server does not take what it was asked, and no server of its kind will."""


class Denied(ServerFault):
    """The server wants a key, or another one."""


class Server:
    """`client` is shared and outlives it. Used on one event loop only."""

    def __init__(self, url: str, client: httpx2.AsyncClient, rng: random.Random, *, key: str | None = None) -> None:
        self.name = redact(url.rstrip("/"))
        self._given = url
        try:
            parsed = httpx2.URL(url.rstrip("/"))
        except httpx2.InvalidURL as error:
            raise UsageError(f"{self.name} is no address of a server: {error}") from error
        # The library logs addresses, so they are without a password.
        self._url = str(parsed.copy_with(userinfo=b""))
        self._auth = httpx2.BasicAuth(parsed.username, parsed.password) if parsed.userinfo else None
        self._client = client
        self._key = key
        self._breaker = Breaker(rng)
        self.in_flight = 0
        self.trouble = ""  # the latest

    @property
    def available(self) -> bool:
        return self._breaker.lets_through(time.monotonic())

    @property
    def doubtful(self) -> bool:
        """Whether it failed too often, and nothing came from it since."""
        return self._breaker.rests

    async def ask(
        self, path: str, kind: type[Reply], body: bytes | None, timeout_s: float, *, fair: bool = True
    ) -> Reply:
        """Post a body, or get what is there. Raises ServerFault. Only where the time is `fair` is being late a failure
        of the server's."""
        if not self.available:
            raise ServerFault(self.trouble, retry=True)
        self.in_flight += 1
        trial = self._breaker.begin()
        try:
            reply = await self._asked(path, kind, body, timeout_s)
        except ServerFault as fault:
            if isinstance(fault, Late) and not fair:
                self._breaker.gave_up(trial=trial)
            elif fault.retry and not isinstance(fault, Busy):
                self._failed(fault, trial=trial)
            else:  # it says no, but it speaks
                self._answered()
            raise
        except BaseException:  # nobody waits for it any more, as a rule
            self._breaker.gave_up(trial=trial)
            raise
        finally:
            self.in_flight -= 1
        self._answered()
        return reply

    async def _asked(self, path: str, kind: type[Reply], body: bytes | None, timeout_s: float) -> Reply:
        if body is not None and len(body) > MOST_REQUEST_BYTES:
            raise ServerFault(
                f"a request would have {len(body) >> 20} MB", advice="have fewer or smaller pictures in a window"
            )
        try:
            async with asyncio.timeout(timeout_s):
                response, received = await self._exchange(path, body)
        except TimeoutError:
            raise Late(f"{self.name} gave no answer within {timeout_s:.1f} s", retry=True) from None
        except (httpx2.HTTPError, httpx2.StreamError, OSError, UnicodeError) as error:
            raise ServerFault(f"{self.name} {_trouble(error)}", retry=True) from error
        if not response.is_success:
            raise self._refusal(response, received)
        try:
            return msgspec.json.decode(received, type=kind)
        except msgspec.MsgspecError as error:
            what = printable(str(error))[:LONGEST_SAYING]
            raise ServerFault(f"{self.name} answered with something that is no reply: {what}", retry=True) from error

    async def _exchange(self, path: str, body: bytes | None) -> tuple[httpx2.Response, bytes]:
        received = bytearray()
        method = "GET" if body is None else "POST"
        async with self._client.stream(method, self._url + path, content=body, auth=self._auth) as response:
            async for piece in response.aiter_bytes():
                received += piece
                if len(received) > MOST_REPLY_BYTES:
                    raise ServerFault(f"{self.name} answered with more than {MOST_REPLY_BYTES >> 20} MB", retry=True)
        return response, bytes(received)

    def _refusal(self, response: httpx2.Response, body: bytes) -> ServerFault:
        status = response.status_code
        after_s = told_wait_s(response.headers.get("Retry-After", ""), LONGEST_AFTER_S)
        phrase = responses.get(status, "no known status")
        message = f"{self.name} answered {status} ({self._harmless(explained(body)) or phrase})"
        match status:
            case 401 | 403:  # what it says may hold the key
                advice = "set OPENAI_API_KEY, or api_key in the configuration"
                return Denied(f"{self.name} answered {status} ({phrase})", advice=advice)
            case 400 | 422:
                return Rejected(message)
            case 404:
                return ServerFault(message, advice="check the model's name, and that the address ends in /v1")
            case 429:
                return Busy(message, after_s=after_s or 0.0)
            case 503 if after_s is not None:
                return Busy(message, after_s=after_s)
            case _ if response.has_redirect_location:
                return ServerFault(message, advice="give the address that it sends to")
            case _:
                return ServerFault(message, retry=status >= 500 or status == 408)

    def _harmless(self, said: str) -> str:
        """In one line, without secrets, and not long."""
        said = scrub(said, self._given)
        if self._key:
            said = said.replace(self._key, HIDDEN)
        said = " ".join(printable(" ".join(said.split())).split())
        return said if len(said) <= LONGEST_SAYING else said[: LONGEST_SAYING - 1] + "…"

    def _failed(self, fault: ServerFault, *, trial: bool) -> None:
        self.trouble = fault.message
        if rest_s := self._breaker.failed(time.monotonic(), trial=trial):
            log.warning("%s: it is left alone for %.1f s", fault.message, rest_s)

    def _answered(self) -> None:
        if self._breaker.succeeded():
            log.warning("%s answers again", self.name)


def _trouble(error: BaseException) -> str:
    for each in _causes(error):
        match each:
            case ssl.SSLCertVerificationError():
                return f"has a certificate that does not hold ({each.verify_message})"
            case ssl.SSLError():
                return "does not speak TLS as expected"
            case ConnectionRefusedError():
                return "refused the connection"
            case socket.gaierror() | UnicodeError():
                return "is a name that can't be looked up"
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return "can't be reached"
        case httpx2.ProxyError():
            return "can't be reached through the proxy"
        case _:
            return f"broke off ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, a bounded way back."""
    pending, seen = [error], 0
    while pending and seen < 20:
        each = pending.pop(0)
        if each is None:
            continue
        seen += 1
        yield each
        pending += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions
