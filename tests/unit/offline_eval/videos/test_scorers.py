from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.motion import MotionScorer
from offline_eval.videos.scorers import Recipe, configured, fingerprint, with_verdicts
from stream.config import from_mapping
from tests.unit.offline_eval.videos.made import motion, recorded

MASK = [[0, 0], [1, 0], [1, 0.5]]


def checkpoint(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def settings_of(recipe: Recipe) -> Mapping[str, str]:
    return recipe.settings(recipe.make())


def test_a_recipe_makes_the_same_scorer_in_another_process() -> None:
    recipe = motion(motion={"sensitivity": 2.0}, masks=[MASK])
    again = pickle.loads(pickle.dumps(recipe))
    assert isinstance(again.make(), MotionScorer)
    assert settings_of(again) == settings_of(recipe)


def test_what_defaults_say_of_motion_holds_for_every_video() -> None:
    recipe = motion(motion={"sensitivity": 2.0}, masks=[MASK])
    scorer = recipe.make()
    assert isinstance(scorer, MotionScorer)
    recipe.introduce(scorer, "any video #1")
    assert scorer._camera("any video #1").settings.sensitivity == 2.0


def test_settings_tell_what_changes_the_answers_and_nothing_else() -> None:
    usual = settings_of(motion())
    assert usual["sensitivity"] == "1.0"
    assert settings_of(motion(motion={"sensitivity": 2.0})) != usual
    assert settings_of(motion(masks=[MASK])) != usual
    assert settings_of(configured(from_mapping({"scorer": {"kind": "motion", "timeout": "1s"}}))) == usual


def test_recorded_answers_are_told_apart_by_their_content_wherever_they_lie(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, text in zip(paths, ("{}", "{}", "{} "), strict=True):
        path.write_text(text)
    first, same, other = (recorded(path).settings(MotionScorer()) for path in paths)
    assert first == same != other
    with pytest.raises(UsageError, match="cannot read"):
        recorded(tmp_path / "none").settings(MotionScorer())


def test_the_addresses_of_cameras_stay_here() -> None:
    config = from_mapping({"cameras": {"front": {"source": "rtsp://user:secret@192.0.2.1/"}}})
    assert b"secret" not in pickle.dumps(configured(config))


def test_a_checkpoint_that_was_trained_further_is_another_one(tmp_path: Path) -> None:
    size = 5 << 20
    first = checkpoint(tmp_path / "first", bytes(size))
    assert fingerprint(first) == fingerprint(checkpoint(tmp_path / "copy", bytes(size)))
    assert fingerprint(first) != fingerprint(checkpoint(tmp_path / "further", b"\1" * size))
    assert fingerprint(first) != fingerprint(checkpoint(tmp_path / "short", bytes(3)))


def test_a_method_of_verdicts_has_them_written_out_by_whoever_can() -> None:
    config = from_mapping({"scorer": {"kind": "internvl2", "model": "m", "scoring": "scale"}})
    scorer = with_verdicts(config, "corevad").scorer
    assert (scorer.kind, getattr(scorer, "scoring", "")) == ("internvl2", "faithful")
    config = from_mapping({"scorer": {"kind": "recorded", "responses": "r"}})
    assert with_verdicts(config, "corevad") is config
    with pytest.raises(UsageError, match="corevad needs verdicts that are written out, which the scorer motion does"):
        with_verdicts(from_mapping({}), "corevad")
