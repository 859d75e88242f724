"""A checkpoint as transformers writes it is the same model as the authors' that it was made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2Tokenizer

from engine.errors import CheckpointError
from engine.internvl2.files import missing_files
from engine.internvl2.load import InternVL2
from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
from engine.types import Definition
from tests.unit.engine.internvl2.checkpoints import SHARED, config, loaded, logits, tensors, write
from tests.unit.engine.internvl2.windows import window


def convert(original: Path, folder: Path) -> Path:
    """What transformers' own classes write of a checkpoint and its tokenizer."""
    loaded(original).model.save_pretrained(folder)
    Qwen2Tokenizer.from_pretrained(original).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint in the authors' format and the same as transformers writes it."""
    folder = tmp_path_factory.mktemp("pair")
    values = config(
        "Qwen2ForCausalLM",
        template="internvl2_5",
        llm_config__vocab_size=266,
        llm_config__tie_word_embeddings=request.param,
    )
    original = write(folder / "original", values, {name: each * 1.5 for name, each in tensors(values, seed=3).items()})
    return original, convert(original, folder / "converted-hf")


def change(folder: Path, **changes: Any) -> None:
    """Change config.json; `text_config__key=value` goes inside."""
    values = json.loads((folder / "config.json").read_text())
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        (values[section] if section else values)[key] = value
    (folder / "config.json").write_text(json.dumps(values))


def test_weights_prompt_and_tokens_are_those_of_the_original(pair: tuple[Path, Path]) -> None:
    original, converted = map(loaded, pair)
    assert torch.equal(logits(original), logits(converted))
    for fact in ("template", "image_token_id", "stop_token_id", "tokens_per_tile", "image_size_px"):
        assert getattr(original, fact) == getattr(converted, fact)
    for text in ("Is the gate open? # an\n\n ä", original.prompt("Who?", tiles=[1])):
        ids = original.tokenizer.encode(text)
        assert converted.tokenizer.encode(text) == ids
        assert converted.tokenizer.decode(ids) == original.tokenizer.decode(ids)


def test_scores_and_sentences_are_those_of_the_original(pair: tuple[Path, Path]) -> None:
    def judged(internvl2: InternVL2) -> list[Any]:
        scorer = InternVL2Scorer(internvl2, InternVL2Settings(explain_above=0.0), name="tiny")
        scorer.define("front", [Definition(), Definition("smoke", "smoke or fire")])
        return list(scorer.score([window(28), window(28, 2)]))

    original, converted = (judged(loaded(folder)) for folder in pair)
    assert original == converted
    assert original[0].score != original[1].score


@pytest.mark.skipif(not SHARED.exists(), reason="the checkpoints are not beside the project")
def test_a_checkpoint_with_every_special_token_is_converted_alike(tmp_path: Path) -> None:
    original = tmp_path / "original"
    shutil.copytree(SHARED / "qwen2-tiny", original)
    change(original, template="internvl2_5", system_message=None)
    first, second = loaded(original), loaded(convert(original, tmp_path / "converted-hf"))
    prompt = first.prompt("Give the box of <ref>a man</ref>, please.", tiles=[2])
    assert second.prompt("Give the box of <ref>a man</ref>, please.", tiles=[2]) == prompt
    ids = first.tokenizer.encode(prompt)
    assert second.tokenizer.encode(prompt) == ids
    with torch.inference_mode():
        outputs = [each.model(inputs_embeds=each.embed(torch.tensor([ids]))).logits for each in (first, second)]
    assert torch.equal(*outputs)


def test_what_older_versions_wrote_otherwise_is_read_too(pair: tuple[Path, Path], tmp_path: Path) -> None:
    original, converted = pair
    older = tmp_path / "older-hf"
    shutil.copytree(converted, older)
    values = json.loads((older / "config.json").read_text())
    text, vision = values["text_config"], values["vision_config"]
    text["rope_theta"] = text.pop("rope_parameters")["rope_theta"]
    text["rope_scaling"] = {"type": "dynamic", "factor": 2.0}
    del values["tie_word_embeddings"], values["image_token_id"], text["tie_word_embeddings"]
    vision |= {"image_size": 28, "patch_size": 7}
    (older / "config.json").write_text(json.dumps(values))
    assert torch.equal(logits(loaded(original)), logits(loaded(older)))


def test_all_that_it_needs_of_a_tokenizer_is_one_file(pair: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "converted-hf"
    shutil.copytree(pair[1], folder)
    assert missing_files(folder) == []
    (folder / "tokenizer.json").unlink()
    assert missing_files(folder) == ["tokenizer.json"]
    with pytest.raises(CheckpointError, match=r"the tokenizer in .* can't be read"):
        loaded(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"text_config__model_type": "qwen3"}, "transformers' own format and has the language model 'qwen3'"),
        ({"text_config__rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "the rope scaling 'yarn'"),
        ({"text_config__num_hidden_layers": 3}, r"lacks the tensor language_model\.model\.layers\.2\."),
        ({"vision_config__image_size": [28, 56]}, "28 x 56 is no square"),
        ({"vision_config__image_size": "large"}, "make no sense"),
        ({"text_config": None}, "text_config is no object"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(
    pair: tuple[Path, Path], tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    folder = tmp_path / "converted-hf"
    shutil.copytree(pair[1], folder)
    change(folder, **changes)
    with pytest.raises(CheckpointError, match=problem) as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)


def test_tensors_that_no_model_has_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "converted-hf"
    shutil.copytree(pair[1], folder)
    held = load_file(folder / "model.safetensors")
    save_file({**held, "vision_tower.extra": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"unexpected tensor vision_tower\.extra"):
        loaded(folder)
