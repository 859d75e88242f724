"""The one error tree of Vigil. Foreign errors (PyAV, OpenCV, ZeroMQ, torch) are mapped onto it where they enter.

VigilError
├── UsageError          the command line or an argument makes no sense              exit 2
│   └── ConfigError     a configuration file does not hold                          exit 2
└── RuntimeFault        something failed while running                              exit 1
    ├── SourceError     a camera or file; carries a `SourceFault` code
    ├── ScorerError     a scorer raised, hung or answered garbage
    │   ├── CheckpointError  a model's files are missing, damaged or of a kind that can't be loaded
    │   └── DeviceLostError  the device that a model runs on is gone for this process  exit 75
    ├── EvidenceError   a snapshot or clip could not be written
    ├── OutboxError     the outbox could not be opened or written
    ├── BridgeError     a bridge could not deliver an alert, or not keep its ledger
    └── FeedError       the alert feed could not be bound, reached or understood

Every message is one line that says what failed and where; `advice` says what to try. Neither ever
carries a password: URLs are redacted (`stream.urls.redact`) before they get here.
"""

from __future__ import annotations

from enum import StrEnum


class VigilError(Exception):
    """What failed and where, in one line; `advice` is what to try, or empty."""

    exit_code = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}: {self.advice}" if self.advice else self.message


class UsageError(VigilError):
    """The caller asked for something that makes no sense."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration does not hold. `problems` lists every one found, each with its place."""

    def __init__(self, message: str, *, advice: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, advice=advice)
        self.problems = problems


class RuntimeFault(VigilError):
    """Something failed while running."""


class SourceFault(StrEnum):
    """Why a camera or file gives no frames. The value is the code in status messages and logs."""

    UNREACHABLE = "unreachable"  # no route, name unknown, or nobody answers in time
    REFUSED = "refused"  # the host answers, but nothing listens on the port
    UNAUTHORIZED = "unauthorized"  # a user name and password are needed, or wrong
    NOT_FOUND = "not_found"  # no such path, file or device
    UNSUPPORTED = "unsupported"  # a codec or protocol this build can't decode
    INVALID = "invalid"  # answers, but with something that is no video
    STALLED = "stalled"  # was open, then no frame for the stall time
    LOST = "lost"  # the connection broke or the device was unplugged
    ENDED = "ended"  # a live stream said it was over
    HUNG = "hung"  # native code did not come back; the attempt was abandoned


ADVICE: dict[SourceFault, str] = {
    SourceFault.UNREACHABLE: "check the address, the network and that the camera has power",
    SourceFault.REFUSED: "the host is up but the port is closed: check the port",
    SourceFault.UNAUTHORIZED: "set the user and password in the URL, or as ${NAME} in the configuration",
    SourceFault.NOT_FOUND: "check the path: cameras name their streams differently, see the camera's manual",
    SourceFault.UNSUPPORTED: "set the camera to H.264 or H.265, or run `vigil doctor` to see the codecs here",
    SourceFault.INVALID: "the address answers but sends no video: check that it is a stream, not a web page",
    SourceFault.STALLED: "the camera went silent: it is reopened by itself; check its network if this repeats",
    SourceFault.LOST: "the connection broke: it is reopened by itself; check cable and network if this repeats",
    SourceFault.ENDED: "the sender closed the stream: it is reopened by itself",
    SourceFault.HUNG: "a driver or library did not return: it was abandoned and the camera reopened",
}


class SourceError(RuntimeFault):
    """A source failed with one `fault`; the advice is the fault's own unless another is given."""

    def __init__(self, message: str, fault: SourceFault, *, advice: str = "") -> None:
        super().__init__(message, advice=advice or ADVICE[fault])
        self.fault = fault


class ScorerError(RuntimeFault):
    """A scorer could not be built, raised, hung, or answered something that is no judgement."""


class CheckpointError(ScorerError):
    """A model's files are missing, damaged, or of a kind that can't be loaded."""


class DeviceLostError(ScorerError):
    """The device that a model runs on is gone, and only a new process gets it back."""

    exit_code = 75  # sysexits.h: "temporary failure"; a supervisor starts Vigil again


class EvidenceError(RuntimeFault):
    """A snapshot or clip could not be written or read."""


class OutboxError(RuntimeFault):
    """The outbox could not be opened, written or read."""


class BridgeError(RuntimeFault):
    """A bridge could not deliver an alert, or not read or write its ledger."""


class FeedError(RuntimeFault):
    """The alert feed could not be bound, reached or understood."""
