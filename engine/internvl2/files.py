"""Which files a checkpoint's folder must hold, and reading its JSON. Knows no tensor and no token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import CheckpointError

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"

# What each kind of tokenizer is read from.
TOKENIZER_FILES: dict[str, tuple[str, ...]] = {
    "InternLM2Tokenizer": ("tokenizer.model",),
    "LlamaTokenizer": ("tokenizer.model",),
    "Qwen2Tokenizer": ("vocab.json", "merges.txt"),
    "PreTrainedTokenizerFast": ("tokenizer.json",),
}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises CheckpointError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name}", advice=_ADVICE) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} can't be read: {one_line(error)}", advice="fetch the file again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object", advice="fetch the file again")
    return value


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, split at line feeds only. Raises CheckpointError."""
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} can't be read: {one_line(error)}", advice="fetch the file again") from error


def one_line(error: Exception) -> str:
    """What a library's error says, for use in a message of ours."""
    return " ".join(str(error).split())


def require_folder(folder: Path) -> None:
    """Raise CheckpointError unless `folder` is a folder with something in it."""
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise CheckpointError(f"the checkpoint folder {folder} {problem}", advice=_ADVICE)
    if not any(folder.iterdir()):
        raise CheckpointError(f"the checkpoint folder {folder} is empty", advice=_ADVICE)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights; all exist. Raises CheckpointError."""
    names = _weight_names(folder)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} lacks {_some(missing)} of its {len(names)} weight files", advice="fetch the checkpoint again"
        )
    if names:
        return [folder / name for name in names]
    if pickles := sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern)):
        raise CheckpointError(
            f"{folder} holds its weights as pickles ({_some(pickles)}), which can run code when opened",
            advice="use the safetensors files of the same model",
        )
    raise CheckpointError(f"{folder} has no {WEIGHTS} and no {WEIGHTS_INDEX}", advice=_ADVICE)


def is_converted(values: Mapping[str, Any]) -> bool:
    """Whether config.json is of a checkpoint that transformers itself wrote; such have names that end in -hf."""
    return values.get("model_type") == "internvl"


def tokenizer_kind(folder: Path) -> str:
    """The class of its tokenizer: a key of TOKENIZER_FILES where it is known."""
    if (folder / CONFIG).is_file() and is_converted(read_json(folder / CONFIG)):
        return "PreTrainedTokenizerFast"  # whatever class it names
    return str(read_json(folder / TOKENIZER_CONFIG).get("tokenizer_class"))


def missing_files(folder: Path) -> list[str]:
    """The names of the files that a complete checkpoint would have and this folder lacks."""
    needed = [CONFIG, TOKENIZER_CONFIG]
    if (folder / TOKENIZER_CONFIG).is_file():
        needed += TOKENIZER_FILES.get(tokenizer_kind(folder), ())
    needed += _weight_names(folder) or [WEIGHTS_INDEX]
    return [name for name in needed if not (folder / name).is_file()]


def _weight_names(folder: Path) -> list[str]:
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / WEIGHTS_INDEX).is_file():
        return []
    shards = read_json(folder / WEIGHTS_INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(map(_is_plain_name, shards.values())):
        raise CheckpointError(f"{folder / WEIGHTS_INDEX} names no weight files", advice="fetch the file again")
    return sorted(set(shards.values()))


def _is_plain_name(name: object) -> bool:
    return isinstance(name, str) and name != "" and Path(name).name == name


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


_ADVICE = "give the folder of an original InternVL2 checkpoint, such as OpenGVLab/InternVL2-8B"
