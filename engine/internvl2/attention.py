"""How the language model's tokens look at one another: the fastest kernel that each kind of pass can have.

A pass over what follows kept tokens is causal at the lower right: its last token sees everything. transformers makes
a mask for it, and a mask rules out the flash kernel, so such a pass goes to torch in the form that has one. Passes
with a mask of their own (trees, padded rows) and all others are left to transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

_NAME = "vigil"


def use_attention(language: Any) -> None:
    """Have a language model of transformers look as described here. It then takes no mask, or one [B, 1, L, S]."""
    AttentionInterface.register(_NAME, attend)
    language.set_attn_implementation(_NAME)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,  # [B, H, L, D]
    key: torch.Tensor,  # [B, KV, S, D]; the last L of S are the query's own tokens
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """What each token gathers [B, L, H, D], as transformers wants it."""
    count, length = query.shape[2], key.shape[2]
    if attention_mask is not None or count in (1, length):
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
        return found
    heads = query.shape[1] // key.shape[1]
    gathered = scaled_dot_product_attention(
        query,
        repeat_kv(key, heads),
        repeat_kv(value, heads),
        attn_mask=causal_lower_right(count, length),
        scale=scaling,
    )
    return gathered.transpose(1, 2).contiguous(), None
