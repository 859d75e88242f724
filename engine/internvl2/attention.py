"""How the language model's tokens look at one another: the fastest kernel that each kind of pass can have.

Several heads of queries share one of keys and values, which torch's kernels would have repeated for each but for flash,
and flash takes no mask. So a pass over what follows kept tokens, which is causal at the lower right (its last token
sees everything), goes to flash in the form that needs no mask. In all others the heads that share keys are laid out
behind one another, as if they were further tokens: nothing is repeated then but the mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.backends.cuda import SDPAParams, can_use_flash_attention
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

_NAME = "vigil"


def use_attention(language: Any) -> None:
    """Have a language model of transformers look as described here. It then takes no mask, or one [B, 1, L, S]."""
    AttentionInterface.register(_NAME, attend)
    language.set_attn_implementation(_NAME)


def attend(
    _module: torch.nn.Module,
    query: torch.Tensor,  # [B, H, L, D]
    key: torch.Tensor,  # [B, KV, S, D]; the last L of S are the query's own tokens
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # bool [B, 1, L, S], or None: each token sees all before it
    scaling: float | None = None,
    **_more: Any,
) -> tuple[torch.Tensor, None]:
    """What each token gathers [B, L, H, D], as transformers wants it."""
    count, length = query.shape[2], key.shape[2]
    if attention_mask is None and count > 1:
        if can_use_flash_attention(SDPAParams(query, key, value, None, 0.0, False, True)):
            gathered = scaled_dot_product_attention(
                query, key, value, attn_mask=causal_lower_right(count, length), scale=scaling, enable_gqa=True
            )
            return gathered.transpose(1, 2).contiguous(), None
        attention_mask = torch.ones(1, 1, count, length, dtype=torch.bool, device=query.device).tril(length - count)
    shared = query.shape[1] // key.shape[1]
    gathered = scaled_dot_product_attention(
        query.reshape(len(query), key.shape[1], shared * count, -1),
        key,
        value,
        attn_mask=None if attention_mask is None else attention_mask.repeat(1, 1, shared, 1),
        scale=scaling,
    )
    by_head = gathered.unflatten(2, (shared, count))  # [B, KV, H / KV, L, D]
    return by_head.permute(0, 3, 1, 2, 4).flatten(2, 3).contiguous(), None
