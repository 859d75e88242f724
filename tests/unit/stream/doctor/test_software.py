"""What the doctor says of Vigil's own parts, with and without them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import av
import pytest

from stream.config import from_mapping
from stream.doctor import checkup, software
from stream.doctor.asking import ask
from stream.doctor.findings import Finding, Verdict

OK, WARNING, PROBLEM = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM
TINY = Path(__file__).parents[4].parent / "shared" / "data" / "internvl2" / "internlm2-tiny"
CARD = "NVIDIA H200, 143771 MiB, 570.86.15"


def only(found: Iterable[Finding]) -> Finding:
    (finding,) = found
    return finding


def test_the_versions_are_those_that_are_installed() -> None:
    found = only(software.versions())
    assert found.values["vigil"] == metadata.version("vigil-vad")
    assert str(found.values["python"]) in found.message


def test_this_build_decodes_what_cameras_send_and_encodes_what_webcams_need() -> None:
    assert only(software.decoders()).verdict is OK
    assert only(software.encoder()).values["codec"] in ("h264", "mpeg4")


@pytest.mark.parametrize(("lost", "verdict"), [({"hevc"}, PROBLEM), ({"libdav1d", "libaom-av1", "libgav1"}, WARNING)])
def test_a_missing_decoder_is_worse_when_cameras_use_it(
    monkeypatch: pytest.MonkeyPatch, lost: set[str], verdict: Verdict
) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - lost)
    found = only(software.decoders())
    assert found.verdict is verdict
    assert "but not" in found.message
    assert found.advice


def test_hardware_that_is_only_compiled_in_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "hwdevices_available", lambda: ["no-such-device"])
    found = only(software.hardware_decoding())
    assert found.verdict is OK
    assert found.message.startswith("software only")
    assert found.values["opened"] == ""


@pytest.mark.parametrize(
    ("smi", "torch", "verdict", "words"),
    [
        (None, None, OK, "none, and the scorer needs none"),
        (CARD, None, OK, "not used"),
        (CARD, ["2.9.0", "NVIDIA H200"], OK, "used by PyTorch 2.9.0"),
        (CARD, ["2.9.0+cpu", None], WARNING, "can't use NVIDIA H200"),
        ("", None, WARNING, "finds no GPU"),
        (None, ["2.9.0", "the Apple GPU"], OK, "the Apple GPU, used by"),
        (None, [], WARNING, "does not load"),
    ],
)
def test_a_gpu_is_there_and_usable_or_not(
    monkeypatch: pytest.MonkeyPatch, smi: str | None, torch: list[str | None] | None, verdict: Verdict, words: str
) -> None:
    """`smi` is what nvidia-smi prints, `torch` what PyTorch says of itself: None when absent, empty when broken."""
    monkeypatch.setattr(shutil, "which", lambda name: None if smi is None else "/usr/bin/nvidia-smi")
    monkeypatch.setattr(software, "find_spec", lambda name: None if torch is None else object())

    def answer(command: list[str], limit_s: float) -> str | None:
        if command[0] == sys.executable:
            return json.dumps(torch) if torch else None
        return smi or None

    monkeypatch.setattr(software, "ask", answer)
    found = only(software.gpu(needed=False))
    assert found.verdict is verdict
    assert words in found.message


@pytest.mark.parametrize(
    ("weights", "says", "verdict", "words"),
    [
        ("off", None, OK, "off, as configured"),
        ("openai", ["/there/clip.safetensors", "", ""], OK, "CLIP's ViT-B-16 with /there/clip.safetensors"),
        ("openai", [None, "not in the cache", "they are fetched"], WARNING, "off: not in the cache"),
        ("openai", [], WARNING, "open_clip does not load"),
    ],
)
def test_cleaning_is_ready_or_not_or_off(
    monkeypatch: pytest.MonkeyPatch,
    weights: str,
    says: list[str | None] | None,
    verdict: Verdict,
    words: str,
) -> None:
    """`says` is what the search for the weights finds; empty when open_clip is broken, None when nothing is asked."""
    monkeypatch.setattr(software, "find_spec", lambda name: object())

    def answer(command: list[str], limit_s: float) -> str | None:
        assert says is not None
        assert command[-2:] == ["ViT-B-16", weights]
        return f"chatter\n{json.dumps(says)}" if says else None

    monkeypatch.setattr(software, "ask", answer)
    found = only(software.cleaning("ViT-B-16", weights))
    assert found.verdict is verdict
    assert words in found.message


def test_cleaning_is_off_without_open_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "find_spec", lambda name: None)
    found = only(software.cleaning("ViT-B-16", "openai"))
    assert found.verdict is OK
    assert "open_clip is not installed" in found.message
    assert "vlm" in found.advice


def test_without_a_scorer_that_understands_words_cleaning_is_off() -> None:
    (look,) = checkup.scorer_looks(from_mapping({}))
    assert only(look.run()).message == "off, as the scorer motion understands no words"


def test_the_search_for_the_weights_of_cleaning_fetches_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("open_clip", reason="needs the vlm extra")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    found = only(software.cleaning("ViT-B-16", "openai"))
    assert found.verdict is WARNING
    assert "not in the cache" in found.message
    assert "are not there" in only(software.cleaning("ViT-B-16", str(tmp_path / "no.safetensors"))).message
    assert list(tmp_path.rglob("*.safetensors*")) == []
    assert "no model 'ViT-B-61'" in only(software.cleaning("ViT-B-61", "openai")).message


def test_extras_are_whole_absent_or_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda name: [
            "numpy>=1.26",
            'numpy>=1.26; extra == "whole"',
            "no-such-part[fast]>=2; python_version < '4' and extra == 'half'",
            'av>=14.2; extra == "half"',
            'no-such-part; extra == "absent"',
            'vigil-vad[whole,half]; extra == "all"',
            'pytest; extra == "dev"',
        ],
    )
    found = {str(finding.values["extra"]): finding for finding in software.extras()}
    assert {name: finding.verdict for name, finding in found.items()} == {"whole": OK, "half": WARNING, "absent": OK}
    assert found["half"].values["lacking"] == "no-such-part"
    assert found["absent"].advice == "in Vigil's folder: .venv/bin/pip install --editable '.[absent]'"


def test_another_program_is_asked_in_bounded_time() -> None:
    assert ask([sys.executable, "-c", "print('  yes ')"], 60) == "yes"
    assert ask([sys.executable, "-c", "raise SystemExit(3)"], 60) is None
    assert ask([sys.executable, "-c", "import time; time.sleep(60)"], 0.2) is None
    assert ask(["/no/such/program"], 60) is None


def test_a_checkpoint_that_cannot_be_read_is_told_without_loading_it(tmp_path: Path) -> None:
    assert only(software.checkpoint(str(tmp_path))).verdict is PROBLEM


def test_a_checkpoint_of_the_hub_is_in_the_cache_or_fetched_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    constants = pytest.importorskip("huggingface_hub", reason="needs the vlm extra").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    found = only(software.checkpoint("OpenGVLab/InternVL2-8B"))
    assert (found.verdict, found.message) == (OK, f"the model OpenGVLab/InternVL2-8B is not in the cache {tmp_path}")
    assert "fetched when watching starts" in found.advice
    assert only(software.checkpoint("org/na--me")).verdict is PROBLEM
    assert only(software.checkpoint("/no/such/folder")).verdict is PROBLEM


@pytest.mark.skipif(not TINY.exists(), reason="the real checkpoints are not beside the project")
def test_a_checkpoint_in_the_cache_is_told_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    constants = pytest.importorskip("huggingface_hub", reason="needs the vlm extra").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--OpenGVLab--InternVL2-8B"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("0" * 40)
    (repo / "snapshots").mkdir()
    (repo / "snapshots" / ("0" * 40)).symlink_to(TINY)
    found = only(software.checkpoint("OpenGVLab/InternVL2-8B"))
    assert found.verdict is OK
    assert found.message.startswith(f"OpenGVLab/InternVL2-8B, from the hub's cache in {tmp_path}")


@pytest.mark.skipif(not TINY.exists(), reason="the real checkpoints are not beside the project")
def test_a_checkpoint_that_is_whole_is_called_by_its_language_model() -> None:
    found = only(software.checkpoint(str(TINY)))
    assert found.verdict is OK
    assert "InternLM2" in found.message
