from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cleaning import Identity
from engine.errors import CheckpointError, UsageError
from engine.memory import Floats
from engine.motion import MotionScorer
from engine.prompts.questions import VERA_UCF_CRIME
from engine.scorer import Explanation, Request
from engine.scripted import ScriptedLanguageScorer, ScriptedScorer
from engine.types import Definition, Judgement
from stream.cli.watch import _overrides
from stream.config import from_mapping
from stream.config.models import InternVL2ScorerConfig
from stream.wiring.cameras import make_cleaner, make_source
from stream.wiring.scorers import make_scorer, with_cleaning
from tests.unit.stream.sources.videos import encode, rgb, split

TINY = Path(__file__).parents[3].parent / "shared" / "data" / "internvl2"


def internvl2(**keys: Any) -> dict[str, Any]:
    return {"scorer": {"kind": "internvl2", "model": "nowhere", **keys}}


def test_the_scorer_is_motion_unless_another_is_asked_for() -> None:
    assert isinstance(make_scorer(from_mapping({})), MotionScorer)


def test_a_model_on_the_command_line_means_internvl2() -> None:
    tree = _overrides([], None, None, "some/model", None, None, None, None, None, None, None)
    config = from_mapping(tree)
    assert isinstance(config.scorer, InternVL2ScorerConfig)
    assert (config.scorer.model, config.scorer.scoring) == ("some/model", "likelihood")


def test_guiding_questions_are_a_list_or_a_published_set() -> None:
    own = from_mapping(internvl2(questions=["Who is there?"])).scorer
    published = from_mapping(internvl2(questions="vera-ucf-crime")).scorer
    assert isinstance(own, InternVL2ScorerConfig)
    assert isinstance(published, InternVL2ScorerConfig)
    assert (own.questions, published.questions) == (("Who is there?",), VERA_UCF_CRIME)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"definition": "smoke"}, "scorer.definition: unknown key"),
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


def said(_request: Request) -> Explanation:
    return Explanation("It burns.")


def test_without_weights_to_compare_with_the_log_says_that_cleaning_is_off_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scorer = ScriptedLanguageScorer([], said)
    config = from_mapping(internvl2() | {"clip": {"weights": "nowhere.safetensors"}})
    assert with_cleaning(scorer, config) == (scorer, None)
    assert "cleaning is off: " in caplog.text


def test_a_scorer_without_words_has_nothing_to_clean(caplog: pytest.LogCaptureFixture) -> None:
    scorer = ScriptedScorer([])
    assert with_cleaning(scorer, from_mapping({})) == (scorer, None)
    assert not caplog.text


@pytest.mark.parametrize("scaling", ["fast", "exact"])
def test_a_camera_is_scaled_as_models_were_trained_where_that_is_asked_for(tmp_path: Path, scaling: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    path = encode(tmp_path / "a.mp4", size=(160, 96), pictures=1)
    camera = from_mapping({"cameras": {"a": {"source": str(path), "scaling": scaling}}}).cameras["a"]
    source = make_source(camera)
    source.open()
    _, _, (picture, *_) = split(list(source))
    whole = pillow.fromarray(rgb(picture, 160, 96))
    expected = np.asarray(whole.resize((64, 48), pillow.Resampling.BICUBIC))
    assert np.array_equal(rgb(picture, 64, 48), expected) == (scaling == "exact")
    source.close()


class Letters:
    """Sentences as how often they have an `a` and a `b`."""

    def embed(self, texts: Sequence[str]) -> Floats:
        counts = np.array([[text.count("a") + 0.01, text.count("b")] for text in texts])
        return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True))


def test_a_window_takes_over_the_words_that_fit_it_and_keeps_its_own_score() -> None:
    camera = from_mapping(internvl2() | {"cameras": {"front": {"source": "0"}}}).cameras["front"]
    cleaner = make_cleaner(camera.cleaning, Definition(), Letters())
    cleaner.push(Judgement(0.9, "bb bb bb", vector=np.array([0, 1], np.float32)))
    cleaned = cleaner.push(Judgement(0.7, "aa aa aa", vector=np.array([0, 1], np.float32))).now
    assert (cleaned.score, cleaned.text) == (0.7, "bb bb bb")


def test_without_vectors_nothing_is_cleaned() -> None:
    camera = from_mapping(internvl2() | {"cameras": {"front": {"source": "0"}}}).cameras["front"]
    assert isinstance(make_cleaner(camera.cleaning, Definition(), None), Identity)
