"""Reads recorded responses: JSON of {video: ["Anomalous scenes. A man falls.", ...]}, one text per segment."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError
from offline_eval.datasets.base import video_name
from offline_eval.datasets.parsing import read_json


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
