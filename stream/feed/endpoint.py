"""The addresses the feed may have. ZeroMQ itself takes a port of 99999 for 34463, so it is not asked."""

from __future__ import annotations

from engine.errors import UsageError
from stream.feed.messages import DEFAULT_ENDPOINT
from stream.loopback import is_loopback


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


def require_loopback(endpoint: str, what: str) -> None:
    """Raises UsageError for an endpoint that makes no sense, or that other machines could reach; `what` is there."""
    address = parse(endpoint)
    if address is not None and not is_loopback(address[0]):
        raise UsageError(
            f"{what} at {endpoint} would be open to the whole network",
            advice="make keys with `vigil keys new server` and `vigil keys new NAME`, and set `feed: {keys: "
            f"vigil-keys}}`, or --keys vigil-keys; or use tcp://127.0.0.1:{address[1]}, and from other machines "
            "`ssh -N -L 5557:127.0.0.1:5557 -L 5558:127.0.0.1:5558 THIS_MACHINE`",
        )


def beside(endpoint: str) -> str:
    """Where catch-up is unless it is told otherwise: the port after the feed's, any free one beside `*`."""
    address = parse(endpoint)
    if address is None:
        return f"{endpoint}.catch-up"
    host, port = address
    return f"tcp://{host}:{port if port in ('*', '0') else int(port) + 1}"


def as_reached(told: str, endpoint: str) -> str:
    """The address that a publisher tells of itself, with the host under which this program reaches its feed.

    Raises UsageError for what makes no sense, as a socket file of a publisher on another machine.
    """
    address, feed = parse(told), parse(endpoint)
    if address and feed:
        return f"tcp://{feed[0]}:{address[1]}"
    if feed and not is_loopback(feed[0]):
        raise UsageError(f"{told} is no address on {feed[0]}")
    return told
