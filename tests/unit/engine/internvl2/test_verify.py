from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch
from safetensors.torch import load_file, save_file

from engine.internvl2.compare import TOLERANCE
from engine.internvl2.verify import main
from tests.unit.engine.internvl2.checkpoints import SHARED, config, loaded, logits, tensors, write

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="shared/data/internvl2 is not here")

Capture = pytest.CaptureFixture[str]


def _verified(capsys: Capture, *arguments: Path) -> tuple[int, dict[str, Any], str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    report: dict[str, Any] = json.loads(captured.out)
    return code, report, captured.err


@needs_shared
@pytest.mark.parametrize("name", ["internlm2-tiny", "qwen2-tiny"])
def test_the_authors_outputs_are_met(name: str, capsys: Capture) -> None:
    code, report, said = _verified(capsys, SHARED / name, SHARED / name / "oracle.npz")
    assert (code, said) == (0, "")
    assert report["ok"] is True
    assert (report["greedy_equal"], report["prompts_equal"], report["tokens_equal"]) == (True, True, True)
    held = set(np.load(SHARED / name / "oracle.npz").files)
    inputs = {name for name in held if name.endswith(("_input_ids", "_attention_mask", "_positions"))}
    exact = {name for name in held if name.endswith(("_greedy", "_greedy_nocache"))}
    assert set(report["max_abs_diff"]) == held - inputs - exact - {"pixel_values", "img_context_token_id"}
    assert all(value <= TOLERANCE for value in report["max_abs_diff"].values())


@needs_shared
@pytest.mark.parametrize("name", ["tok-internlm2", "tok-qwen2"])
def test_a_folder_with_a_tokenizer_alone_can_be_verified(name: str, capsys: Capture) -> None:
    code, report, _ = _verified(capsys, SHARED / name)
    assert code == 0
    oracle = json.loads((SHARED / name / "tokenizer_oracle.json").read_text(encoding="utf-8"))
    count = len(oracle["cases"]) + len(oracle["special_ids"])
    assert report == {
        "max_abs_diff": {},
        "greedy_equal": None,
        "prompts_equal": None,
        "tokens_equal": True,
        "tokens": f"{count} of {count}",
        "not_compared": [],
        "ok": True,
    }


@needs_shared
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "language_model.model.layers.0.feed_forward.w1.weight",
            "language_model.model.layers.0.feed_forward.w3.weight",
        ),
        ("vision_model.encoder.layers.1.ls1", "vision_model.encoder.layers.1.ls2"),
        ("language_model.model.layers.0.ffn_norm.weight", "language_model.model.layers.1.ffn_norm.weight"),
    ],
)
def test_two_tensors_that_changed_places_are_found(tmp_path: Path, capsys: Capture, first: str, second: str) -> None:
    folder = _copy(tmp_path)
    whole = load_file(folder / "model.safetensors")
    whole[first], whole[second] = whole[second], whole[first]
    save_file(whole, folder / "model.safetensors")
    code, report, said = _verified(capsys, folder, SHARED / "internlm2-tiny" / "oracle.npz")
    assert (code, report["ok"]) == (1, False)
    assert report["max_abs_diff"]["short_logits"] > TOLERANCE
    assert "short_logits" in said


@needs_shared
def test_a_wrong_prompt_is_found_and_so_is_a_wrong_token(tmp_path: Path, capsys: Capture) -> None:
    folder = _copy(tmp_path)
    oracle = json.loads((folder / "chat_oracle.json").read_text(encoding="utf-8"))
    oracle["cases"][1]["prompt"] += " "
    oracle["cases"][2]["input_ids"][-1] = 1
    (folder / "chat_oracle.json").write_text(json.dumps(oracle))
    (folder / "oracle.npz").unlink()
    code, report, said = _verified(capsys, folder, folder / "chat_oracle.json")
    assert (code, report["ok"], report["prompts_equal"], report["tokens_equal"]) == (1, False, False, False)
    assert report["greedy_equal"] is True  # of the one case without pictures
    assert "prompt chat case 1" in said
    assert "tokens chat case 2" in said


def test_shapes_and_values_that_cannot_be_compared_are_no_agreement(tmp_path: Path, capsys: Capture) -> None:
    folder = _own(tmp_path)
    np.savez(
        tmp_path / "oracle.npz",
        short_input_ids=np.array([[1, 2, 3]]),
        short_logits=np.zeros((1, 3, 319), dtype=np.float32),
        short_last_logits=np.full((1, 320), np.nan, dtype=np.float32),
    )
    code, report, _ = _verified(capsys, folder, tmp_path / "oracle.npz")
    assert code == 1
    assert report["max_abs_diff"] == {"short_logits": None, "short_last_logits": None}


def test_a_tensor_of_no_known_kind_is_no_agreement_and_is_named(tmp_path: Path, capsys: Capture) -> None:
    folder = _own(tmp_path)
    expected = logits(loaded(folder))
    internvl2 = loaded(folder)
    ids = internvl2.tokenizer.encode(internvl2.prompt("Is the gate open?", tiles=[1]))
    pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(5))
    np.savez(
        tmp_path / "oracle.npz",
        pixel_values=pixels.numpy(),
        chat_input_ids=np.array([ids]),
        chat_logits=expected.numpy(),
        chat_dreams=np.zeros(3),
        vit_patch_embeds=np.zeros(3),
    )
    code, report, said = _verified(capsys, folder, tmp_path / "oracle.npz")
    assert (code, report["ok"], set(report["max_abs_diff"])) == (1, False, {"chat_logits"})
    assert report["not_compared"] == ["chat_dreams", "vit_patch_embeds"]
    assert "chat_dreams (of no known kind, not compared)" in said


def test_a_checkpoint_that_cannot_be_loaded_is_a_failure_in_one_line(tmp_path: Path, capsys: Capture) -> None:
    folder = _own(tmp_path)
    np.savez(tmp_path / "oracle.npz", short_input_ids=np.array([[1, 2, 3]]))
    (folder / "model.safetensors").unlink()
    assert main([str(folder), str(tmp_path / "oracle.npz")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["nowhere"], [".", "nowhere.npz"], ["--wrong", "."], [".", "a", "b"]])
def test_bad_usage_is_one_line_on_stderr(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_a_folder_without_an_oracle_and_one_that_is_none_are_bad_usage(tmp_path: Path, capsys: Capture) -> None:
    folder = _own(tmp_path)
    assert main([str(folder)]) == 2
    assert "holds no oracle.npz" in capsys.readouterr().err
    (tmp_path / "oracle.npz").write_text("no tensors")
    assert main([str(folder), str(tmp_path / "oracle.npz")]) == 2
    assert "oracle.npz can't be read" in capsys.readouterr().err


def _own(tmp_path: Path) -> Path:
    values = config("Qwen2ForCausalLM")
    return write(tmp_path / "model", values, tensors(values))


def _copy(tmp_path: Path) -> Path:
    """The shared InternLM2 checkpoint, in a folder that can be written."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (SHARED / "internlm2-tiny").iterdir():
        shutil.copyfile(path, folder / path.name)
    return folder
