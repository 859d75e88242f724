"""The language model's norms in one kernel each, where transformers' classes take six and two copies in float32."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm


def use_fused_norms(language: Any) -> None:
    """Put torch's own norms in the places of transformers', with their weights."""
    for name, norm in list(language.named_modules()):
        if isinstance(norm, LlamaRMSNorm | Qwen2RMSNorm):
            fused = nn.RMSNorm(norm.weight.shape, norm.variance_epsilon, device="meta").train(False)
            fused.weight = norm.weight
            language.set_submodule(name, fused)
