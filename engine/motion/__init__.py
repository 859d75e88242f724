"""Unusual motion of a fixed camera, judged against the camera's own past. Knows no model and no meaning."""

from engine.motion.scorer import MotionScorer
from engine.motion.settings import MotionSettings

__all__ = ["MotionScorer", "MotionSettings"]
