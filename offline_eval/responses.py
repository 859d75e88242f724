"""Reads recorded responses: JSON of {video: ["Anomalous scenes. A man falls.", ...]}, one text per segment."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import ConfigError
from engine.types import Judgement
from offline_eval.datasets.base import video_name
from offline_eval.datasets.parsing import read_json

_RESPONSE = re.compile(r"\s*(anomalous|normal) scenes?\b\W*(.*)", re.IGNORECASE | re.DOTALL)


def judgement_of(response: str) -> Judgement:
    """What a response says: 1 for an anomalous verdict, 0 for a normal one, with its sentence. Else unknown."""
    said = _RESPONSE.fullmatch(response)
    if said is None:
        return Judgement.unknown("the response has no verdict")
    return Judgement(float(said[1].lower() == "anomalous"), text=said[2].strip() or None)


def read_responses(path: Path) -> dict[str, tuple[str, ...]]:
    """Responses by video name. Raises ConfigError with everything that is wrong."""
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"responses {path} are no object of videos", advice='give {"video": ["text", ...], ...}')
    responses: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for key, texts in content.items():
        name = video_name(key)
        if name in responses:
            problems.append(f"{path.name}: {name} is there twice")
        elif not isinstance(texts, list) or not texts:
            problems.append(f"{path.name}: {name} has no list of responses")
        elif odd := [number for number, text in enumerate(texts, 1) if not isinstance(text, str)]:
            problems.append(f"{path.name}: {name}: response {odd[0]} is not a text")
        else:
            responses[name] = tuple(texts)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise ConfigError(
            f"responses {path} do not hold: {problems[0]}{more}", advice="correct the file", problems=tuple(problems)
        )
    return responses
