from __future__ import annotations

import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.bridges.signature import TOLERANCE_S, sign, verify

DOCUMENT = Path(__file__).parents[4] / "docs" / "bridges.md"
NOW = st.integers(0, 4_000_000_000)


def test_it_is_what_the_documentation_says() -> None:
    digest = hmac.new(b"secret", b'1718987129.{"type": "new"}', hashlib.sha256).hexdigest()
    assert sign("secret", 1718987129, b'{"type": "new"}') == f"v1={digest}"


def test_the_recipe_for_receivers_holds() -> None:
    (recipe,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    written: dict[str, Any] = {}
    exec(recipe, written)
    now = int(time.time())
    headers = {"Vigil-Timestamp": str(now), "Vigil-Signature": sign("secret", now, b"{}")}
    assert written["genuine"]("secret", headers, b"{}")
    assert not written["genuine"]("secret", headers, b"{ }")
    assert not written["genuine"]("other", headers, b"{}")


@given(st.text(min_size=1), NOW, st.binary(), st.floats(-TOLERANCE_S, TOLERANCE_S))
def test_what_was_signed_verifies_for_as_long_as_it_is_new(secret: str, now: int, body: bytes, late_s: float) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    assert verify(secret, str(now), sign(secret, now, body), body, now + late_s)


@given(NOW, st.binary(max_size=50), st.integers(0, 400), st.integers(1, 255))
def test_no_changed_byte_verifies(now: int, body: bytes, place: int, flip: int) -> None:
    whole = bytearray(body + sign("secret", now, body).encode())
    whole[place % len(whole)] ^= flip
    changed, signature = bytes(whole[: len(body)]), whole[len(body) :].decode("latin-1")
    assert not verify("secret", str(now), signature, changed, now)


@given(NOW, st.binary(), st.text(), st.text())
def test_nothing_that_was_not_signed_verifies_or_raises(now: int, body: bytes, timestamp: str, signature: str) -> None:
    assert not verify("secret", timestamp, signature, body, now)
    assert not verify("secret", str(now), signature, body, now)
    assert not verify("other", str(now), sign("secret", now, body), body, now)


@given(NOW, st.integers(1, 10_000))
def test_an_old_copy_or_another_time_does_not_verify(now: int, off_s: int) -> None:
    signature = sign("secret", now, b"{}")
    assert not verify("secret", str(now), signature, b"{}", now + TOLERANCE_S + off_s)
    assert not verify("secret", str(now + off_s), signature, b"{}", now)
