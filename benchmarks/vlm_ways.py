"""The ways of judging windows that are compared, and how they take turns. Knows no camera that runs on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from engine import types
from engine.internvl2.attention import use_attention
from engine.internvl2.device import at_work, uploaded
from engine.internvl2.load import InternVL2
from engine.internvl2.norms import use_fused_norms
from engine.internvl2.pixels import normalised
from engine.internvl2.reading import Reading, prompt_of
from engine.prompts.texts import prompt_text
from engine.scoring import Scoring, Wording, questions, rest_of_reply, whole_reply
from engine.types import Frame, Window
from engine.windows import WindowPlan

SECOND = WindowPlan()  # the last second, every second: each of its 8 frames is in no other window
TEN_SECONDS = WindowPlan(fps=3.75, length_s=10.0, stride_s=0.533)  # each frame is in four windows
SHARES_WITH = 5  # that many windows ago was the first one that a window of these shares frames with


class Film:
    """Makes windows of pictures that were drawn before: noise, another one for each place in a window."""

    def __init__(self, side_px: int, pictures: int = 64) -> None:
        self._pictures = np.random.default_rng(0).integers(0, 256, (pictures, side_px, side_px, 3), np.uint8)
        self._pictures.setflags(write=False)

    def window(self, camera: str, index: int, plan: WindowPlan = SECOND, arrival_s: float = 0.0) -> Window:
        """The `index`th window of a camera."""
        end = plan.first_end + index * plan.stride
        frames = []
        for slot in range(end - plan.first_end, end + 1, plan.step):
            time_s = slot / plan.fps
            frames.append(Frame(camera, 0, slot, time_s, time_s, arrival_s, self._picture(camera, slot)))
        return Window(camera, 0, index, tuple(frames), plan.length_s)

    def _picture(self, camera: str, slot: int) -> types.Image:
        picture: types.Image = self._pictures[(slot + sum(camera.encode())) % len(self._pictures)]
        return picture


@dataclass(frozen=True, slots=True)
class Way:
    """Judges as many windows as there are cameras, the next one of each; `warm` times before it counts."""

    judge: Callable[[Sequence[Window]], object]
    cameras: Sequence[str]
    plan: WindowPlan = SECOND
    warm: int = 1


def take_turns(ways: Mapping[str, Way], rounds: int, film: Film, device: torch.device) -> dict[str, list[float]]:
    """Seconds per window of each way in each round: what else the machine does hits all of them alike."""

    def judged(way: Way, index: int) -> float:
        windows = [film.window(camera, index, way.plan) for camera in way.cameras]
        return timed(lambda: way.judge(windows), device) / len(windows)

    for way in ways.values():
        for index in range(way.warm):
            judged(way, index)
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            took[name].append(judged(way, way.warm + number))
    return took


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """How many times as long as the others the ones took: the median over the rounds."""
    return median(one / other for one, other in zip(ones, others, strict=True))


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until all of it is done, on the device too. On a CPU only those in which this thread had a core: what
    else the machine does is not counted."""
    if device.type == "cpu":
        start = time.thread_time()
        work()
        return time.thread_time() - start
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


class Published:
    """The published way: window by window, pixels made with Pillow on the CPU, and the whole reply written by
    transformers' own `generate`, which keeps keys and values while it writes and nothing from window to window.

    To be made before anything else changes the language model's ways: transformers' own are remembered.
    """

    def __init__(self, internvl2: InternVL2, reply_tokens: int) -> None:
        self._internvl2 = internvl2
        self._reply_tokens = reply_tokens
        self._language = internvl2.model.model.language_model
        self._norms = {name: module for name, module in self._language.named_modules() if name.endswith("norm")}

    def judge(self, windows: Sequence[Window]) -> list[str]:
        self._language.set_attn_implementation("sdpa")
        for name, norm in self._norms.items():
            self._language.set_submodule(name, norm)
        try:
            with torch.inference_mode():
                return [self._reply(window) for window in windows]
        finally:
            use_attention(self._language)
            use_fused_norms(self._language)

    def _reply(self, window: Window) -> str:
        internvl2 = self._internvl2
        text = prompt_of(internvl2, prompt_text("task"), len(window.frames), whole_reply(Wording()))
        ids = torch.tensor([internvl2.tokenizer.encode(text)], device=internvl2.model.device)
        pixels = internvl2.pixels([frame.image for frame in window.frames])
        model: Any = internvl2.model  # whose own types do not let `generate` be called
        written = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels.to(internvl2.model.device, internvl2.model.dtype),
            max_new_tokens=self._reply_tokens,
            do_sample=False,
        )
        reply = written[0, ids.shape[1] :].tolist()
        assert len(reply) == self._reply_tokens
        return internvl2.tokenizer.decode(reply)


def stages(
    internvl2: InternVL2,
    judge: Callable[[Sequence[Window]], object],
    windows: Sequence[Window],
    tokens: int,
    rounds: int,
) -> dict[str, list[float]]:
    """Seconds that each stage takes for these windows in one batch, and `judge` for all before `write`.

    The device is waited for after each.
    """
    device = internvl2.model.device
    reading = Reading(internvl2, prompt_text("task"))
    exam = reading.exam(questions(Scoring.LIKELIHOOD, Wording()))
    images = [frame.image for window in windows for frame in window.frames]
    rests = [rest_of_reply(Wording(), anomalous=True)] * len(windows)
    took: dict[str, list[float]] = {}

    def stage(name: str, work: Callable[[], Any]) -> Any:
        done: list[Any] = []
        took.setdefault(name, []).append(timed(lambda: done.append(work()), device))
        return done[0]

    def all_stages() -> None:
        pixels = stage("pixels", lambda: normalised(uploaded(images, device), internvl2.image_size_px))
        features = stage("vision", lambda: internvl2.image_features(pixels))
        of_windows = features.reshape(len(windows), -1, features.shape[-1])
        seen = stage("see", lambda: reading.see(of_windows, len(windows[0].frames)))
        stage("weigh", lambda: reading.weigh(seen, exam))
        stage("judge", lambda: judge(windows))
        stage("write", lambda: reading.write(seen, range(len(windows)), rests, tokens))

    with at_work():
        for _ in range(rounds + 1):
            all_stages()
    return {name: each[1:] for name, each in took.items()}
