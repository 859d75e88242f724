"""A password is never spoken of, wherever in a URL it stands and however odd it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, UsageError
from stream.config import from_mapping
from stream.config.fields import Address, Hook
from stream.sources.pyav import PyAvSource
from stream.sources.pyav_errors import opening_error, reading_error
from stream.urls import camera_name_from, kind_of, redact, require_host, scrub
from tests.fuzz.bounded import many, refusal, usual

CORE = "Zq7Xk9"  # nothing else here holds it, so finding it means a leak
ODD = "@:/?#%&=;+ $'\"\\[]{}|^~.,!*()<>`-_äß€日🎥\t%40%3A%2f%25"

odd = st.one_of(
    st.text(alphabet=ODD, max_size=6),
    st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=6),
    st.sampled_from(["", "p@ss:w/o?r#d", "%", "%%", "%4", "://", "rtsp://", "u:p@h", "@", ":", "&a=b", "]", "[::1]"]),
)
passwords = st.builds(lambda before, after: f"{before}{CORE}{after}", odd, odd)
users = st.text(alphabet="abcmno019._-äß日", min_size=1, max_size=6)
encodings: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str, quote, lambda text: quote(text, safe=""), lambda text: quote(quote(text, safe=""), safe="")]
)
schemes = st.sampled_from(["rtsp", "rtsps", "http", "https", "HTTP", "Rtsp"])
hosts = st.sampled_from(
    ["cam", "10.0.0.5", "10.0.0.5:554", "[::1]", "[fd00::1%25eth0]:8554", "cam.local:80", "日本.jp"]
)
parameters = st.sampled_from(["password", "Passwd", "pwd", "token", "access_token", "api_key", "sig", "auth", "secret"])


@st.composite
def urls(draw: st.DrawFn) -> list[str]:
    """URLs with a password in each of the places where one can be, and other things around it."""
    encode = draw(encodings)
    password = encode(draw(passwords))
    inner = f"{draw(schemes)}://{encode(draw(users))}:{password}@{draw(hosts)}"
    outer = f"{draw(schemes)}://{draw(st.sampled_from(['', 'admin@', 'admin:x@']))}{draw(hosts)}"
    path = draw(st.sampled_from(["", "/live", "/a/b.m3u8", "/user=admin"]))
    query = draw(st.sampled_from(["?channel=1", "?channel=1&subtype=0#t", "?to=http://other/x", "?mail=a@b.org"]))
    value = password.replace("&", "")  # which would end it
    return [
        f"{inner}{path}{query}",
        f"{outer}{path}?to={inner}{path}",
        f"{outer}{path}?a=1&to={quote(inner + path, safe=draw(st.sampled_from(['', '/', ':/'])))}&b=2",
        f"{outer}{path}{query}&{draw(parameters)}={value}",
    ]


@given(urls())
@many
def test_no_password_is_shown(four: list[str]) -> None:
    for url in four:
        for shown in (redact(url), str(Address(url)), repr(Address(url)), repr(Hook(url))):
            assert CORE not in shown


@given(urls().flatmap(st.sampled_from))
@usual
def test_no_foreign_error_shows_a_password(url: str) -> None:
    for shown in (
        scrub(f"can't open {url}: {url!r} failed", url),
        str(opening_error(ValueError(f"bad {url}"), url, is_network=True, timed_out=False)),
        str(reading_error(ValueError(f"bad {url}"), url, is_network=True, timeout_s=1.0)),
    ):
        assert CORE not in shown


@given(urls().flatmap(st.sampled_from))
@usual
def test_no_refusal_shows_a_password(url: str) -> None:
    said = []
    asked: tuple[Callable[[str], object], ...] = (kind_of, require_host, camera_name_from, PyAvSource)
    for ask in asked:
        try:
            said.append(repr(ask(url)))
        except UsageError as error:
            said += [str(error), repr(error)]
    for tree in (
        {"cameras": {"front": {"source": url}}},
        {"cameras": {"front": {"source": "0", "stall": url}}},
        {"cameras": {url: {"source": "0"}}},
        {"webhooks": [{"name": "a", "url": url}]},
        {"mqtt": {"url": url}},
        {"scorer": {"kind": "openai", "model": "m", "urls": [url]}},
        {url: 1},
    ):
        try:
            said.append(repr(from_mapping(tree, environ={})))
        except ConfigError as error:
            said += [str(error), *error.problems]
    assert not [line for line in said if CORE in line]


@given(st.text(max_size=60))
@usual
def test_any_text_is_a_source_or_refused_and_redacting_twice_changes_nothing(source: str) -> None:
    assert redact(redact(source)) == redact(source)
    asked: tuple[Callable[[str], object], ...] = (kind_of, require_host, camera_name_from)
    for ask in asked:
        error = refusal(UsageError, functools.partial(ask, source))
        assert error is None or error.advice
