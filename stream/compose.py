"""Writes the engine's values as the feed's messages. Knows both vocabularies and nothing else."""

from __future__ import annotations

from engine.explanation import EventExplanation, ExplanationState
from engine.policy import Decision, DecisionType
from engine.types import Box, ModelInfo, ScorePoint
from stream.feed.messages import AlertBox, AlertMessage, AlertModel, AlertTiming, ScoreMessage


def score_message(point: ScorePoint, definition: str, *, amended: bool = False) -> ScoreMessage:
    return ScoreMessage(
        camera=point.camera,
        definition=definition,
        amended=amended,
        time=point.time_s,
        pts_s=point.pts_s,
        segment=point.segment,
        index=point.index,
        raw=point.raw,
        cleaned=point.cleaned,
        score=point.score,
        held=point.held,
        text=point.text,
        reason=point.reason,
    )


def alert_message(
    decision: Decision,
    model: ModelInfo,
    said: EventExplanation,
    timing: AlertTiming,
    *,
    snapshot: str | None = None,
    snapshot_note: str | None = None,
    snapshot_time: float | None = None,
    clip: str | None = None,
    clip_note: str | None = None,
    clip_start_time: float | None = None,
) -> AlertMessage:
    """What people are told of a decision. Sentence and boxes are what was `said`, else those of its highest score."""
    top = decision.top_point
    text, boxes = (top.text, top.boxes) if said.text is None else (said.text, said.boxes)
    if decision.type is DecisionType.END:
        state = ExplanationState.FINAL
    else:
        state = ExplanationState.PENDING if text is None else ExplanationState.PROVISIONAL
    return AlertMessage(
        type=decision.type.value,
        id=decision.event_id,
        camera=decision.camera,
        time=decision.point.time_s,
        start_time=decision.start_time_s,
        end_time=decision.end_time_s,
        end_reason=decision.end_reason.value if decision.end_reason else None,
        severity=decision.severity.value,
        score=decision.score,
        top_score=decision.top_score,
        threshold=decision.threshold,
        definition=decision.definition,
        explanation=text,
        explanation_state=state.value,
        boxes=tuple(_box(box) for box in boxes),
        snapshot=snapshot,
        snapshot_note=snapshot_note,
        snapshot_time=snapshot_time,
        clip=clip,
        clip_note=clip_note,
        clip_start_time=clip_start_time,
        timing=timing,
        model=AlertModel(scorer=model.scorer, name=model.name, prompt_sha256=model.prompt_sha256),
        suppressed_count=decision.suppressed_count,
    )


def _box(box: Box) -> AlertBox:
    return AlertBox(x1=float(box.x1), y1=float(box.y1), x2=float(box.x2), y2=float(box.y2), label=box.label)
