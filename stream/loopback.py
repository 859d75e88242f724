"""Which addresses only this machine can reach, and which requests were meant for it. Looks no name up."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses; an IPv6 one may stand in brackets."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def meant_for_loopback(host: str) -> bool:
    """Whether a request with this Host header, HOST or HOST:PORT, was sent to one of this machine's own names.

    What listens on loopback and asks for no token answers no other: a page of another site reaches it by having its
    own name lead here (DNS rebinding), but can't make the browser say another name than that.
    """
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    return is_loopback(name)
