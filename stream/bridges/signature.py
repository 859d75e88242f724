"""How a webhook's body is signed, and how its receiver finds out that it is ours and new. Pure.

The signature is `v1=` and, in hexadecimal, the HMAC-SHA256 of "TIMESTAMP.BODY" under the shared secret.
"""

from __future__ import annotations

import hashlib
import hmac

TOLERANCE_S = 300.0  # how far a receiver's clock may be off, and how old a copy may be


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """What `Vigil-Signature` says of a body that was sent at this time, in seconds since the Unix epoch."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()
    return f"v1={digest}"


def verify(
    secret: str, timestamp: str, signature: str, body: bytes, now_s: float, *, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Whether the headers `Vigil-Timestamp` and `Vigil-Signature` hold for this body now. Never raises."""
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 15):
        return False
    expected = sign(secret, int(timestamp), body).encode()
    genuine = hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape"))
    return genuine and abs(now_s - int(timestamp)) <= tolerance_s
