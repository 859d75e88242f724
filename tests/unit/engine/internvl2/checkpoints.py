"""Tiny checkpoints in the authors' format, with random weights, written tensor by tensor under the authors' names.

Needs the `vlm` extra; a test that imports this first says `pytest.importorskip("transformers")`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import pre_tokenizers

from engine.internvl2.load import InternVL2, load

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "internvl2"

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>")
TEXT_WIDTH, VISION_WIDTH = 48, 32

Tensors = dict[str, torch.Tensor]


def config(language: str, **changes: Any) -> dict[str, Any]:
    """The contents of a config.json; a change `llm_config__key=value` or `vision_config__key=value` goes inside."""
    values: dict[str, Any] = {
        "model_type": "internvl_chat",
        "downsample_ratio": 0.5,
        "force_image_size": 28,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internlm2-chat" if language == "InternLM2ForCausalLM" else "Hermes-2",
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "llm_config": {
            "architectures": [language],
            "attn_implementation": "flash_attention_2",
            "hidden_act": "silu",
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 40,
            "max_position_embeddings": 64,
            "num_attention_heads": 6,
            "num_hidden_layers": 2,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "rope_scaling": None,
            "rope_theta": 10000,
            "tie_word_embeddings": False,
            "vocab_size": 320,
        },
        "vision_config": {
            "hidden_act": "gelu",
            "hidden_size": VISION_WIDTH,
            "image_size": 28,
            "intermediate_size": 24,
            "layer_norm_eps": 1e-6,
            "norm_type": "layer_norm",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "patch_size": 7,
            "qk_normalization": False,
            "qkv_bias": True,
        },
    }
    if language == "InternLM2ForCausalLM":
        values["llm_config"]["bias"] = False
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        (values[section] if section else values)[key] = value
    return values


def tensors(values: Mapping[str, Any], seed: int = 0) -> Tensors:
    """Random tensors under the names that the authors' classes give them."""
    generator = torch.Generator().manual_seed(seed)
    found: Tensors = {}

    def add(name: str, *shape: int) -> None:
        found[name] = torch.randn(shape, generator=generator) * 0.2

    def linear(name: str, rows: int, columns: int, *, bias: bool) -> None:
        add(f"{name}.weight", rows, columns)
        if bias:
            add(f"{name}.bias", rows)

    _vision_tensors(values["vision_config"], add, linear)
    wide = values["vision_config"]["hidden_size"] * 4
    add("mlp1.0.weight", wide)
    add("mlp1.0.bias", wide)
    linear("mlp1.1", values["llm_config"]["hidden_size"], wide, bias=True)
    linear("mlp1.3", values["llm_config"]["hidden_size"], values["llm_config"]["hidden_size"], bias=True)
    if values["llm_config"]["architectures"] == ["InternLM2ForCausalLM"]:
        _internlm2_tensors(values["llm_config"], add, linear)
    else:
        _llama_tensors(values["llm_config"], add, linear)
    return found


def _vision_tensors(vision: Mapping[str, Any], add: Callable[..., None], linear: Callable[..., None]) -> None:
    width, inner, patch = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    add("vision_model.embeddings.class_embedding", 1, 1, width)
    add("vision_model.embeddings.position_embedding", 1, (vision["image_size"] // patch) ** 2 + 1, width)
    add("vision_model.embeddings.patch_embedding.weight", width, 3, patch, patch)
    add("vision_model.embeddings.patch_embedding.bias", width)
    for number in range(vision["num_hidden_layers"]):
        layer = f"vision_model.encoder.layers.{number}"
        linear(f"{layer}.attn.qkv", 3 * width, width, bias=vision["qkv_bias"])
        linear(f"{layer}.attn.proj", width, width, bias=True)
        linear(f"{layer}.mlp.fc1", inner, width, bias=True)
        linear(f"{layer}.mlp.fc2", width, inner, bias=True)
        for name in ("norm1", "norm2"):
            add(f"{layer}.{name}.weight", width)
            if vision["norm_type"] == "layer_norm":
                add(f"{layer}.{name}.bias", width)
        for name in ("ls1", "ls2", *(("attn.q_norm.weight", "attn.k_norm.weight") * vision["qk_normalization"])):
            add(f"{layer}.{name}", width)


def _internlm2_tensors(llm: Mapping[str, Any], add: Callable[..., None], linear: Callable[..., None]) -> None:
    width, inner, heads = llm["hidden_size"], llm["intermediate_size"], llm["num_attention_heads"]
    rows = (heads + 2 * llm["num_key_value_heads"]) * (width // heads)
    add("language_model.model.tok_embeddings.weight", llm["vocab_size"], width)
    for number in range(llm["num_hidden_layers"]):
        layer = f"language_model.model.layers.{number}"
        linear(f"{layer}.attention.wqkv", rows, width, bias=llm["bias"])
        linear(f"{layer}.attention.wo", width, width, bias=llm["bias"])
        for name, shape in {"w1": (inner, width), "w2": (width, inner), "w3": (inner, width)}.items():
            linear(f"{layer}.feed_forward.{name}", *shape, bias=False)
        add(f"{layer}.attention_norm.weight", width)
        add(f"{layer}.ffn_norm.weight", width)
    add("language_model.model.norm.weight", width)
    if not llm["tie_word_embeddings"]:
        add("language_model.output.weight", llm["vocab_size"], width)


def _llama_tensors(llm: Mapping[str, Any], add: Callable[..., None], linear: Callable[..., None]) -> None:
    width, inner = llm["hidden_size"], llm["intermediate_size"]
    kv_width = width // llm["num_attention_heads"] * llm["num_key_value_heads"]
    bias = llm["architectures"] == ["Qwen2ForCausalLM"]
    add("language_model.model.embed_tokens.weight", llm["vocab_size"], width)
    for number in range(llm["num_hidden_layers"]):
        layer = f"language_model.model.layers.{number}"
        for name, rows in {"q_proj": width, "k_proj": kv_width, "v_proj": kv_width}.items():
            linear(f"{layer}.self_attn.{name}", rows, width, bias=bias)
        linear(f"{layer}.self_attn.o_proj", width, width, bias=False)
        for name, shape in {
            "gate_proj": (inner, width),
            "up_proj": (inner, width),
            "down_proj": (width, inner),
        }.items():
            linear(f"{layer}.mlp.{name}", *shape, bias=False)
        add(f"{layer}.input_layernorm.weight", width)
        add(f"{layer}.post_attention_layernorm.weight", width)
    add("language_model.model.norm.weight", width)
    if not llm["tie_word_embeddings"]:
        add("language_model.lm_head.weight", llm["vocab_size"], width)


def write(folder: Path, values: Mapping[str, Any], weights: Tensors, *, shards: int = 1) -> Path:
    """A whole checkpoint: configuration, tokenizer, and the weights in so many files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    if values["llm_config"]["architectures"] == ["Qwen2ForCausalLM"]:
        write_qwen2_tokenizer(folder)
    else:
        write_sentencepiece_tokenizer(folder)
    if shards == 1:
        save_file(weights, folder / "model.safetensors")
        return folder
    places: dict[str, str] = {}
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = dict(list(weights.items())[number::shards])
        save_file(part, folder / name)
        places |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


def write_qwen2_tokenizer(folder: Path, merges: tuple[str, ...] = ("t h", "th e", "# #", "a n")) -> Path:
    """Byte-level BPE with a few merges."""
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet()) + [merge.replace(" ", "") for merge in merges]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(("#version: 0.2", *merges, "")), encoding="utf-8")
    settings = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    _write_tokenizer_config(folder, "Qwen2Tokenizer", first=len(tokens), **settings)
    return folder


def write_sentencepiece_tokenizer(
    folder: Path, kind: str = "InternLM2Tokenizer", *, dummy_prefix: bool = False
) -> Path:
    """SentencePiece with byte fallback, taught a few words."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the man opens the gate", "a car parks", "Hello world"] * 4),
        model_writer=model,
        vocab_size=290,
        model_type="bpe",
        byte_fallback=True,
        add_dummy_prefix=dummy_prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    settings = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    _write_tokenizer_config(folder, kind, first=290, **settings)
    return folder


def _write_tokenizer_config(folder: Path, kind: str, *, first: int, **settings: Any) -> None:
    added = {str(first + number): {"content": token} for number, token in enumerate(SPECIAL)}
    more = {"tokenizer_class": kind, "additional_special_tokens": SPECIAL[1:], "added_tokens_decoder": added}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | more))


def loaded(folder: Path) -> InternVL2:
    """In float32 on the CPU with eager attention, as every comparison wants it."""
    return load(folder, dtype=torch.float32, device=torch.device("cpu"), attention="eager")


def lively(folder: Path) -> InternVL2:
    """A model that tells windows apart and writes text: larger numbers, and no more tokens than its tokenizer knows."""
    values = config("InternLM2ForCausalLM", llm_config__vocab_size=296)
    weights = {name: tensor * 1.5 for name, tensor in tensors(values, seed=3).items()}
    return loaded(write(folder, values, weights))


def logits(internvl2: InternVL2) -> torch.Tensor:
    """What the whole model makes of one picture and a few words: [1, T, V]."""
    pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(5))
    ids = torch.tensor([internvl2.tokenizer.encode(internvl2.prompt("Is the gate open?", tiles=[1]))])
    with torch.inference_mode():
        embedded = internvl2.embed(ids, internvl2.image_features(pixels))
        found: torch.Tensor = internvl2.model(inputs_embeds=embedded).logits
    return found
