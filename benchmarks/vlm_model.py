"""InternVL2's architectures with random weights. Reads no file.

How long a pass takes depends on its shapes and not on what the weights say, but that zeros are computed faster: so the
weights are random and replies are gibberish, which never ends of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from engine.internvl2.config import Config, Language
from engine.internvl2.load import InternVL2, assemble
from engine.internvl2.prompt import IMAGE_END, IMAGE_START, IMAGE_TOKEN
from engine.internvl2.tokenizer import Tokenizer

_STOP = "<|im_end|>"
_SPECIAL = ("<s>", "<|im_start|>", _STOP, IMAGE_START, IMAGE_END, IMAGE_TOKEN)


def _config(
    language: Language,
    image_size_px: int,
    vision: tuple[int, int, int, int],
    text: tuple[int, int, int, int, int],
    vocabulary: int,
) -> Config:
    """`vision` and `text` are width, inner width, layers and heads; `text` has its key-value heads as well."""
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    text_values: dict[str, Any] = dict(zip(names, text, strict=True)) | {
        "vocab_size": vocabulary,
        "max_position_embeddings": 32768,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6 if language is Language.QWEN2 else 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    }
    return Config(
        language=language,
        text=text_values if language is Language.QWEN2 else text_values | {"attention_bias": False},
        vision=dict(zip(names, vision, strict=False))
        | {
            "image_size": image_size_px,
            "patch_size": 14,
            "hidden_act": "gelu",
            "norm_type": "layer_norm",
            "layer_norm_eps": 1e-6,
            "attention_bias": True,
            "use_qk_norm": False,
            "use_mean_pooling": True,
        },
        tied=False,
        select_layer=-1,
        downsample_ratio=0.5,
        image_size_px=image_size_px,
        tokens_per_tile=(image_size_px // 28) ** 2,
        template="Hermes-2" if language is Language.QWEN2 else "internlm2-chat",
        system_message=None,
    )


_VIT_300M = (1024, 4096, 24, 16)
ARCHITECTURES = {
    # Of the same kind, so small that a CPU reads a window in about a tenth of a second.
    "tiny": _config(Language.INTERNLM2, 224, (128, 512, 3, 4), (256, 768, 3, 4, 2), 4096),
    "1b": _config(Language.QWEN2, 448, _VIT_300M, (896, 4864, 24, 14, 2), 151655),
    "2b": _config(Language.INTERNLM2, 448, _VIT_300M, (2048, 8192, 24, 16, 8), 92553),
    "8b": _config(Language.INTERNLM2, 448, _VIT_300M, (4096, 14336, 32, 32, 8), 92553),
}


def random_model(arch: str, *, dtype: torch.dtype, device: torch.device) -> InternVL2:
    """One of `ARCHITECTURES`. Each tensor is made where it stays and in the dtype it stays in."""
    config = ARCHITECTURES[arch]
    tokenizer = WordTokenizer(int(config.text["vocab_size"]))
    internvl2 = assemble(config, tokenizer, partial(_fill, dtype=dtype, device=device), device=device)
    internvl2.model.lm_head.weight[internvl2.stop_token_id].zero_()  # some other token is always more likely
    internvl2.model.generation_config.eos_token_id = None
    return internvl2


def _fill(model: nn.Module, *, dtype: torch.dtype, device: torch.device) -> None:
    random = torch.Generator(device).manual_seed(0)
    for name, parameter in list(model.named_parameters()):
        path, _, leaf = name.rpartition(".")
        value = torch.empty(parameter.shape, dtype=dtype, device=device)
        if leaf.startswith("lambda"):
            value.fill_(0.1)
        elif leaf == "bias":
            value.zero_()
        elif "norm" in path:
            value.fill_(1.0)
        else:
            value.normal_(0.0, 0.02, generator=random)
        setattr(model.get_submodule(path), leaf, nn.Parameter(value, requires_grad=False))


class WordTokenizer(Tokenizer):
    """Cuts text into about as many tokens as the real ones do, and numbers them as they come."""

    _TOKEN = re.compile("|".join(map(re.escape, _SPECIAL)) + r"| ?[A-Za-z]{1,9}|[\u4e00-\u9fff]{1,2}|.", re.DOTALL)

    def __init__(self, size: int) -> None:
        self.size = size
        self._ids: dict[str, int] = {token: number for number, token in enumerate(_SPECIAL)}

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        ids = [self._ids.setdefault(token, len(self._ids)) for token in self._TOKEN.findall(text)]
        return [self._ids["<s>"], *ids] if special else ids

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        first = len(_SPECIAL) if skip_special else 0
        return " ".join(f"token{number}" for number in ids if number >= first)

    def id_of(self, token: str) -> int:
        return self._ids[token]
