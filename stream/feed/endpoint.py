"""The addresses the feed may have. ZeroMQ itself takes a port of 99999 for 34463, so it is not asked."""

from __future__ import annotations

from engine.errors import UsageError
from stream.feed.messages import DEFAULT_ENDPOINT


def parse(endpoint: str) -> tuple[str, str] | None:
    """(host, port) of a tcp:// endpoint, None for an ipc:// one. Raises UsageError for anything else."""
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc" and rest:
        return None
    host, _, port = rest.rpartition(":")
    is_port = port == "*" or (port.isascii() and port.isdigit() and int(port) < 65536)
    if scheme != "tcp" or not host or not is_port:
        raise UsageError(
            f"{endpoint!r} is no address of a feed", advice=f"use one like {DEFAULT_ENDPOINT} or ipc:///run/vigil/feed"
        )
    return host, port
