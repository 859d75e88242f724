"""The motion scorer: how unusual a window's motion is for its own camera. It sees motion, not meaning.

Each frame is measured once (`features`); each quantity is compared with the level it keeps to for
nineteen twentieths of the time (`baseline`); the strongest ratio r makes the score

    score = r^2 / (r^2 + 4)

so 0.2 is just what is usual at most, 0.5 twice that, 0.8 four times; a camera's sensitivity multiplies r. The
score is no probability, and high does not mean wrong: a first delivery van scores like a first burglar, and a
quiet theft scores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from engine.errors import UsageError
from engine.motion.baseline import Usual
from engine.motion.features import HEIGHT_PX, WIDTH_PX, Motion, Phase, Quantity, Scene
from engine.motion.sentence import WHAT, unusual_sentence, usual_sentence
from engine.motion.settings import MotionSettings
from engine.types import Judgement, ModelInfo, Window

# What a camera counts as little whatever it has seen, so that a dead still scene does not cry at every leaf.
FLOORS: Mapping[Quantity, float] = MappingProxyType(
    {
        Quantity.AREA: 0.01,
        Quantity.SPEED: 0.10,
        Quantity.SURGE: 1.0,
        Quantity.DISORDER: 0.008,
        Quantity.SETTLED: 0.01,
        Quantity.CHANGED: 0.01,
    }
)
HALF = 2.0  # times the usual at which the score is 0.5
PRIOR = 10.0  # times the warm-up: then what fills more than half of the warm-up is usual from the start
QUIET = 0.25  # score below which a stretch of unusual motion is over
DISTRUST = 0.9  # a window with score 1 teaches only a tenth of what an ordinary one does


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera."""

    settings: MotionSettings
    scene: Scene
    usual: dict[Quantity, Usual]
    motions: dict[tuple[int, int], Motion] = field(default_factory=dict)  # of the last window's frames
    end: tuple[int, float] = (-1, 0.0)  # segment and pts of the last window's end
    unusual_since_s: float | None = None


class MotionScorer:
    """Judges windows by motion alone. Settings by camera; an unnamed camera gets the defaults."""

    def __init__(self, cameras: Mapping[str, MotionSettings] | None = None) -> None:
        self._settings: dict[str, MotionSettings] = {}
        self._cameras: dict[str, _Camera] = {}
        for name, settings in (cameras or {}).items():
            self.configure(name, settings)

    def configure(self, camera: str, settings: MotionSettings) -> None:
        """How a camera is judged from its next window on. One that changes is learnt anew. From any thread.

        Raises UsageError when nothing is left to watch.
        """
        if not settings.regions.raster(WIDTH_PX, HEIGHT_PX).any():
            raise UsageError(f"camera {camera}: its zones and masks leave nothing to watch", advice="shrink the masks")
        self._settings[camera] = settings

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("motion", "motion")

    @property
    def frame_size(self) -> tuple[int, int]:
        return 2 * WIDTH_PX, 2 * HEIGHT_PX

    @property
    def max_batch(self) -> int:
        return 1  # it gains nothing by more, and a batch is told only when all of it is judged

    def score(self, windows: Sequence[Window]) -> list[Judgement]:
        return [self._judge(self._camera(window.camera), window) for window in windows]

    def forget(self, camera: str) -> None:
        self._cameras.pop(camera, None)

    def close(self) -> None:
        self._cameras.clear()

    def _camera(self, name: str) -> _Camera:
        settings = self._settings.get(name, MotionSettings())
        if name not in self._cameras or self._cameras[name].settings != settings:
            self._cameras[name] = _Camera(
                settings=settings,
                scene=Scene(settings),
                usual={
                    quantity: Usual(floor, memory_s=settings.memory_s, prior_s=PRIOR * settings.warm_up_s)
                    for quantity, floor in FLOORS.items()
                },
            )
        return self._cameras[name]

    def _judge(self, camera: _Camera, window: Window) -> Judgement:
        motions = _measure(camera, window)
        span_s = _advance(camera, window)
        phase = motions[-1].phase
        if phase is not Phase.READY:
            camera.unusual_since_s = None
            if phase is Phase.WARMING_UP:
                _learn(camera, _summary(motions), span_s, trust=1.0)
            return Judgement.unknown(phase.value)

        first = next((i for i in range(len(motions), 0, -1) if motions[i - 1].phase is not Phase.READY), 0)
        values = _summary(motions[first:])
        quantity, times = _strongest(camera, values)
        strength = (camera.settings.sensitivity * times) ** 2
        score = strength / (strength + HALF**2)
        worst = max(range(first, len(motions)), key=lambda i: motions[i].quantities.get(quantity, 0.0))
        boxes = motions[worst].where(quantity)
        lasted_s = _unusual_for_s(camera, score, window.frames[first].pts_s, window.end.pts_s)
        if score >= 0.5:
            label = WHAT[quantity]
            text = unusual_sentence(
                quantity,
                times,
                boxes,
                lasted_s=lasted_s,
                at_least=camera.usual[quantity].at_floor,
                still_scene=camera.usual[Quantity.AREA].at_floor,
            )
        else:
            label, text = "movement", usual_sentence(times, boxes)
        _learn(camera, values, span_s, trust=1 - DISTRUST * score)
        return Judgement(score, text, boxes=tuple(replace(box, label=label) for box in boxes), worst=worst)


def _measure(camera: _Camera, window: Window) -> list[Motion]:
    """What each frame of the window shows; frames that an earlier window held are not measured again."""
    kept = {}
    for frame in window.frames:
        key = (frame.segment, frame.slot)
        kept[key] = camera.motions[key] if key in camera.motions else camera.scene.observe(frame)
    camera.motions = kept
    return list(kept.values())


def _advance(camera: _Camera, window: Window) -> float:
    """Seconds of this window that no earlier one covered."""
    segment, pts_s = camera.end
    camera.end = window.segment, window.end.pts_s
    if segment != window.segment:
        camera.unusual_since_s = None
        return window.length_s
    return min(max(0.0, window.end.pts_s - pts_s), window.length_s)


def _unusual_for_s(camera: _Camera, score: float, start_s: float, end_s: float) -> float:
    """How long the motion has been unusual, dips included that are not quite quiet."""
    if score < QUIET:
        camera.unusual_since_s = None
    elif score >= 0.5 and camera.unusual_since_s is None:
        camera.unusual_since_s = start_s
    return 0.0 if camera.unusual_since_s is None else end_s - camera.unusual_since_s


def _summary(motions: Sequence[Motion]) -> dict[Quantity, float]:
    """A window's quantities: of each, the mean over the upper half of its frames, so that one glitch says little."""
    values: dict[Quantity, float] = {}
    for quantity in Quantity:
        found = sorted(m.quantities[quantity] for m in motions if quantity in m.quantities)
        if found and quantity is Quantity.SETTLED:
            values[quantity] = sum(found)  # a thing's pixels settle one by one, each once
        elif found:
            upper = found[len(found) // 2 :]
            values[quantity] = sum(upper) / len(upper)
    return values


def _strongest(camera: _Camera, values: Mapping[Quantity, float]) -> tuple[Quantity, float]:
    """The most unusual quantity and how many times the usual it is. Where flow spoke, mere difference need not."""
    times = {q: value / camera.usual[q].level for q, value in values.items()}
    if Quantity.AREA in times:
        del times[Quantity.CHANGED]
    return max(times.items(), key=lambda item: item[1], default=(Quantity.CHANGED, 0.0))


def _learn(camera: _Camera, values: Mapping[Quantity, float], span_s: float, *, trust: float) -> None:
    for quantity, value in values.items():
        camera.usual[quantity].learn(value, span_s, trust=trust)
