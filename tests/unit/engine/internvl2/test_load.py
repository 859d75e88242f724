from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch
from safetensors.torch import save_file
from torch.nn import functional

from engine.errors import CheckpointError, DeviceLostError, ScorerError, UsageError
from engine.internvl2 import device_memory, weights
from engine.internvl2.load import load
from tests.unit.engine.internvl2.checkpoints import Tensors, config, loaded, logits, tensors, write

INTERNLM2, QWEN2, LLAMA = "InternLM2ForCausalLM", "Qwen2ForCausalLM", "LlamaForCausalLM"
LARGE_VISION = {
    "vision_config__qk_normalization": True,
    "vision_config__norm_type": "rms_norm",
    "vision_config__qkv_bias": False,
}


@pytest.mark.parametrize("language", [INTERNLM2, QWEN2, LLAMA])
def test_shards_make_the_same_model_as_one_file(tmp_path: Path, language: str) -> None:
    values = config(language)
    one = loaded(write(tmp_path / "one", values, tensors(values)))
    many = loaded(write(tmp_path / "many", values, tensors(values), shards=3))
    assert torch.equal(logits(one), logits(many))
    assert logits(one).std() > 0.01


@pytest.mark.parametrize("language", [INTERNLM2, QWEN2, LLAMA])
def test_tied_embeddings_make_the_same_model_as_an_equal_output_matrix(tmp_path: Path, language: str) -> None:
    tied, untied = config(language, llm_config__tie_word_embeddings=True), config(language)
    shared = tensors(tied)
    embeddings, output = _embedding_names(language)
    whole = {**shared, output: shared[embeddings].clone()}
    expected = logits(loaded(write(tmp_path / "untied", untied, whole)))
    assert torch.equal(logits(loaded(write(tmp_path / "tied", tied, shared))), expected)
    assert torch.equal(logits(loaded(write(tmp_path / "both", tied, whole))), expected)
    model = loaded(tmp_path / "tied").model
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_a_tied_model_with_another_output_matrix_is_refused(tmp_path: Path) -> None:
    values = config(QWEN2, llm_config__tie_word_embeddings=True)
    whole = tensors(values)
    whole["language_model.lm_head.weight"] = torch.zeros(320, 48)
    with pytest.raises(CheckpointError, match=r"holds another as language_model\.lm_head\.weight"):
        loaded(write(tmp_path, values, whole))


def test_an_untied_output_matrix_is_not_overwritten_by_the_embeddings(tmp_path: Path) -> None:
    values = config(QWEN2)
    whole = tensors(values)
    model = loaded(write(tmp_path, values, whole)).model
    assert torch.equal(model.get_parameter("lm_head.weight"), whole["language_model.lm_head.weight"])
    assert torch.equal(
        model.get_parameter("model.language_model.embed_tokens.weight"),
        whole["language_model.model.embed_tokens.weight"],
    )


def test_the_fused_matrices_give_the_queries_keys_and_values_of_the_original(tmp_path: Path) -> None:
    values = config(INTERNLM2, llm_config__bias=True)
    whole = tensors(values)
    model = loaded(write(tmp_path, values, whole)).model.model
    hidden = torch.randn(5, 48)
    layer = "language_model.model.layers.1.attention.wqkv"
    fused = functional.linear(hidden, whole[f"{layer}.weight"], whole[f"{layer}.bias"])
    grouped = fused.view(5, 2, 5, 8)  # tokens, key-value heads, 3 query heads + key + value, width of a head
    attention = model.language_model.layers[1].self_attn
    assert torch.allclose(attention.q_proj(hidden), grouped[:, :, :3].reshape(5, 48), atol=1e-6)
    assert torch.allclose(attention.k_proj(hidden), grouped[:, :, 3].reshape(5, 16), atol=1e-6)
    assert torch.allclose(attention.v_proj(hidden), grouped[:, :, 4].reshape(5, 16), atol=1e-6)
    hidden = torch.randn(5, 32)
    layer = "vision_model.encoder.layers.1.attn.qkv"
    thirds = functional.linear(hidden, whole[f"{layer}.weight"], whole[f"{layer}.bias"]).view(5, 3, 32)
    attention = model.vision_tower.encoder.layer[1].attention
    for index, projection in enumerate((attention.q_proj, attention.k_proj, attention.v_proj)):
        assert torch.allclose(projection(hidden), thirds[:, index], atol=1e-6)


def test_the_large_vision_model_has_its_norms_with_the_files_eps(tmp_path: Path) -> None:
    values = config(INTERNLM2, **LARGE_VISION, vision_config__layer_norm_eps=1e-3)
    whole = tensors(values)
    internvl2 = loaded(write(tmp_path, values, whole))
    layer = internvl2.model.model.vision_tower.encoder.layer[0]
    scale = whole["vision_model.encoder.layers.0.attn.q_norm.weight"]
    x = torch.randn(2, 32) * 0.05
    expected = scale * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3)
    assert torch.allclose(layer.attention.q_norm(x), expected, atol=1e-6)
    assert layer.attention.q_proj.bias is None
    assert not hasattr(layer.layernorm_before, "bias")
    del whole["vision_model.encoder.layers.1.attn.k_norm.weight"]
    with pytest.raises(CheckpointError, match=r"lacks the tensor vision_model\.encoder\.layers\.1\.attn\.k_norm"):
        loaded(write(tmp_path, values, whole))


def test_norms_that_the_configuration_does_not_know_are_unexpected(tmp_path: Path) -> None:
    whole = tensors(config(QWEN2, **LARGE_VISION))
    values = config(QWEN2, **LARGE_VISION | {"vision_config__qk_normalization": False})
    with pytest.raises(CheckpointError, match=r"unexpected tensor .*\.attn\.k_norm\.weight and 3 more"):
        loaded(write(tmp_path, values, whole))


def test_an_earlier_layer_of_the_vision_model_can_be_asked_for(tmp_path: Path) -> None:
    whole = tensors(config(QWEN2))
    last = loaded(write(tmp_path / "last", config(QWEN2), whole))
    earlier = loaded(write(tmp_path / "earlier", config(QWEN2, select_layer=-2), whole))
    shallow = {name: tensor for name, tensor in whole.items() if "vision_model.encoder.layers.1." not in name}
    expected = loaded(write(tmp_path / "shallow", config(QWEN2, vision_config__num_hidden_layers=1), shallow))
    assert torch.equal(logits(earlier), logits(expected))
    assert not torch.equal(logits(earlier), logits(last))


def test_the_facts_for_talking_to_the_model_come_along(tmp_path: Path) -> None:
    values = config(QWEN2, system_message="Be brief.")
    internvl2 = loaded(write(tmp_path, values, tensors(values)))
    assert internvl2.image_token_id == internvl2.tokenizer.id_of("<IMG_CONTEXT>")
    assert internvl2.stop_token_id == internvl2.tokenizer.id_of("<|im_end|>")
    assert (internvl2.tokens_per_tile, internvl2.image_size_px) == (4, 28)
    assert internvl2.template.system_message == "Be brief."
    assert not internvl2.model.training
    assert not any(parameter.requires_grad for parameter in internvl2.model.parameters())


def test_a_first_question_gets_its_mark_and_a_later_one_does_not(tmp_path: Path) -> None:
    values = config(QWEN2, system_message="S")
    internvl2 = loaded(write(tmp_path, values, tensors(values)))
    picture = "<img>" + "<IMG_CONTEXT>" * 8 + "</img>"
    assert f"user\n{picture}\nQ<|im_end|>" in internvl2.prompt("Q", tiles=[2])
    assert f"user\n{picture}\nA<|im_end|>" in internvl2.prompt("Q", tiles=[2], history=[("<image>\nA", "B")])
    with pytest.raises(ScorerError, match="0 places for pictures"):
        internvl2.prompt("Q", tiles=[2], history=[("A", "B")])


def test_features_must_fill_their_places_exactly(tmp_path: Path) -> None:
    values = config(QWEN2)
    internvl2 = loaded(write(tmp_path, values, tensors(values)))
    ids = torch.tensor([[1] + [internvl2.image_token_id] * 4])
    with pytest.raises(ScorerError, match="4 places for features of pictures, and there are 8"):
        internvl2.embed(ids, torch.zeros(2, 4, 48))
    assert torch.equal(internvl2.embed(ids, torch.ones(1, 4, 48))[0, 1:], torch.ones(4, 48))


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_are_kept_in_the_dtype_that_was_asked_for(tmp_path: Path, stored: torch.dtype) -> None:
    values = config(INTERNLM2)
    whole = {name: tensor.to(stored) for name, tensor in tensors(values).items()}
    internvl2 = load(write(tmp_path, values, whole), dtype=torch.bfloat16, device=torch.device("cpu"))
    assert {parameter.dtype for parameter in internvl2.model.parameters()} == {torch.bfloat16}
    expected = whole["language_model.output.weight"].to(torch.bfloat16)
    assert torch.equal(internvl2.model.get_parameter("lm_head.weight"), expected)
    assert torch.isfinite(internvl2.image_features(torch.randn(1, 3, 28, 28))).all()


def test_the_models_memory_is_its_own_and_not_the_files(tmp_path: Path) -> None:
    values = config(QWEN2)
    internvl2 = loaded(write(tmp_path, values, tensors(values)))
    before = logits(internvl2)
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(logits(internvl2), before)


def test_one_tensor_of_the_files_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = config(INTERNLM2)
    write(tmp_path, values, tensors(values), shards=3)
    held: list[weakref.ref[torch.Tensor]] = []
    most = 0
    read = weights._Shards.read

    def counted(shards: Any, name: str) -> torch.Tensor:
        nonlocal most
        tensor = read(shards, name)
        held.append(weakref.ref(tensor))
        most = max(most, sum(reference() is not None for reference in held))
        return tensor

    monkeypatch.setattr(weights._Shards, "read", counted)
    loaded(tmp_path)
    assert len(held) == len(tensors(values))
    assert most == 1


def test_a_model_that_does_not_fit_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = config(QWEN2)
    write(tmp_path, values, tensors(values))

    def never(shards: Any, name: str) -> torch.Tensor:
        raise AssertionError(f"{name} was read")

    monkeypatch.setattr(device_memory, "available_bytes", lambda device: 1000)
    monkeypatch.setattr(weights._Shards, "read", never)
    with pytest.raises(ScorerError, match=r"needs 0\.0 GiB of memory and cpu has 0\.0 GiB left"):
        loaded(tmp_path)


def test_a_model_that_leaves_no_memory_for_a_window_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = config(QWEN2)
    held = tensors(values)
    write(tmp_path, values, held)
    own = sum(each.numel() for each in held.values()) * 4
    monkeypatch.setattr(device_memory, "available_bytes", lambda device: own + 1000)
    with pytest.raises(ScorerError, match="with one window needs"):
        loaded(tmp_path)
    monkeypatch.setattr(device_memory, "available_bytes", lambda device: own + 2**30)
    loaded(tmp_path)


def test_a_device_that_is_lost_while_loading_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = config(QWEN2)
    write(tmp_path, values, tensors(values))

    def fails(shards: Any, name: str) -> torch.Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(weights._Shards, "read", fails)
    with pytest.raises(DeviceLostError):
        loaded(tmp_path)


def _truncated(folder: Path, whole: Tensors) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _not_safetensors(folder: Path, whole: Tensors) -> None:
    (folder / "model.safetensors").write_text("<html>not found</html>")


def _missing(folder: Path, whole: Tensors) -> None:
    del whole["mlp1.1.bias"]
    save_file(whole, folder / "model.safetensors")


def _unexpected(folder: Path, whole: Tensors) -> None:
    save_file({**whole, "mlp1.4.weight": torch.zeros(2)}, folder / "model.safetensors")


def _wrong_shape(folder: Path, whole: Tensors) -> None:
    save_file({**whole, "mlp1.1.bias": torch.zeros(47)}, folder / "model.safetensors")


def _wrong_fused_shape(folder: Path, whole: Tensors) -> None:
    name = "language_model.model.layers.0.attention.wqkv.weight"
    save_file({**whole, name: torch.zeros(79, 48)}, folder / "model.safetensors")


def _quantised(folder: Path, whole: Tensors) -> None:
    save_file({**whole, "mlp1.1.bias": torch.zeros(48, dtype=torch.int8)}, folder / "model.safetensors")


def _pickles(folder: Path, whole: Tensors) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _small_vocabulary(folder: Path, whole: Tensors) -> None:
    (folder / "config.json").write_text(json.dumps(config(INTERNLM2, llm_config__vocab_size=200)))


def _uneven_heads(folder: Path, whole: Tensors) -> None:
    (folder / "config.json").write_text(json.dumps(config(INTERNLM2, llm_config__num_attention_heads=7)))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_truncated, r"model\.safetensors is damaged or cut short"),
        (_not_safetensors, r"model\.safetensors is damaged or cut short"),
        (_missing, r"lacks the tensor mlp1\.1\.bias"),
        (_unexpected, r"holds the unexpected tensor mlp1\.4\.weight"),
        (_wrong_shape, r"mlp1\.1\.bias .* has the shape \[47\], from which .*linear_1\.bias \[48\] can't be made"),
        (_wrong_fused_shape, r"wqkv\.weight .* has the shape \[79, 48\]"),
        (_quantised, r"mlp1\.1\.bias .* is of type I8"),
        (_pickles, "holds its weights as pickles"),
        (_small_vocabulary, "tokenizer has 296 tokens and the model 200"),
        (_uneven_heads, "config.json describes a model that can't be built"),
    ],
)
def test_damaged_checkpoints_are_refused_in_one_line(tmp_path: Path, damage: Any, problem: str) -> None:
    values = config(INTERNLM2)
    whole = tensors(values)
    write(tmp_path, values, whole)
    damage(tmp_path, whole)
    with pytest.raises(CheckpointError, match=problem) as caught:
        loaded(tmp_path)
    assert "\n" not in str(caught.value)


def test_rotary_frequencies_that_old_files_hold_are_passed_over(tmp_path: Path) -> None:
    values = config(LLAMA)
    old = tensors(values) | {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)}
    new = loaded(write(tmp_path / "new", values, tensors(values)))
    assert torch.equal(logits(loaded(write(tmp_path / "old", values, old))), logits(new))


def test_both_models_take_the_attention_that_was_asked_for(tmp_path: Path) -> None:
    values = config(QWEN2)
    write(tmp_path, values, tensors(values))
    for wanted in ("sdpa", "eager"):
        model = load(tmp_path, dtype=torch.float32, device=torch.device("cpu"), attention=wanted).model.model
        assert model.vision_tower.config._attn_implementation == wanted
        assert model.language_model.config._attn_implementation == wanted


def test_an_attention_or_a_device_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    values = config(QWEN2)
    write(tmp_path, values, tensors(values))
    with pytest.raises(UsageError, match="attention 'hocus' can't be used"):
        load(tmp_path, dtype=torch.float32, device=torch.device("cpu"), attention="hocus")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="the device cuda can't be used"):
            load(tmp_path, dtype=torch.float32, device=torch.device("cuda"))


def _embedding_names(language: str) -> tuple[str, str]:
    if language == INTERNLM2:
        return "language_model.model.tok_embeddings.weight", "language_model.output.weight"
    return "language_model.model.embed_tokens.weight", "language_model.lm_head.weight"
