"""How long the tests here go on, that they try the same things every time, and how they ask for an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

few, usual, many = (
    settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    for examples in (200, 1000, 2500)
)

_Error = TypeVar("_Error", bound=Exception)


def refusal(kind: type[_Error], do: Callable[[], object]) -> _Error | None:
    """The error of this kind, None without any; another is the test's failure."""
    try:
        do()
    except kind as error:
        return error
    return None
