"""A small benchmark with responses, made up: half of its videos show an event that the responses half notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.prompts.scenes import ABNORMAL, CALM
from offline_eval.material import Material, read_material

SEGMENTS = 20
EVENT = (8, 12)  # segments


class Files(NamedTuple):
    annotations: Path
    responses: Path


def write_benchmark(folder: Path, videos: int = 24, seed: int = 0) -> Files:
    rng = np.random.default_rng(seed)
    annotations, responses = [], {}
    for index in range(videos):
        kind = ("Arson", "Robbery")[index // 2 % 2] if index % 2 else "Normal_Videos_"
        name, event = f"{kind}{index:03}", kind != "Normal_Videos_"
        label = [EVENT[0] * 30, EVENT[1] * 30, -1, -1] if event else [-1, -1, -1, -1]
        annotations.append({"video": f"{name}.mp4", "temporal_label": label, "length": SEGMENTS * 30 - 7})
        responses[name] = [
            _response(rng, abnormal=event and EVENT[0] <= segment < EVENT[1]) for segment in range(SEGMENTS)
        ]
    files = Files(folder / "annotations.json", folder / "responses.json")
    files.annotations.write_text(json.dumps(annotations))
    files.responses.write_text(json.dumps(responses))
    return files


def material(folder: Path, **options: int) -> Material:
    return read_material("ucf-crime", *write_benchmark(folder, **options))


def _response(rng: np.random.Generator, *, abnormal: bool) -> str:
    verdict = "Anomalous" if rng.random() < (0.7 if abnormal else 0.15) else "Normal"
    scenes = ABNORMAL if abnormal and rng.random() < 0.7 else CALM
    return f"{verdict} scenes. {scenes[rng.integers(len(scenes))]}"
