"""What a checkpoint's config.json says of the model, in the words of transformers' own configurations.

Knows the authors' key names and the defaults of their configuration classes, and refuses by name what could
not be loaded rightly. Knows no tensor: imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine.errors import CheckpointError
from engine.internvl2.files import CONFIG, is_converted, one_line, read_json, require_folder


class Language(StrEnum):
    """The kind of language model, by the class that the authors' code builds."""

    INTERNLM2 = "InternLM2ForCausalLM"  # InternVL2 2B, 8B, 26B
    LLAMA = "LlamaForCausalLM"  # InternVL2 40B, 76B
    QWEN2 = "Qwen2ForCausalLM"  # InternVL2 1B, and most of InternVL2.5 and InternVL3


@dataclass(frozen=True, slots=True)
class Config:
    """The facts of one checkpoint.

    `text` and `vision` are the arguments of transformers' LlamaConfig or Qwen2Config and InternVLVisionConfig;
    `tied` says that the output matrix is the embedding matrix, and is None where only the weights say so;
    `system_message` is None where the template's own applies. `converted` says that transformers itself wrote the
    checkpoint, so that the weights bear its names.
    """

    language: Language
    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    tied: bool | None
    select_layer: int
    downsample_ratio: float
    image_size_px: int
    tokens_per_tile: int
    template: str
    system_message: str | None
    converted: bool = False


def read_config(folder: Path) -> Config:
    """Read config.json. Raises CheckpointError, also for what can't be loaded."""
    require_folder(folder)
    top = _Section(read_json(folder / CONFIG), folder / CONFIG)
    try:
        if is_converted(top.values):
            return _converted(top, folder)
        _refuse_other_kinds(top, folder)
        return _config(top, folder)
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{top.path} holds values that make no sense: {one_line(error)}", advice=_REFETCH
        ) from error


def _config(top: _Section, folder: Path) -> Config:
    llm = top.section("llm_config")
    vision = top.section("vision_config")
    language = _language(llm, folder)
    image_size_px = top.get("force_image_size", None) or vision.get("image_size")
    downsample_ratio = float(top.get("downsample_ratio", 0.5))
    return Config(
        language=language,
        text=_text(llm, language),
        vision=_vision(vision),
        tied=bool(llm.get("tie_word_embeddings", False)),
        select_layer=int(top.get("select_layer", -1)),
        downsample_ratio=downsample_ratio,
        image_size_px=int(image_size_px),
        tokens_per_tile=int((image_size_px // vision.get("patch_size")) ** 2 * downsample_ratio**2),
        template=top.get("template"),
        system_message=top.get("system_message", None),
    )


def _converted(top: _Section, folder: Path) -> Config:
    """What transformers wrote; what it left out is its own default. All of these are InternVL2.5 or newer."""
    llm, vision = top.section("text_config"), top.section("vision_config")
    if (kind := llm.get("model_type", None)) != "qwen2":
        raise CheckpointError(
            f"{folder} is converted to transformers' own format and has the language model {kind!r}, "
            "which can't be loaded from it",
            advice="give the original checkpoint, whose name does not end in -hf",
        )
    scaling = llm.get("rope_parameters", None) or llm.get("rope_scaling", None) or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ("default", "dynamic"):
        raise CheckpointError(f"{top.path} has the rope scaling {kind!r} in text_config: only 'dynamic' can be loaded")
    rope = {"rope_type": "default", "rope_theta": float(scaling.get("rope_theta") or llm.get("rope_theta"))}
    image_size_px, patch_size_px = (_side(vision.get(*known)) for known in (("image_size", 448), ("patch_size", 14)))
    downsample_ratio = float(top.get("downsample_ratio", 0.5))
    return Config(
        language=Language.QWEN2,
        text=llm.only(*_TEXT_KEYS, "num_key_value_heads", "rms_norm_eps") | {"rope_parameters": rope},
        vision=vision.only(*_VISION_KEYS, *_CONVERTED_VISION_KEYS),
        tied=None,
        select_layer=int(top.get("vision_feature_layer", -1)),
        downsample_ratio=downsample_ratio,
        image_size_px=image_size_px,
        tokens_per_tile=int((image_size_px // patch_size_px) ** 2 * downsample_ratio**2),
        template="internvl2_5",
        system_message=None,
        converted=True,
    )


def _side(size: int | list[int]) -> int:
    """The one side of a square, which transformers writes as two."""
    width, height = size if isinstance(size, list) else (size, size)
    if width != height:
        raise ValueError(f"{width} x {height} is no square")
    return int(width)


def _refuse_other_kinds(top: _Section, folder: Path) -> None:
    kind = top.get("model_type", None)
    if kind != "internvl_chat":
        raise CheckpointError(
            f"{folder} is no InternVL2 checkpoint (its model_type is {kind!r})",
            advice="give an original InternVL2 checkpoint, such as OpenGVLab/InternVL2-8B",
        )
    # The authors' configuration class takes v1 where nothing is said.
    if (version := top.get("ps_version", "v1")) != "v2":
        raise CheckpointError(
            f"{top.path} has ps_version {version!r}: only the pixel shuffle 'v2' can be loaded",
            advice="use InternVL2 or newer",
        )
    for key in ("use_backbone_lora", "use_llm_lora"):
        if rank := top.get(key, 0):
            raise CheckpointError(
                f"{top.path} has {key} {rank}: its LoRA weights are not merged",
                advice="merge them with the authors' tools first",
            )


def _language(llm: _Section, folder: Path) -> Language:
    names = llm.get("architectures")
    name = names[0] if isinstance(names, list) and names else names
    try:
        return Language(name)
    except ValueError:
        known = "Phi-3 (InternVL2-4B)" if name == "Phi3ForCausalLM" else repr(name)
        raise CheckpointError(
            f"{folder} has the language model {known}, which can't be loaded",
            advice="use a checkpoint with Qwen2, InternLM2 or Llama: InternVL2 1B, 2B, 8B, 26B, 40B or 76B",
        ) from None


def _text(llm: _Section, language: Language) -> dict[str, Any]:
    text = {key: llm.get(key) for key in _TEXT_KEYS}
    text["num_key_value_heads"] = llm.get("num_key_value_heads", None) or text["num_attention_heads"]
    text["rms_norm_eps"] = float(llm.get("rms_norm_eps"))
    text["rope_parameters"] = _rope(llm, language)
    match language:
        case Language.INTERNLM2:
            text["attention_bias"] = llm.get("bias")
        case Language.LLAMA:
            text["attention_bias"] = llm.get("attention_bias", False)
    return text


def _rope(llm: _Section, language: Language) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": float(llm.get("rope_theta"))}
    scaling = llm.get("rope_scaling", None)
    # The Qwen2 of the transformers that the authors pinned has no rope scaling: what is written there has no effect.
    if not scaling or language is Language.QWEN2:
        return rope
    kind = scaling.get("type") or scaling.get("rope_type")
    if kind not in ("dynamic", "linear"):
        raise CheckpointError(
            f"{llm.path} has llm_config.rope_scaling {kind!r}: only 'dynamic' and 'linear' can be loaded"
        )
    return rope | {"rope_type": kind, "factor": float(scaling["factor"])}


def _vision(vision: _Section) -> dict[str, Any]:
    # The defaults are those of the authors' InternVisionConfig.
    return {key: vision.get(key) for key in _VISION_KEYS} | {
        "hidden_act": vision.get("hidden_act", "gelu"),
        "norm_type": vision.get("norm_type", "rms_norm"),
        "layer_norm_eps": float(vision.get("layer_norm_eps", 1e-6)),
        "attention_bias": vision.get("qkv_bias", False),
        "use_qk_norm": vision.get("qk_normalization", True),
        "use_mean_pooling": True,  # leaves out a last LayerNorm that the original does not have
    }


_TEXT_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
)
_VISION_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)
_CONVERTED_VISION_KEYS = (
    "hidden_act",
    "norm_type",
    "layer_norm_eps",
    "attention_bias",
    "use_qk_norm",
    "use_mean_pooling",
)
_REQUIRED = object()
_REFETCH = "fetch the checkpoint again"


class _Section:
    """An object inside config.json that names itself in errors."""

    def __init__(self, values: Mapping[str, Any], path: Path, name: str = "") -> None:
        self.values = values
        self._name = name
        self.path = path

    def get(self, key: str, default: Any = _REQUIRED) -> Any:
        value = self.values.get(key, default)
        if value is _REQUIRED:
            raise CheckpointError(f"{self.path} has no {self._name}{key}", advice=_REFETCH)
        return value

    def only(self, *keys: str) -> dict[str, Any]:
        """What it has of these."""
        return {key: self.values[key] for key in keys if key in self.values}

    def section(self, key: str) -> _Section:
        value = self.get(key)
        if not isinstance(value, dict):
            raise CheckpointError(f"{self.path}: {key} is no object", advice=_REFETCH)
        return _Section(value, self.path, f"{key}.")
