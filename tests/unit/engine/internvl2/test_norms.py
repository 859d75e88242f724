from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch
from torch import nn

from engine.internvl2.norms import use_fused_norms
from tests.unit.engine.internvl2.checkpoints import config, loaded, logits, tensors, write


@pytest.mark.parametrize("language", ["InternLM2ForCausalLM", "LlamaForCausalLM", "Qwen2ForCausalLM"])
def test_fused_norms_change_no_result(language: str, tmp_path: Path) -> None:
    values = config(language)
    internvl2 = loaded(write(tmp_path, values, tensors(values)))
    before = logits(internvl2)
    own = internvl2.model.model.language_model
    use_fused_norms(own)
    norms = [module for module in own.modules() if "norm" in type(module).__name__.lower()]
    assert len(norms) == 2 * len(own.layers) + 1
    assert all(type(norm) is nn.RMSNorm and norm.eps == own.config.rms_norm_eps for norm in norms)
    assert not any(parameter.is_meta for parameter in own.parameters())
    assert (logits(internvl2) - before).abs().max() < 2e-6
    assert before.std() > 0.01
    assert torch.isfinite(before).all()
