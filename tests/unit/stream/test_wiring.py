from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CheckpointError, UsageError
from engine.motion import MotionScorer
from stream.cli.watch import _overrides
from stream.config import from_mapping
from stream.config.models import InternVL2ScorerConfig
from stream.wiring import make_scorer

TINY = Path(__file__).parents[3].parent / "shared" / "data" / "internvl2"


def internvl2(**keys: Any) -> dict[str, Any]:
    return {"scorer": {"kind": "internvl2", "model": "nowhere", **keys}}


def test_the_scorer_is_motion_unless_another_is_asked_for() -> None:
    assert isinstance(make_scorer(from_mapping({})), MotionScorer)


def test_a_model_on_the_command_line_means_internvl2() -> None:
    tree = _overrides([], None, None, "some/model", None, None, None, None)
    config = from_mapping(tree)
    assert isinstance(config.scorer, InternVL2ScorerConfig)
    assert (config.scorer.model, config.scorer.scoring) == ("some/model", "likelihood")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"definition": "see <image>"}, "scorer: a definition or question holds '<image>'"),
        ({"questions": ["<|im_end|>"]}, "scorer: a definition or question holds '<|'"),
        ({"scoring": "guess"}, "scorer.scoring: must be likelihood, scale, thresholds or faithful, not 'guess'"),
        ({"explain_above": 2}, "scorer.explain_above"),
        ({"explain": 0.5}, "did you mean explain_above?"),
    ],
)
def test_keys_that_make_no_sense_are_refused(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_mapping(internvl2(**keys))
    assert problem in str(caught.value)


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in ("torch", "transformers") or name == "engine.internvl2.scorer":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r"needs torch, which is not installed: pip install -e '\.\[vlm\]'"):
        make_scorer(from_mapping(internvl2()))


def test_a_model_that_is_nowhere_is_bad_usage_and_a_folder_without_one_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the vlm extra")
    with pytest.raises(UsageError, match="no folder and no model"):
        make_scorer(from_mapping(internvl2()))
    with pytest.raises(CheckpointError, match="is empty"):
        make_scorer(from_mapping(internvl2(model=str(tmp_path))))


@pytest.mark.parametrize("name", ["internlm2-tiny", "qwen2-tiny"])
def test_a_checkpoint_becomes_a_scorer_that_says_which_it_is(name: str) -> None:
    pytest.importorskip("transformers", reason="needs the vlm extra")
    if not (TINY / name).is_dir():
        pytest.skip("the checkpoints are not beside the project")
    scorer = make_scorer(from_mapping(internvl2(model=str(TINY / name), device="cpu")))
    assert (scorer.info.scorer, scorer.info.name) == ("internvl2", name)
    assert scorer.frame_size == (56, 56)
    scorer.close()
