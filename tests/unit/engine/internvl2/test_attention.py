from __future__ import annotations

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")

import torch

from engine.internvl2 import attention
from engine.internvl2.attention import attend

LAYER = torch.nn.Module()  # which nothing is asked of


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sight: torch.Tensor) -> torch.Tensor:
    """By the definition of attention: [B, L, H, D]."""
    heads = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(heads, dim=1) for states in (key, value))
    logits = query @ key.transpose(2, 3) * 0.3
    weights = logits.masked_fill(~sight, -torch.inf).softmax(-1)
    return (weights @ value).transpose(1, 2)


def states(count: int, length: int, heads: int, groups: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count + length)
    shapes = (3, heads, count, 16), (3, heads // groups, length, 16), (3, heads // groups, length, 16)
    query, key, value = (torch.randn(shape, generator=generator) for shape in shapes)
    return query, key, value


@pytest.mark.parametrize("flash", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(("count", "length"), [(7, 7), (7, 20), (1, 20), (2, 3)])
def test_without_a_mask_each_token_sees_all_before_it(
    monkeypatch: pytest.MonkeyPatch, count: int, length: int, groups: int, flash: bool
) -> None:
    monkeypatch.setattr(attention, "can_use_flash_attention", lambda _params: flash)
    query, key, value = states(count, length, 6, groups)
    sight = torch.ones(count, length, dtype=torch.bool).tril(length - count)
    found, weights = attend(LAYER, query, key, value, None, scaling=0.3)
    assert weights is None
    assert (found - plain(query, key, value, sight)).abs().max() < 2e-6
    assert found.is_contiguous()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_mask_counts_where_there_is_one(rows: int) -> None:
    query, key, value = states(5, 12, 6, 3)
    sight = torch.rand(rows, 1, 5, 12, generator=torch.Generator().manual_seed(1)) < 0.5
    sight[..., 0] = True
    found, _ = attend(LAYER, query, key, value, sight, scaling=0.3)
    assert (found - plain(query, key, value, sight)).abs().max() < 2e-6
