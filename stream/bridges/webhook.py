"""Posts alerts to a URL, signed. Needs the extra `webhooks`.

Knows HTTP; nothing of the outbox or of trying again. A name is looked up for each post, and what it leads to is
checked before it is connected. Redirects are not followed, and no proxy is used. What is logged names the host only:
the rest of such URLs is often a secret.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.client import responses
from importlib.metadata import version
from urllib.parse import unquote_to_bytes

import httpx2

from stream.backoff import told_wait_s
from stream.bridges.addresses import may_post
from stream.bridges.signature import sign
from stream.bridges.sink import DeliveryFault, Failed, Letter, Refused, Unreachable
from stream.feed.catch_up import History

CONNECT_SHARE = 0.4  # of the time for a post
LONGEST_AFTER_S = 600.0  # however long a receiver wants to be left alone
MAY_PASS = {401, 403, 404, 408, 425}  # a receiver that is set up wrongly is mended: it says nothing of the letter
MOST_REPLY_BYTES = 64 << 10  # more is not waited for
_IDLE_S = 5.0  # how long a connection is kept for the next letter


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`secret` signs; without it nothing is signed. With `allow_private` the receiver may be in this network."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    allow_private: bool = False
    timeout_s: float = 10.0


class WebhookSink:
    """A `Sink`."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._tls = ssl.create_default_context()

    @asynccontextmanager
    async def session(self, _history: History) -> AsyncIterator[_Session]:
        """Connects with the first letter."""
        limits = httpx2.Limits(max_connections=2, max_keepalive_connections=1, keepalive_expiry=_IDLE_S)
        # The transport alone: no redirects, cookies or proxies, and nothing that logs URLs.
        async with httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits) as transport:
            yield _Session(transport, self._settings)


class _Session:
    def __init__(self, transport: httpx2.AsyncHTTPTransport, settings: WebhookSettings) -> None:
        self._transport = transport
        self._settings = settings
        self._url = httpx2.URL(settings.url)
        self._host = self._url.raw_host.decode("ascii")
        self._port = self._url.port or (443 if self._url.scheme == "https" else 80)
        self._headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": f"vigil/{version('vigil-vad')}",
        }
        if self._url.userinfo:
            credentials = base64.b64encode(unquote_to_bytes(self._url.userinfo)).decode("ascii")
            self._headers["Authorization"] = f"Basic {credentials}"

    async def deliver(self, letter: Letter) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                response = await self._post(letter)
        except TimeoutError:
            raise Failed(f"{self._host} gave no answer within {self._settings.timeout_s:g} s") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreachable(f"{self._host} can't be reached ({_reason(error)})") from None
        except (httpx2.HTTPError, OSError) as error:
            raise Failed(f"{self._host} broke off ({type(error).__name__})") from None
        after_s = told_wait_s(response.headers.get("Retry-After", ""), LONGEST_AFTER_S) or 0.0
        if fault := verdict(response.status_code, self._host, after_s):
            raise fault

    async def idle(self) -> None:
        pass

    async def _post(self, letter: Letter) -> httpx2.Response:
        """To the first of the receiver's addresses that can be connected."""
        *others, last = await self._addresses()
        for address in others:
            try:
                return await self._post_to(address, letter)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._post_to(last, letter)

    async def _addresses(self) -> list[str]:
        """At least one. What is checked here is what is connected: a name may lead elsewhere a moment later."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"the name {self._host} can't be looked up", advice="check it, and the network") from None
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        settings = self._settings
        allowed = [each for each in addresses if may_post(self._url.scheme, each, allow_private=settings.allow_private)]
        if not allowed:
            raise Unreachable(
                f"{self._host} is at {addresses[0]}, where this webhook must not go",
                advice="use https for public addresses"
                if settings.allow_private
                else "set allow_private if it is meant",
            )
        return allowed

    async def _post_to(self, address: str, letter: Letter) -> httpx2.Response:
        timestamp = int(time.time())
        headers = self._headers | {
            "Vigil-Timestamp": str(timestamp),
            "Vigil-Delivery": f"{letter.place.epoch}-{letter.place.seq}",
        }
        if self._settings.secret:
            headers["Vigil-Signature"] = sign(self._settings.secret, timestamp, letter.body)
        timeout_s = self._settings.timeout_s
        request = httpx2.Request(
            "POST",
            self._url.copy_with(host=address, userinfo=b""),
            headers=headers,
            content=letter.body,
            extensions={
                "sni_hostname": self._host,  # what the certificate has to be for
                "timeout": {"connect": CONNECT_SHARE * timeout_s, "read": timeout_s, "write": timeout_s, "pool": None},
            },
        )
        response = await self._transport.handle_async_request(request)
        try:
            received = 0
            async for piece in response.aiter_raw():
                received += len(piece)
                if received > MOST_REPLY_BYTES:
                    break
        finally:
            await response.aclose()
        return response


def verdict(status: int, who: str, after_s: float) -> DeliveryFault | None:
    """What an answer means; None for a letter that was taken."""
    answer = f"{who} answered {status} ({responses.get(status, 'no known status')})"
    match status:
        case _ if 200 <= status < 300:
            return None
        case 429 | 502 | 503 | 504:
            return Unreachable(answer, after_s=after_s)
        case _ if 300 <= status < 400:
            return Refused(answer, advice="give the URL that it leads to")
        case _ if 400 <= status < 500 and status not in MAY_PASS:
            return Refused(answer)
        case _:
            return Failed(answer, after_s=after_s)


def _reason(error: BaseException) -> str:
    """The first thing that went wrong, in few words."""
    cause: BaseException | None = error
    for _ in range(10):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate does not hold: {cause.verify_message}"
            case ssl.SSLError():
                return "it does not speak TLS as expected"
            case ConnectionRefusedError():
                return "it refused the connection"
            case None:
                break
        cause = cause.__cause__ or cause.__context__
    return "no connection in time" if isinstance(error, httpx2.ConnectTimeout) else "no connection"
