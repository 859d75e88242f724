"""What every scorer promises, whatever it looks at. A new scorer is one line in SCORERS."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engine.aligned import aligned
from engine.motion import MotionScorer
from engine.recorded import RecordedScorer, Response
from engine.scorer import Scorer
from engine.scripted import ScriptedScorer
from engine.types import Frame, Judgement, Window
from tests.unit.engine.aligner import FakeAligner
from tests.unit.engine.sentences import WordEncoder

if TYPE_CHECKING:
    from engine.internvl2.load import InternVL2

TINY = Path(__file__).parents[2].parent / "shared" / "data" / "internvl2" / "internlm2-tiny"
FPS = 8
WINDOWS = 16  # per camera: one a second, long enough for a scorer that has to get used to a camera


def script(window: Window) -> float | None:
    return None if window.index % 5 == 0 else window.index % 7 / 7


def internvl2() -> Scorer:
    """On a tiny checkpoint with random weights, which lies beside the project."""
    pytest.importorskip("transformers", reason="needs the vlm extra")
    pytest.importorskip("sentencepiece", reason="needs the vlm extra")
    if not TINY.is_dir():
        pytest.skip("the checkpoints are not beside the project")
    from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings

    return InternVL2Scorer(tiny(), InternVL2Settings(), name=TINY.name)


def openai() -> Scorer:
    """With a server of its own, which finds something in every picture."""
    pytest.importorskip("httpx2", reason="needs the openai extra")
    from stream.openai.judging import OpenAISettings
    from stream.openai.scorer import OpenAIScorer
    from tests.integration.openai_process import MODEL, OpenAIServer

    server = OpenAIServer("--by-picture")

    class WithServer(OpenAIScorer):
        def close(self) -> None:
            super().close()
            server.stop()

    return WithServer([server.url], MODEL, OpenAISettings(frame_size=(64, 36)))


@functools.cache
def tiny() -> InternVL2:
    import torch

    from engine.internvl2.load import load

    torch.set_num_threads(1)  # more are not worth it
    return load(TINY, dtype=torch.float32, device=torch.device("cpu"))


SCORERS: list[tuple[str, Callable[[], Scorer]]] = [
    ("motion", MotionScorer),
    ("recorded", lambda: RecordedScorer(Response(camera="front", index=i, score=i / WINDOWS) for i in range(WINDOWS))),
    ("scripted-function", lambda: ScriptedScorer(script)),
    ("scripted-list", lambda: ScriptedScorer([i / WINDOWS for i in range(WINDOWS)])),
    ("internvl2", internvl2),
    ("openai", openai),
    ("aligned", lambda: aligned(ScriptedScorer(script), FakeAligner(), WordEncoder(), every_window=True)),
]


@pytest.fixture(params=[make for _, make in SCORERS], ids=[name for name, _ in SCORERS])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Scorer]]:
    """Makes new scorers of one kind; all are closed at the end."""
    made: list[Scorer] = []

    def new() -> Scorer:
        made.append(request.param())
        return made[-1]

    yield new
    for scorer in made:
        scorer.close()


def watch(scorer: Scorer, camera: str, *, seed: int, count: int = WINDOWS, segment: int = 0) -> list[Window]:
    """A noisy still scene that a bright square crosses in its last quarter, as one window each second."""
    width, height = scorer.frame_size
    rng = np.random.default_rng(seed)
    scene = rng.integers(60, 120, (height, width, 3))
    size = max(2, height // 4)
    frames = []
    for slot in range(count * FPS):
        image = scene + rng.integers(-3, 4, scene.shape)
        passed = slot - count * FPS * 3 // 4
        if passed >= 0:
            left = passed * max(1, width // FPS // 4) % (width - size)
            image[height // 2 : height // 2 + size, left : left + size] = 230
        pixels = image.astype(np.uint8)
        pixels.setflags(write=False)
        pts_s = slot / FPS
        frames.append(Frame(camera, segment, slot, pts_s, 1_700_000_000.0 + pts_s, 100.0 + pts_s, pixels))
    return [Window(camera, segment, i, tuple(frames[i * FPS : (i + 1) * FPS]), 1.0) for i in range(count)]


def judge(scorer: Scorer, windows: Sequence[Window], batch: int = 1) -> list[Judgement]:
    judgements: list[Judgement] = []
    for start in range(0, len(windows), batch):
        judgements += scorer.score(windows[start : start + batch])
    return judgements


def values(judgements: Sequence[Judgement]) -> list[float]:
    """Scores to compare; NaN stands for unknown."""
    return [math.nan if judgement.score is None else judgement.score for judgement in judgements]


def same(judgements: Sequence[Judgement], others: Sequence[Judgement]) -> bool:
    return values(judgements) == pytest.approx(values(others), abs=1e-3, nan_ok=True)


def test_it_says_who_it_is_and_what_it_takes(make: Callable[[], Scorer]) -> None:
    scorer = make()
    assert scorer.info.scorer
    assert scorer.info.name
    assert scorer.info == make().info
    assert all(isinstance(side, int) and side > 0 for side in scorer.frame_size)
    assert scorer.max_batch >= 1


def test_it_gives_one_sound_judgement_per_window(make: Callable[[], Scorer]) -> None:
    scorer = make()
    windows = watch(scorer, "front", seed=1)
    judgements = judge(scorer, windows, min(4, scorer.max_batch))
    assert len(judgements) == len(windows)
    for window, judgement in zip(windows, judgements, strict=True):
        if judgement.score is None:
            assert judgement.reason
        else:
            assert 0 <= judgement.score <= 1
        assert -len(window.frames) <= judgement.worst < len(window.frames)
        for box in judgement.boxes:
            assert 0 <= box.x1 < box.x2 <= 1
            assert 0 <= box.y1 < box.y2 <= 1
    assert any(judgement.score is not None for judgement in judgements)


def test_no_windows_give_no_judgements(make: Callable[[], Scorer]) -> None:
    assert list(make().score([])) == []


def test_batched_equals_single_and_cameras_do_not_mix(make: Callable[[], Scorer]) -> None:
    alone, mixed = make(), make()
    front, yard = watch(alone, "front", seed=1), watch(alone, "yard", seed=2)
    both = list(itertools.chain.from_iterable(zip(front, yard, strict=True)))
    judgements = judge(mixed, both, min(6, mixed.max_batch))
    assert same(judgements[0::2], judge(alone, front))
    assert same(judgements[1::2], judge(make(), yard))


def test_a_judgement_does_not_depend_on_later_windows(make: Callable[[], Scorer]) -> None:
    scorer, other = make(), make()
    windows = watch(scorer, "front", seed=1)
    assert same(judge(scorer, windows)[:10], judge(other, windows[:10]))


def test_pixels_are_left_alone_and_not_needed_after_the_call(make: Callable[[], Scorer]) -> None:
    plain, scribbled = make(), make()
    judgements: list[Judgement] = []
    for window in watch(scribbled, "front", seed=1):
        before = [frame.image.copy() for frame in window.frames]
        judgements += scribbled.score([window])
        for frame, pixels in zip(window.frames, before, strict=True):
            assert np.array_equal(frame.image, pixels)
            frame.image.setflags(write=True)
            frame.image[:] = 0  # the ring uses the place for another frame
    assert same(judgements, judge(plain, watch(plain, "front", seed=1)))


def test_windows_are_released_by_who_took_them_not_by_the_scorer(make: Callable[[], Scorer]) -> None:
    scorer, released = make(), []
    for window in watch(scorer, "front", seed=1, count=2):
        counted = Window(
            window.camera,
            window.segment,
            window.index,
            window.frames,
            window.length_s,
            release=lambda: released.append(1),
        )
        scorer.score([counted])
    assert released == []


def test_gaps_a_new_segment_and_a_window_of_one_frame_are_taken(make: Callable[[], Scorer]) -> None:
    scorer = make()
    first, second = (watch(scorer, "front", seed=seed, segment=seed) for seed in (1, 2))
    short = Window("front", 2, 3, second[3].frames[-1:], 1.0)
    judgements = judge(scorer, [*first[::3], second[0], short, *second[6:]], min(3, scorer.max_batch))
    assert len(judgements) == len(first[::3]) + 2 + len(second[6:])
    assert all(judgement.score is not None or judgement.reason for judgement in judgements)


def test_forgetting_a_camera_makes_it_new_and_leaves_the_others(make: Callable[[], Scorer]) -> None:
    scorer, other = make(), make()
    front, yard = watch(scorer, "front", seed=1), watch(scorer, "yard", seed=2)
    scorer.forget("nobody")
    first = judge(scorer, front)
    judge(scorer, yard[:10])
    scorer.forget("front")
    assert same(judge(scorer, front), first)
    assert same(judge(scorer, yard[10:]), judge(other, yard)[10:])


def test_it_closes_after_use_and_unused(make: Callable[[], Scorer]) -> None:
    make()  # the fixture closes it unused
    scorer = make()
    judge(scorer, watch(scorer, "front", seed=1, count=2))  # and this one used
