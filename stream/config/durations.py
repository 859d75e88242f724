"""Times and sizes as people write them: `10s`, `2m`, `512MB`. Knows nothing of configuration files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

Units = Mapping[str, Fraction]  # largest last

SECONDS: Units = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
BYTES: Units = {
    "B": Fraction(1),
    "kB": Fraction(1000),
    "KiB": Fraction(1024),
    "MB": Fraction(1000**2),
    "MiB": Fraction(1024**2),
    "GB": Fraction(1000**3),
    "GiB": Fraction(1024**3),
    "TB": Fraction(1000**4),
    "TiB": Fraction(1024**4),
}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?([A-Za-z]*)", re.ASCII)


def parse_duration(value: object) -> float:
    """Seconds. Takes `500ms`, `10s`, `2m`, `1h`, `7d`, or a number of seconds. Raises ValueError."""
    seconds = _parse(value, SECONDS, plain="s")
    if seconds is None:
        raise ValueError("must be a duration such as 500ms, 10s, 2m, 1h or 7d")
    return float(seconds)


def parse_size(value: object) -> int:
    """Bytes. Takes `512MB`, `5GB`, `2GiB`, or a number of bytes. Raises ValueError."""
    size = _parse(value, BYTES, plain="B")
    if size is None:
        raise ValueError("must be a size such as 512MB, 5GB or 2GiB")
    return round(size)


def format_duration(seconds: float) -> str:
    """As `parse_duration` takes it, in the largest unit that makes it a whole number; else in seconds."""
    return _format(seconds, SECONDS, plain="s")


def format_size(size: int) -> str:
    """As `parse_size` takes it, in the largest unit that makes it a whole number."""
    return _format(size, BYTES, plain="B")


def _parse(value: object, units: Units, *, plain: str) -> Fraction | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(value) * units[plain] if math.isfinite(value) and value >= 0 else None
    if isinstance(value, str) and (amount := _AMOUNT.fullmatch(value.strip())):
        factors = {unit.lower(): factor for unit, factor in units.items()}
        factor = factors.get((amount[2] or plain).lower())
        return None if factor is None else Fraction(amount[1]) * factor
    return None


def _format(value: float, units: Units, *, plain: str) -> str:
    for unit, factor in reversed(list(units.items())):
        count = round(Fraction(value) / factor)
        if count and float(count * factor) == value and (factor >= units[plain] or value < 1):
            return f"{count}{unit}"
    return f"{Decimal(repr(value)):f}{plain}".replace(".0" + plain, plain)
