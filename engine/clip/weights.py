"""Which file holds the weights of which CLIP model. Knows no tensor; opens no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from engine.errors import CheckpointError, UsageError

FILE = "open_clip_model.safetensors"  # what the hub's repositories call it


@dataclass(frozen=True, slots=True)
class ClipWeights:
    """A safetensors file for open_clip's `model`, such as ViT-B-16.

    `tag` is open_clip's name of published weights, such as `openai`: it says which activation and which statistics of
    colour they were trained with. Without one these are those of the model's name.
    """

    model: str
    path: Path
    tag: str = ""


def published(model: str, tag: str) -> Mapping[str, Any]:
    """What open_clip knows of published weights: where they are, and how they were trained. Raises UsageError."""
    import open_clip

    require_model(model)
    tags: list[str] = open_clip.list_pretrained_tags_by_model(model)
    found: Mapping[str, Any] = open_clip.get_pretrained_cfg(model, tag)
    if not found:
        near = ", ".join(get_close_matches(tag, tags) or tags[:5])
        raise UsageError(
            f"{tag!r} is no file here and no published weights of CLIP's {model}",
            advice=f"give a .safetensors file, or one of: {near}" if near else "give a .safetensors file",
        )
    return found


def hub_file(model: str, tag: str) -> tuple[str, str]:
    """The hub's repository of published weights, and its safetensors file, which stands beside a pickle."""
    repo, _, name = str(published(model, tag)["hf_hub"]).rpartition("/")
    return repo, str(Path(name).with_suffix(".safetensors")) if name else FILE


def require_file(path: Path) -> None:
    """Raise CheckpointError unless there is such a file, of a kind that is safe to open."""
    if not path.is_file():
        raise CheckpointError(f"CLIP's weights {path} are not there", advice="check the path")
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"CLIP's weights {path} are no safetensors file; others can run code when opened",
            advice="use the .safetensors file of the same model",
        )


def require_model(model: str) -> None:
    """Raise UsageError unless open_clip has such a model."""
    import open_clip

    models: list[str] = open_clip.list_models()
    if model not in models:
        near = ", ".join(get_close_matches(model, models)) or "ViT-B-16"
        raise UsageError(f"open_clip has no model {model!r}", advice=f"give one of its names, such as {near}")
