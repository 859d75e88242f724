"""What a window costs in arithmetic and memory, by counting, and how fast that can be at all on a device.

Reading a prompt is bound by arithmetic: large matrices. Writing alone is bound by memory: each token reads all weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.measures import Measure
from benchmarks.vlm_ways import SECOND, timed
from engine.internvl2.config import Config
from engine.internvl2.load import InternVL2
from engine.internvl2.reading import prompt_of
from engine.prompts.texts import prompt_text
from engine.scoring import Scoring, Wording, questions, whole_reply

MEASURED_S = 1.0
COPIED_BYTES = 2**28


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast a device is where nothing else holds it up."""

    flop_s: float  # of a large matrix product of the model's own type
    bytes_s: float  # read and written by a large copy


def measured_rates(dtype: torch.dtype, device: torch.device, *, matrix_side: int) -> Rates:
    one, other = (torch.randn(matrix_side, matrix_side, device=device, dtype=dtype) for _ in range(2))
    source, target = (torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device) for _ in range(2))
    return Rates(
        2.0 * matrix_side**3 / _seconds(lambda: one @ other, device),
        2.0 * COPIED_BYTES / _seconds(lambda: target.copy_(source), device),
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """That it takes when the device has warmed up."""
    took: list[float] = []
    while sum(took) < MEASURED_S:
        took.append(timed(work, device))
    return median(took[len(took) // 2 :])


def window_flop(internvl2: InternVL2, config: Config) -> float:
    """Of judging a window by likelihood: its frames, and what its prompt has after the beginning that never changes."""
    before, after = _prompt_tokens(internvl2, Scoring.LIKELIHOOD)
    return SECOND.frames * vision_flop(config) + language_flop(config, before, after)


def limits(internvl2: InternVL2, config: Config, rates: Rates, reply_tokens: int) -> list[Measure]:
    """What these rates alone would allow, were all else for nothing."""
    before, after = _prompt_tokens(internvl2, Scoring.FAITHFUL)
    vision = SECOND.frames * vision_flop(config)
    ours_s = window_flop(internvl2, config) / rates.flop_s
    layers: torch.nn.Module = internvl2.model.model.language_model.get_submodule("layers")
    weights = sum(parameter.nbytes for parameter in [*layers.parameters(), internvl2.model.lm_head.weight])
    states = states_bytes(config, internvl2.model.dtype.itemsize) * (before + after)
    reading_s = (vision + language_flop(config, 0, before + after)) / rates.flop_s
    writing_s = reply_tokens * (weights + states) / rates.bytes_s
    return [
        Measure("a large matrix product", rates.flop_s / 1e12, "TFLOP/s"),
        Measure("a large copy, read and written", rates.bytes_s / 1e9, "GB/s"),
        Measure("arithmetic of a window: vision and prompt", ours_s * rates.flop_s / 1e12, "TFLOP"),
        Measure("of that, vision", vision / 1e12, "TFLOP"),
        Measure("keys and values of a window", states / 2**20, "MiB"),
        Measure("weights that each written token reads", weights / 2**30, "GiB"),
        Measure("by these rates alone: windows judged by likelihood", 1 / ours_s, "windows/s"),
        Measure(
            "by these rates alone: time in the published way / by likelihood", (reading_s + writing_s) / ours_s, "x"
        ),
    ]


def _prompt_tokens(internvl2: InternVL2, scoring: Scoring) -> tuple[int, int]:
    """Of a window's prompt: those before the first frame, and all others."""
    asked = next(iter(questions(scoring, Wording())), whole_reply(Wording()))
    ids = internvl2.tokenizer.encode(prompt_of(internvl2, prompt_text("task"), SECOND.frames, asked))
    before = ids.index(internvl2.image_token_id)
    return before, len(ids) - before


def vision_flop(config: Config) -> float:
    """Of one frame, from its pixels to what the language model sees."""
    width, inner, layers = (config.vision[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    patches = (config.image_size_px // config.vision["patch_size"]) ** 2
    tokens = patches + 1
    embedding = 2 * patches * 3 * config.vision["patch_size"] ** 2 * width
    layer = 2 * tokens * (4 * width**2 + 2 * width * inner) + 4 * tokens**2 * width
    text_width = config.text["hidden_size"]
    projector = 2 * config.tokens_per_tile * (4 * width * text_width + text_width**2)
    return float(embedding + layers * layer + projector)


def language_flop(config: Config, before: int, tokens: int) -> float:
    """Of so many tokens of one window that see `before` others and those of their own that come earlier."""
    width, inner, layers = (config.text[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    matrices = 2 * tokens * (2 * width**2 + 2 * width * _kv_width(config) + 3 * width * inner)
    looks = 4 * width * (tokens * before + tokens * (tokens + 1) / 2)
    return float(layers * (matrices + looks))


def states_bytes(config: Config, bytes_each: int) -> int:
    """The keys and values of one token."""
    return 2 * int(config.text["num_hidden_layers"]) * _kv_width(config) * bytes_each


def _kv_width(config: Config) -> int:
    return int(config.text["hidden_size"] // config.text["num_attention_heads"] * config.text["num_key_value_heads"])
