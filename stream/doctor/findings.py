"""What `vigil doctor` finds, and how it looks without ever waiting for ever. Knows nothing of what is looked at."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

log = logging.getLogger(__name__)

AT_ONCE = 12

Value = str | float | None


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not as it should
    PROBLEM = "problem"  # does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `advice` says what to try; `values` are the figures behind the message, for programs.

    None of them ever holds a password. `camera` is None for what concerns the machine.
    """

    check: str
    message: str
    verdict: Verdict = Verdict.OK
    advice: str = ""
    camera: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)


def ok(check: str, message: str, advice: str = "", **values: Value) -> Finding:
    return Finding(check, message, Verdict.OK, advice, values=values)


def warning(check: str, message: str, advice: str = "", **values: Value) -> Finding:
    return Finding(check, message, Verdict.WARNING, advice, values=values)


def problem(check: str, message: str, advice: str = "", **values: Value) -> Finding:
    return Finding(check, message, Verdict.PROBLEM, advice, values=values)


@dataclass(frozen=True, slots=True)
class Look:
    """Something to look at that may hang: a driver, a dead network share, a camera."""

    check: str
    run: Callable[[], Iterable[Finding]]
    limit_s: float
    camera: str | None = None


def take(looks: Sequence[Look]) -> Iterator[Finding]:
    """Their findings in the given order; up to `AT_ONCE` are taken side by side, each on a thread of its own.

    One that is not back in time is a problem, and its thread is left alone: a daemon, it ends with the process.
    """
    for first in range(0, len(looks), AT_ONCE):
        begun = [_Begun(look) for look in looks[first : first + AT_ONCE]]
        for each in begun:
            yield from each.findings()


class _Begun:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._found: list[Finding] | None = None
        self._deadline_s = time.monotonic() + look.limit_s
        self._thread = threading.Thread(target=self._run, name=f"vigil-doctor-{look.check}", daemon=True)
        self._thread.start()

    def findings(self) -> list[Finding]:
        self._thread.join(max(0.0, self._deadline_s - time.monotonic()))
        if self._found is not None:
            return self._found
        return [self._failed(f"no answer within {self._look.limit_s:.0f} s", "a driver or a network share may hang")]

    def _run(self) -> None:
        try:
            found = list(self._look.run())
        except Exception as error:  # what can't be looked at must not hide the rest
            log.exception("could not look at %s", self._look.check, extra={"camera": self._look.camera})
            found = [
                self._failed(f"could not be looked at ({type(error).__name__})", "run again with --debug and report it")
            ]
        self._found = [replace(finding, camera=self._look.camera) for finding in found]

    def _failed(self, message: str, advice: str) -> Finding:
        return Finding(self._look.check, message, Verdict.PROBLEM, advice, self._look.camera)
