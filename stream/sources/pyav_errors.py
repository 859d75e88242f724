"""Maps PyAV's errors onto `SourceFault`s, and names what failed in words that carry no secret.

Knows FFmpeg's error classes and their habits. Knows nothing of threads, timeouts or decoding.

PyAV puts the whole URL into its exceptions, and Python prints an exception's causes with it. So nothing
of a foreign error survives but its class and FFmpeg's fixed sentence for it: the mapped error is made
here, and is to be raised outside of the `except` block, where it gets no cause and no context.
"""

from __future__ import annotations

import errno
import socket

import av.error

from engine.errors import SourceError, SourceFault
from stream.urls import host_of, redact, scrub

Foreign = (av.error.FFmpegError, OSError, ValueError)  # what PyAV raises for a bad stream or a bad address

_PORT = "the host is up but the port is closed: check the port (RTSP is usually 554, HTTP 80, HTTPS 443)"
_BUSY = "the server answers with an error: it may be overloaded or allow no further viewer"
_PERMISSION = "this user may not read it: check the file's permissions"
_NO_FILE = "check the path"
_NO_VIDEO = "this is no video file, or a damaged one"

# The first class that fits. HTTP's are RTSP's too.
_OPENING: tuple[tuple[type[BaseException], SourceFault, str], ...] = (
    (av.error.ConnectionRefusedError, SourceFault.REFUSED, _PORT),
    (av.error.HTTPUnauthorizedError, SourceFault.UNAUTHORIZED, ""),
    (av.error.HTTPForbiddenError, SourceFault.UNAUTHORIZED, ""),
    (av.error.HTTPNotFoundError, SourceFault.NOT_FOUND, ""),
    (av.error.HTTPTooManyRequestsError, SourceFault.REFUSED, _BUSY),
    (av.error.HTTPServerError, SourceFault.REFUSED, _BUSY),
    (av.error.ExitError, SourceFault.UNREACHABLE, ""),  # PyAV's timeout
    (av.error.TimeoutError, SourceFault.UNREACHABLE, ""),
    (av.error.ConnectionResetError, SourceFault.LOST, ""),
    (av.error.ConnectionAbortedError, SourceFault.LOST, ""),
    (av.error.BrokenPipeError, SourceFault.LOST, ""),
    (av.error.ProtocolNotFoundError, SourceFault.UNSUPPORTED, ""),
    (av.error.DecoderNotFoundError, SourceFault.UNSUPPORTED, ""),
    (av.error.PatchWelcomeError, SourceFault.UNSUPPORTED, ""),
    (av.error.NotImplementedError, SourceFault.UNSUPPORTED, ""),
)
_OPENING_FILE = (
    (av.error.FileNotFoundError, SourceFault.NOT_FOUND, _NO_FILE),
    (av.error.PermissionError, SourceFault.NOT_FOUND, _PERMISSION),
)
_NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def opening_error(error: BaseException, url: str, *, is_network: bool, timed_out: bool) -> SourceError:
    """What it means that `url` could not be opened. `timed_out`: as long as the timeout had passed.

    FFmpeg says "input/output error" for an unknown name and for a broken connection alike, so the name
    is asked for once more; and RTSP says "invalid data" when nobody answered in time.
    """
    fault, advice, said = SourceFault.INVALID, "", _sentence(error, url)
    code = getattr(error, "errno", None)
    for foreign, mapped, words in _OPENING if is_network else (*_OPENING_FILE, *_OPENING):
        if isinstance(error, foreign):
            fault, advice = mapped, words
            break
    else:
        if not is_network:
            advice = _NO_VIDEO
        elif timed_out or code in _NO_ROUTE:
            fault = SourceFault.UNREACHABLE
        elif code == errno.EIO and not _is_known(host_of(url)):
            fault, said = SourceFault.UNREACHABLE, "the host's name is unknown"
        elif code in (errno.EIO, errno.EPERM):  # EPERM: RTSP's answer did not come, or was none
            fault = SourceFault.LOST
    if fault is SourceFault.UNREACHABLE and (timed_out or isinstance(error, av.error.ExitError)):
        said = "no video came in time"
    return SourceError(f"{redact(url)}: can't be opened ({said})", fault, advice=advice)


def reading_error(error: BaseException, url: str, *, is_network: bool, timeout_s: float) -> SourceError:
    """What it means that reading `url`, which was open, failed."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return stalled(url, timeout_s)
    fault = SourceFault.LOST if is_network else SourceFault.INVALID
    advice = "" if is_network else "the file is damaged from here on"
    return SourceError(f"{redact(url)}: reading failed ({_sentence(error, url)})", fault, advice=advice)


def stalled(url: str, timeout_s: float) -> SourceError:
    return SourceError(f"{redact(url)}: nothing came for {timeout_s:g} s", SourceFault.STALLED)


def _sentence(error: BaseException, url: str) -> str:
    """FFmpeg's own words for the error's code, which name no address; else only the class."""
    if isinstance(error, av.error.FFmpegError) and error.strerror:
        return scrub(error.strerror, url)
    return type(error).__name__


def _is_known(host: str | None) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
