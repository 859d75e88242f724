"""Which addresses webhooks may be posted to, so that no name leads into a network by surprise. Looks none up."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INTERNET = ipaddress.ip_network("2000::/3")  # the only part of IPv6 that is given out; elsewhere others hide


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the Internet: not to this machine, a local network, or a special purpose."""
    meant = _meant(ipaddress.ip_address(address))
    return meant.is_global and not meant.is_multicast and (meant.version == 4 or meant in _INTERNET)


def may_post(scheme: str, address: str, *, allow_private: bool) -> bool:
    """To public addresses over https only; to others when that is allowed, then also over http."""
    return scheme == "https" if is_public(address) else allow_private


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
