import pytest

from stream.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_only_this_machine_reaches_these(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "[::]", "192.0.2.1", "localhost.example.org", "eth0"])
def test_others_may_reach_these(host: str) -> None:
    assert not is_loopback(host)
