"""What a source string names, and how to speak of it without giving its secrets away.

Knows the shapes of source strings. Knows nothing of opening them.

A password may hold any of `@ : / ? # %`, encoded or not, so where it ends can't always be told. Whatever
could belong to it is hidden: everything from the first `:` of the user-info to the LAST `@` of the text.
A URL whose path holds an `@` loses its host in messages; that is the price, and only messages pay it. So it is with a
URL that another one carries percent-encoded, once or more often, in its query.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from pathlib import PurePath
from urllib.parse import quote, unquote, unquote_plus

from engine.errors import UsageError

HIDDEN = "***"

# A parameter is secret when its name holds one of these.
_SECRET_WORDS = ("pas", "pw", "psw", "token", "secret", "key", "auth", "sig", "cred", "jwt", "session")
_SCHEME = re.compile(r"(?:^|(?<=[\s'\"(<\[]))[A-Za-z][A-Za-z0-9+.-]*://")
_COLON = re.compile("%(?:25)*3a|:", re.IGNORECASE)
_INNER_SCHEME = re.compile("(?:%(?:25)*3a|:)(?:%(?:25)*2f|/){2}", re.IGNORECASE)
_INNER_AT = re.compile("%(?:25)*40|@", re.IGNORECASE)
_NAME_LIMIT = 40
_SHORTEST_LONE_SECRET = 4  # shorter ones are hidden in their URL only: alone they would garble every word


class SourceKind(StrEnum):
    """Which sort of source a string names."""

    RTSP = "rtsp"
    HTTP = "http"
    FILE = "file"
    WEBCAM = "webcam"
    SYNTHETIC = "synthetic"
    WEBRTC = "webrtc"


_SHAPE = (
    "write it as rtsp://USER:PASSWORD@HOST/PATH, with special characters of the password in percent form: "
    "/ is %2F, # is %23, ? is %3F, @ is %40"
)
_KIND_OF_SCHEME = {
    "rtsp": SourceKind.RTSP,
    "rtsps": SourceKind.RTSP,
    "http": SourceKind.HTTP,
    "https": SourceKind.HTTP,
    "file": SourceKind.FILE,
    "synthetic": SourceKind.SYNTHETIC,
    "webrtc": SourceKind.WEBRTC,
}


def kind_of(source: str) -> SourceKind:
    """The kind of a source string; anything without a scheme is a file's path. Raises UsageError."""
    if source.isascii() and (source.isdigit() or re.fullmatch(r"/dev/video\d+", source)):
        return SourceKind.WEBCAM
    scheme, found, _ = source.partition("://")
    if not found:
        return SourceKind.FILE
    kind = _KIND_OF_SCHEME.get(scheme.lower())
    if kind is None:
        schemes = ", ".join(f"{name}://" for name in _KIND_OF_SCHEME)
        raise UsageError(
            f"{redact(source)}: unknown kind of source", advice=f"use one of {schemes}, a file or a webcam"
        )
    return kind


def require_host(source: str) -> None:
    """Raises UsageError for a network URL that names no host to dial, as `kind_of` does for an unknown kind."""
    if kind_of(source) in (SourceKind.RTSP, SourceKind.HTTP) and host_of(source) is None:
        raise UsageError(f"{redact(source)}: no host can be found in this URL", advice=_SHAPE)


def publishers_name(source: str) -> str | None:
    """NAME of `webrtc://NAME`, under which somebody publishes; None for other sources. Raises UsageError."""
    if kind_of(source) is not SourceKind.WEBRTC:
        return None
    name = source.partition("://")[2]
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", name):
        raise UsageError(f"{redact(source)}: no name", advice="write webrtc://NAME: 1 to 64 letters, digits, - or _")
    return name


def redact(source: str) -> str:
    """`source`, or a text that holds a URL, without passwords and secret parameters; the user stays."""
    start = _start(source)
    spans = _parameter_spans(source, start) + _inner_spans(source, start)
    end = source.rfind("@")
    colon = _COLON.search(source, start, max(end, start))
    if colon:
        spans.append((colon.end(), end))
    return _without(source, spans)


def scrub(message: str, url: str) -> str:
    """A foreign `message` without any form of the secrets of `url`."""
    message = message.replace(url, redact(url))
    spans = [found.span() for secret in _secrets(url) for found in re.finditer(re.escape(secret), message)]
    return _without(message, spans)


def camera_name_from(source: str) -> str:
    """A short name for a camera that was given none: letters, digits, `-` and `_`, made from its address."""
    kind = kind_of(source)
    if kind is SourceKind.WEBCAM:
        return f"webcam{re.sub(r'[^0-9]', '', source)}"
    shown = redact(source)
    if kind is SourceKind.FILE:
        name = PurePath(shown).stem
    else:
        _, _, address = shown.partition("://")
        address = address.rpartition("@")[2]
        name = address.partition("?")[0].replace(HIDDEN, "")
    name = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-_")
    # The tail tells the channels of one recorder apart, the head tells recorders apart.
    if len(name) > _NAME_LIMIT:
        half = _NAME_LIMIT // 2
        name = f"{name[:half].strip('-_')}-{name[-half + 1 :].strip('-_')}"
    return name or "camera"


def host_of(url: str) -> str | None:
    """The host that a network URL dials; None when it can't be told, as with a raw `/` in a password."""
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:@\[\]]+)(:\d{0,5})?", authority.rpartition("@")[2])
    return match[1].strip("[]") if match else None


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """With what lies in these spans hidden; they may overlap."""
    shown, at = "", 0
    for begin, end in sorted(spans):
        if begin > at or not shown:
            shown += text[at:begin] + HIDDEN
        at = max(at, end)
    return shown + text[at:]


def _start(source: str) -> int:
    """Where the part that may hold secrets begins: after the first URL's scheme."""
    scheme = _SCHEME.search(source)
    return scheme.end() if scheme else 0


def _parameter_spans(source: str, start: int) -> list[tuple[int, int]]:
    """Where the values of secret `name=value` pairs stand, in queries or, as some recorders have it, in paths.

    A value goes on to the next `&`, whatever is in between.
    """
    spans = []
    for part in re.finditer("[^&]+", source[start:]):
        at = 0
        while (equals := part.group().find("=", at)) >= 0:
            name = unquote(re.split("[/?]", part.group()[at:equals])[-1]).lower()
            if any(word in name for word in _SECRET_WORDS):
                spans.append((start + part.start() + equals + 1, start + part.end()))
                break
            at = equals + 1
    return spans


def _inner_spans(source: str, start: int) -> list[tuple[int, int]]:
    """Where the passwords of URLs stand that are carried by another, percent-encoded or not."""
    spans = []
    ends = [at.start() for at in _INNER_AT.finditer(source)]
    for scheme in _INNER_SCHEME.finditer(source, start):
        colon = _COLON.search(source, scheme.end())
        if colon and ends and colon.end() <= ends[-1]:
            spans.append((colon.end(), ends[-1]))
    return spans


def _secrets(url: str) -> set[str]:
    """Every form in which a secret of `url` may stand in a foreign text."""
    start = _start(url)
    found: set[str] = set()
    for at in re.finditer("@", url):  # any of them may be the one that ends the password
        userinfo = url[start : at.start()]
        colon = _COLON.search(userinfo)
        if colon is None:
            continue
        user, password = userinfo[: colon.start()], userinfo[colon.end() :]
        forms = _forms(password)
        found.update(form for form in forms if len(form) >= _SHORTEST_LONE_SECRET)
        for name in _forms(user):
            found.update(f"{name}:{form}" for form in forms)
        for text in (userinfo, f"{unquote(user)}:{unquote(password)}"):  # as HTTP and RTSP send them
            found.add(base64.b64encode(text.encode("utf-8", "surrogatepass")).decode())
    for begin, end in _parameter_spans(url, start) + _inner_spans(url, start):
        found.update(form for form in _forms(url[begin:end]) if len(form) >= _SHORTEST_LONE_SECRET)
    return found


def _forms(secret: str) -> set[str]:
    plain = unquote(secret)
    encoded = {
        quote(text, safe=safe, errors="replace") for text in (secret, plain) for safe in ("", "/", "!$&'()*+,;=")
    }
    forms = {secret, plain, unquote_plus(secret), repr(plain)[1:-1], repr(secret)[1:-1], *encoded}
    forms |= {re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), form) for form in encoded}
    return {form for form in forms if form}
