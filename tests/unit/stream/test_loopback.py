import pytest

from stream.loopback import is_loopback, meant_for_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_only_this_machine_reaches_these(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "[::]", "192.0.2.1", "localhost.example.org", "eth0"])
def test_others_may_reach_these(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "localhost:8787", "127.0.0.1:1", "[::1]", "[::1]:8787"])
def test_a_request_to_this_machines_own_names_is_meant_for_it(host: str) -> None:
    assert meant_for_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:80", "192.0.2.1", "[::2]:80", "localhost.evil.example"]
)
def test_a_request_to_any_other_name_is_not(host: str) -> None:
    assert not meant_for_loopback(host)
