"""The lines of a response store, and how they are encoded. Knows no file and no scorer.

A store is JSON lines: one `run` line, then for each video its `window` lines and one `finished` line, together:

    {"kind": "run", "format": "vigil.responses/1", "dataset": "msad", "scorer": "motion", "model": "motion", ...}
    {"kind": "window", "video": "Fire_1", "segment": 0, "index": 0, "frame": 26, "time_s": 0.875, "score": null, ...}
    {"kind": "finished", "video": "Fire_1", "windows": 61, "frames": 1840, "pictures": 1840, "bytes": 1650021, ...}
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from hashlib import sha256

import msgspec
import numpy as np

from engine.recorded import Response
from engine.timeline import WindowMeta
from engine.types import Box, Judgement, ModelInfo, Vector
from offline_eval.videos.code import code_version

FORMAT = "vigil.responses/1"


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="run"):
    """What every response of a store has in common: who judged what, how."""

    dataset: str
    scorer: str
    model: str
    prompt_sha256: str | None
    version: str  # of Vigil, and of its sources
    settings: dict[str, str]
    settings_sha256: str
    format: str = FORMAT

    @classmethod
    def of(cls, dataset: str, model: ModelInfo, settings: Mapping[str, str]) -> Run:
        in_order = dict(sorted(settings.items()))
        digest = sha256(json.dumps(in_order).encode()).hexdigest()
        return cls(dataset, model.scorer, model.name, model.prompt_sha256, code_version(), in_order, digest)

    def differences(self, other: Run) -> list[str]:
        """What tells this run from another, each with both values."""
        mine, theirs = self._flat(), other._flat()
        return [
            f"{name} {mine.get(name)} instead of {theirs.get(name)}"
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        ]

    def _flat(self) -> dict[str, str | None]:
        names = ("format", "dataset", "scorer", "model", "prompt_sha256", "version")
        return {**{name: getattr(self, name) for name in names}, **self.settings}


class WindowRecord(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="window"
):
    """What was said of one window. It ends at `pts_s` of its segment, `time_s` after the video's first picture, with
    the video's `frame`, counted from 0."""

    video: str
    segment: int
    index: int
    frame: int
    pts_s: float
    time_s: float
    length_s: float
    score: float | None  # None: unknown, and `reason` says why
    text: str | None = None
    vector: str | None = None  # base64 of little-endian float32
    boxes: tuple[Box, ...] = ()
    worst: int = -1
    reason: str = ""
    took_s: float = 0.0  # the scorer's time for its batch, shared evenly

    @classmethod
    def of(cls, window: WindowMeta, frame: int, judgement: Judgement, took_s: float) -> WindowRecord:
        """`window.time_s` counts from the video's first picture here."""
        return cls(
            window.camera,
            window.segment,
            window.index,
            frame,
            window.pts_s,
            round(window.time_s, 3),
            window.length_s,
            judgement.score,
            judgement.text,
            None if judgement.vector is None else _encode_vector(judgement.vector),
            judgement.boxes,
            judgement.worst,
            judgement.reason,
            round(took_s, 6),
        )

    @property
    def window(self) -> WindowMeta:
        """As a timeline takes it, with the time since the video's first picture for the time."""
        return WindowMeta(self.video, self.segment, self.index, self.pts_s, self.time_s, self.length_s)

    @property
    def judgement(self) -> Judgement:
        vector = None if self.vector is None else _decode_vector(self.vector)
        return Judgement(self.score, self.text, vector, self.boxes, self.worst, self.reason)

    @property
    def response(self) -> Response:
        """As the `recorded` scorer answers it, live or in another replay."""
        return Response(
            camera=self.video,
            segment=self.segment,
            pts_s=self.pts_s,
            score=self.score,
            text=self.text,
            boxes=self.boxes,
            reason=self.reason,
        )


class Finished(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="finished"):
    """A video's last line. `windows` lines of it stand right before."""

    video: str
    windows: int
    frames: int  # of the video's file
    pictures: int  # decoded
    bytes: int  # of the video's file
    took_s: float
    undecoded: int = 0  # frames that the decoder refused: damage in the file


Line = Run | WindowRecord | Finished

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    return _encoder.encode(line) + b"\n"


def decode(line: bytes) -> Line:
    """Raises msgspec.MsgspecError, also for a line that was cut off."""
    if not line.endswith(b"\n"):
        raise msgspec.DecodeError("the line has no end")
    return _decoder.decode(line)


def _encode_vector(vector: Vector) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def _decode_vector(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
