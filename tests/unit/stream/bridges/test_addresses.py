from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.bridges.addresses import is_public, may_post

NOT_PUBLIC = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:c0a8:101::", "::127.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert not may_post("https", address, allow_private=False)
    assert may_post("https", address, allow_private=True)
    assert may_post("http", address, allow_private=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_get_https_only(address: str) -> None:
    assert is_public(address)
    for allow_private in (False, True):
        assert may_post("https", address, allow_private=allow_private)
        assert not may_post("http", address, allow_private=allow_private)


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_taken_for_what_it_is(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))
