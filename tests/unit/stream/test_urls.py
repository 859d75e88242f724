"""What a source string names, and that no password survives where one is spoken of."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SourceError, SourceFault, UsageError
from stream.sources.pyav import PyAvSource
from stream.sources.pyav_errors import opening_error
from stream.urls import SourceKind, camera_name_from, host_of, kind_of, redact, scrub

CORE = "Zq7Xk9"  # nothing else in these texts holds it, so finding it means a leak
SPECIAL = "@:/?#%&=;+ $'\"\\[]{}|^~.-_äß€日🎥"

text = st.text(
    alphabet=st.one_of(st.sampled_from(SPECIAL), st.characters(codec="utf-8", categories=["L", "N", "P", "S"]))
)
users = st.text(alphabet="abcdefghijklmnop._-ä日", min_size=1, max_size=8)
passwords = st.builds(lambda before, after: f"{before}{CORE}{after}", text, text)
encodings = st.sampled_from([str, quote, lambda password: quote(password, safe="")])
schemes = st.sampled_from(["rtsp://", "rtsps://", "http://", "https://", "HTTP://"])
tails = st.sampled_from(
    ["cam.local", "10.0.0.5:554/live", "[fd00::1]:554/a", "host/s?channel=1&subtype=0", "h/a@b?x=y@z"]
)


@given(schemes, users, passwords, encodings, tails)
@settings(max_examples=2000, deadline=None)
def test_no_password_survives_redaction(
    scheme: str, user: str, password: str, encoding: Callable[[str], str], tail: str
) -> None:
    shown = redact(f"{scheme}{encoding(user)}:{encoding(password)}@{tail}")
    assert CORE not in shown
    assert shown.startswith(f"{scheme}{encoding(user)}:***@")
    assert redact(shown) == shown


@given(schemes, users, passwords, encodings, tails)
@settings(max_examples=2000, deadline=None)
def test_no_form_of_a_password_survives_scrubbing(
    scheme: str, user: str, password: str, encoding: Callable[[str], str], tail: str
) -> None:
    url = f"{scheme}{encoding(user)}:{encoding(password)}@{tail}"
    header = base64.b64encode(f"{user}:{password}".encode()).decode()
    quoted = quote(password, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)
    message = f"[Errno 5] failed: {url!r} {url} as {password!r} or {quoted} or {lower}; Authorization: Basic {header}."
    shown = scrub(message, url)
    assert CORE not in shown
    if encoding is not str or "%" not in password:  # else what was meant by `%` can't be known
        assert header not in shown
    assert shown.startswith("[Errno 5] failed: ")


@given(users, passwords, encodings, tails)
@settings(max_examples=500, deadline=None)
def test_no_password_survives_in_what_a_source_says_of_itself(
    user: str, password: str, encoding: Callable[[str], str], tail: str
) -> None:
    url = f"rtsp://{encoding(user)}:{encoding(password)}@{tail}"
    error = opening_error(ValueError(f"bad address {url}"), url, is_network=True, timed_out=False)
    said = [str(error), repr(error), error.advice, camera_name_from(url)]
    try:
        said.append(repr(PyAvSource(url)))
    except UsageError as wrong:
        said += [str(wrong), repr(wrong)]
    assert not any(CORE in line for line in said)


@given(
    st.sampled_from(
        ["password", "Passwd", "loginpas", "pwd", "pw", "token", "jwt", "access_token", "api_key", "X-Amz-Signature"]
    ),
    passwords,
)
@settings(max_examples=500, deadline=None)
def test_secret_parameters_are_hidden_wherever_they_stand(name: str, password: str) -> None:
    value = password.replace("&", "")  # ends a parameter, so it is no part of an unencoded value
    raw, encoded = f"http://cam/s?a=1&{name}={value}", f"http://cam/s?{name}={quote(password)}&a=1"
    assert CORE not in redact(raw)
    assert CORE not in redact(encoded)
    assert CORE not in scrub(f"can't open {raw}, really {value}", raw)
    assert CORE not in scrub(f"can't open {encoded}, really {password}", encoded)
    assert CORE not in redact(f"rtsp://cam:554/user=admin&{name}={quote(password)}&channel=1")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/live", "rtsp://admin:***@10.0.0.5:554/live"),
        ("rtsp://admin:p@ss:w/o?r#d@10.0.0.5/live", "rtsp://admin:***@10.0.0.5/live"),
        ("rtsp://admin:@cam/live", "rtsp://admin:***@cam/live"),
        ("rtsp://admin@cam/live", "rtsp://admin@cam/live"),
        ("rtsp://admin%3Asecret@cam/live", "rtsp://admin%3A***@cam/live"),
        ("rtsp://cam:554/live", "rtsp://cam:554/live"),
        ("rtsp://u:p@[::1]:554/live", "rtsp://u:***@[::1]:554/live"),
        ("http://cam/s?mail=a@b.org", "http://cam/s?mail=a@b.org"),
        ("http://cam/s?user=admin&password=x&channel=1", "http://cam/s?user=admin&password=***&channel=1"),
        ("http://cam/s?pass%77ord=x", "http://cam/s?pass%77ord=***"),
        ("rtsp://cam/user=admin_password=tlJw_channel=1", "rtsp://cam/user=admin_password=***"),
        ("http://proxy/?to=rtsp://u:secret@cam/x", "http://proxy/?to=rtsp:***@cam/x"),
        ("admin:secret@10.0.0.5/live", "admin:***@10.0.0.5/live"),
        ("cannot open rtsp://u:secret@cam/x: refused", "cannot open rtsp://u:***@cam/x: refused"),
        ("rtsp://a:one@cam/x and rtsp://b:two@cam/y", "rtsp://a:***@cam/y"),
        ("/videos/door.mp4", "/videos/door.mp4"),
        ("0", "0"),
        ("", ""),
    ],
)
def test_redaction_keeps_what_is_no_secret(source: str, shown: str) -> None:
    assert redact(source) == shown


def test_a_very_short_password_is_hidden_in_its_url_without_garbling_the_message() -> None:
    url = "rtsp://admin:a@cam/live"
    assert scrub(f"a camera failed: {url}, user-info admin:a", url) == (
        "a camera failed: rtsp://admin:***@cam/live, user-info ***"
    )


def test_an_error_keeps_its_fault_and_a_redacted_address() -> None:
    error = opening_error(
        OSError(113, "No route to host"), "rtsp://u:secret@10.0.0.5/x", is_network=True, timed_out=False
    )
    assert isinstance(error, SourceError)
    assert error.fault is SourceFault.UNREACHABLE
    assert error.message.startswith("rtsp://u:***@10.0.0.5/x: can't be opened")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("rtsp://cam/x", SourceKind.RTSP),
        ("RTSPS://cam/x", SourceKind.RTSP),
        ("https://cam/x.m3u8", SourceKind.HTTP),
        ("file:///videos/a.mp4", SourceKind.FILE),
        ("videos/a.mp4", SourceKind.FILE),
        ("./0", SourceKind.FILE),
        ("0", SourceKind.WEBCAM),
        ("/dev/video12", SourceKind.WEBCAM),
        ("/dev/video", SourceKind.FILE),
        ("²", SourceKind.FILE),
        ("synthetic://street", SourceKind.SYNTHETIC),
    ],
)
def test_the_kind_of_a_source_is_told_by_its_shape(source: str, kind: SourceKind) -> None:
    assert kind_of(source) is kind


def test_an_unknown_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError, match="unknown kind of source") as caught:
        kind_of("gopher://u:secret@host/x")
    assert "secret" not in str(caught.value)
    assert "rtsp://" in caught.value.advice


@pytest.mark.parametrize("url", ["rtsp://", "rtsp:///live", "http://:80/x", "rtsp://admin:s3cr3t/pass@127.0.0.1/live"])
def test_a_network_url_without_a_host_is_refused_and_told_how_to_be_written(url: str) -> None:
    with pytest.raises(UsageError, match="no host") as caught:
        PyAvSource(url)
    assert "s3cr3t" not in str(caught.value)
    assert "%2F" in caught.value.advice


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("rtsp://u:p@10.0.0.5:554/x", "10.0.0.5"),
        ("rtsp://u:p@p@cam.local/x@y", "cam.local"),
        ("rtsp://[fd00::1]:554/x", "fd00::1"),
        ("http://cam?x=1", "cam"),
        ("rtsp://u:p/w@cam/x", None),
        ("rtsp://u:p#w@cam/x", None),
        ("rtsp:///x", None),
    ],
)
def test_the_host_of_a_url_is_what_would_be_dialled(url: str, host: str | None) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/Streaming/Channels/101?x=1", "10-0-0-5-554-Streaming-Channels-101"),
        ("/videos/back yard (2).mp4", "back-yard-2"),
        ("file:///videos/door.mp4", "door"),
        ("0", "webcam0"),
        ("/dev/video2", "webcam2"),
        ("synthetic://street", "street"),
        ("日本.mp4", "camera"),
    ],
)
def test_a_camera_without_a_name_gets_one_from_its_address(source: str, name: str) -> None:
    assert camera_name_from(source) == name


@given(st.one_of(st.text(), passwords.map(lambda password: f"rtsp://u:{password}@h/{password}")))
def test_made_up_camera_names_are_short_and_safe(source: str) -> None:
    try:
        name = camera_name_from(source)
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name)
