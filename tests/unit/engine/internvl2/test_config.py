from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CheckpointError
from engine.internvl2.config import Config, Language, read_config

LLM: dict[str, Any] = {
    "architectures": ["InternLM2ForCausalLM"],
    "attn_implementation": "flash_attention_2",
    "bias": False,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    "rope_theta": 1000000,
    "tie_word_embeddings": False,
    "vocab_size": 92553,
}
VISION: dict[str, Any] = {
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "image_size": 448,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-6,
    "norm_type": "layer_norm",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "qk_normalization": False,
    "qkv_bias": True,
}
TOP: dict[str, Any] = {
    "model_type": "internvl_chat",
    "downsample_ratio": 0.5,
    "force_image_size": 448,
    "ps_version": "v2",
    "select_layer": -1,
    "template": "internlm2-chat",
    "use_backbone_lora": 0,
    "use_llm_lora": 0,
}


def _read(folder: Path, *, llm: Any = (), vision: Any = (), without: tuple[str, ...] = (), **top: Any) -> Config:
    values = {**TOP, **top, "llm_config": {**LLM, **dict(llm)}, "vision_config": {**VISION, **dict(vision)}}
    for name in without:
        section, _, key = name.rpartition(".")
        del (values[section] if section else values)[key]
    (folder / "config.json").write_text(json.dumps(values))
    return read_config(folder)


def test_the_facts_are_read_from_the_file(tmp_path: Path) -> None:
    config = _read(tmp_path)
    assert config.language is Language.INTERNLM2
    assert (config.image_size_px, config.tokens_per_tile, config.select_layer) == (448, 256, -1)
    assert (config.template, config.system_message, config.tied) == ("internlm2-chat", None, False)
    assert config.text["attention_bias"] is False
    assert config.text["rope_parameters"] == {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0}
    assert config.text["rms_norm_eps"] == 1e-5
    assert "attn_implementation" not in config.text
    assert config.vision["use_qk_norm"] is False


def test_an_image_size_beside_the_vision_models_own_counts(tmp_path: Path) -> None:
    assert _read(tmp_path, force_image_size=224).tokens_per_tile == 64
    assert _read(tmp_path, force_image_size=None).image_size_px == 448


def test_qwen2_has_no_rope_scaling_whatever_is_written(tmp_path: Path) -> None:
    config = _read(tmp_path, llm={"architectures": ["Qwen2ForCausalLM"]})
    assert config.text["rope_parameters"] == {"rope_type": "default", "rope_theta": 1e6}
    assert "attention_bias" not in config.text


def test_internlm2_takes_its_bias_and_llama_its_own(tmp_path: Path) -> None:
    assert _read(tmp_path, llm={"bias": True}).text["attention_bias"] is True
    llama = {"architectures": ["LlamaForCausalLM"], "bias": True, "attention_bias": False}
    assert _read(tmp_path, llm=llama).text["attention_bias"] is False


def test_what_the_file_leaves_out_is_what_the_authors_classes_take(tmp_path: Path) -> None:
    left_out = ("norm_type", "qk_normalization", "qkv_bias", "layer_norm_eps")
    vision = _read(tmp_path, without=tuple(f"vision_config.{key}" for key in left_out)).vision
    assert (vision["norm_type"], vision["use_qk_norm"], vision["attention_bias"]) == ("rms_norm", True, False)
    assert vision["layer_norm_eps"] == 1e-6
    config = _read(tmp_path, without=("llm_config.num_key_value_heads", "llm_config.tie_word_embeddings"))
    assert config.text["num_key_value_heads"] == 32
    assert config.tied is False


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"model_type": "internvl", "text_config": {"model_type": "qwen3"}},
            "own format and has the language model 'qwen3', .*: give the original checkpoint",
        ),
        ({"model_type": "llava"}, "no InternVL2 checkpoint .*'llava'"),
        ({"ps_version": "v1"}, "ps_version 'v1'"),
        ({"without": ("ps_version",)}, "ps_version 'v1'"),
        ({"use_backbone_lora": 16}, "use_backbone_lora 16"),
        ({"use_llm_lora": 128}, "use_llm_lora 128"),
        ({"llm": {"architectures": ["Phi3ForCausalLM"]}}, r"language model Phi-3 \(InternVL2-4B\)"),
        ({"llm": {"architectures": ["Qwen3ForCausalLM"]}}, "language model 'Qwen3ForCausalLM'"),
        ({"llm": {"architectures": None}}, "language model None"),
        ({"llm": {"rope_scaling": {"type": "yarn", "factor": 4.0}}}, "rope_scaling 'yarn'"),
        ({"llm": {"rope_scaling": {"type": "dynamic"}}}, "make no sense: 'factor'"),
        ({"without": ("llm_config.hidden_size",)}, r"has no llm_config\.hidden_size"),
        ({"without": ("vision_config.patch_size",)}, r"has no vision_config\.patch_size"),
        ({"without": ("llm_config.bias",)}, r"has no llm_config\.bias"),
        ({"without": ("llm_config",)}, "has no llm_config"),
        ({"without": ("template",)}, "has no template"),
        ({"force_image_size": "large"}, "make no sense"),
        ({"vision": {"patch_size": 0}}, "make no sense"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(CheckpointError, match=problem) as caught:
        _read(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        read_config(tmp_path)
