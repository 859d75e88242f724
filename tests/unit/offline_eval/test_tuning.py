from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import UsageError
from offline_eval.datasets import Span, Video
from offline_eval.material import Material
from offline_eval.methods.online import make_cleaners, score_points
from offline_eval.tuned import configuration, out_of_fold_run
from offline_eval.tuning import PARTS, Search, Tuned, stratified_folds, tune
from stream.config import load
from tests.unit.engine.sentences import WordEncoder
from tests.unit.offline_eval.made import material

SEARCH = Search(parts=("meaning", "scene"), folds=3, scorings=4, policies=6, seed=1)


def tuned(made: Material, videos: tuple[Video, ...] | None = None, search: Search = SEARCH) -> Tuned:
    return tune(videos or made.coverage.videos, made.said, WordEncoder(), 30.0, search)


def test_folds_share_out_every_category() -> None:
    videos = [Video(f"v{index}", ("Fire",) if index < 10 else ()) for index in range(26)]
    folds = stratified_folds(videos, 5, np.random.default_rng(0))
    for normal in (True, False):
        counts = Counter(fold for fold, video in zip(folds.tolist(), videos, strict=True) if video.normal == normal)
        assert max(counts.values()) - min(counts.values()) <= 1
        assert len(counts) == 5


def test_the_same_seed_chooses_the_same(tmp_path: Path) -> None:
    made = material(tmp_path)
    one, two = tuned(made), tuned(made)
    assert one.per_fold[0].policy == two.per_fold[0].policy
    assert (one.chosen.meaning, one.time_constant_s) == (two.chosen.meaning, two.time_constant_s)
    other = tuned(made, search=replace(SEARCH, seed=2))
    assert (one.folds != other.folds).any()


def test_a_folds_choice_and_scores_do_not_depend_on_its_own_annotations(tmp_path: Path) -> None:
    made = material(tmp_path)
    videos, before = made.coverage.videos, tuned(made)
    for fold in range(SEARCH.folds):
        changed = tuple(
            replace(video, spans=(Span(0, 30),)) if before.folds[index] == fold and not video.normal else video
            for index, video in enumerate(videos)
        )
        after = tuned(made, changed)
        np.testing.assert_array_equal(before.folds, after.folds)
        assert before.per_fold[fold].policy == after.per_fold[fold].policy
        assert before.per_fold[fold].meaning == after.per_fold[fold].meaning
        for one, two in zip(before.out_of_fold, after.out_of_fold, strict=True):
            if before.folds[videos.index(one.video)] == fold:
                assert [point.score for point in one.points] == [point.score for point in two.points]
                assert one.alerted.alerts == two.alerted.alerts


def test_out_of_fold_scores_are_ranks_of_what_the_folds_choice_gives(tmp_path: Path) -> None:
    made = material(tmp_path)
    found, encoder = tuned(made), WordEncoder()
    for each, fold in zip(found.out_of_fold, found.folds.tolist(), strict=True):
        settings = found.per_fold[fold]
        cleaner, said = make_cleaners(settings.meaning, encoder)(), made.said[each.video.name].windows
        scores = [point.score for point in score_points(each.video, said, cleaner, settings.smoother())]
        ranks = [point.score for point in each.points]
        assert all(rank is not None and 0 <= rank <= 1 for rank in ranks)
        order = np.argsort(np.array(scores, float), kind="stable")
        assert (np.diff(np.array(ranks, float)[order]) >= 0).all()


def test_every_fold_has_its_own_figures(tmp_path: Path) -> None:
    spread = tuned(material(tmp_path)).spread
    assert {len(spread[name]) for name in ("roc_auc", "event_recall")} == {3}


def test_without_parts_only_smoothing_and_alerts_are_chosen(tmp_path: Path) -> None:
    made = material(tmp_path)
    found = tune(made.coverage.videos, made.said, None, 30.0, replace(SEARCH, parts=()))
    assert found.chosen.meaning is None


def test_parts_that_are_left_out_have_no_part(tmp_path: Path) -> None:
    meaning = tuned(material(tmp_path), search=replace(SEARCH, parts=("change",))).chosen.meaning
    assert meaning is not None
    assert (meaning.slope, meaning.scene_weight, meaning.memory_windows) == (0, 0, 1)
    assert meaning.change_weight > 0


def test_what_was_chosen_is_a_file_that_watch_takes(tmp_path: Path) -> None:
    made = material(tmp_path)
    found = tuned(made)
    figures = out_of_fold_run(made, found, SEARCH, resamples=10).report.evaluation.figures()
    path = tmp_path / "tuned.yaml"
    path.write_text(configuration(made, found, SEARCH, figures))
    camera = load(path).defaults
    assert camera.alerts.policy() == found.chosen.policy
    assert camera.smoothing.smoother().push(0.0, 0.5) == 0.5
    text = path.read_text()
    assert (camera.cleaning.memory, camera.cleaning.neighbours) == ("off", "off")
    assert "vigil watch weighs meaning by values of its own" in text
    for told in ("annotations.json (sha256 ", "folds: 3", "seed 1", "objective: ", "roc_auc ", "time_constant: "):
        assert told in text


def test_without_resamples_no_interval_is_made_up(tmp_path: Path) -> None:
    made = material(tmp_path)
    found = tuned(made)
    text = configuration(
        made, found, SEARCH, out_of_fold_run(made, found, SEARCH, resamples=0).report.evaluation.figures()
    )
    assert "nan" not in text
    assert "# Out of fold, with the folds' lowest and highest:" in text


def test_a_run_out_of_fold_says_that_it_is(tmp_path: Path) -> None:
    made = material(tmp_path)
    run = out_of_fold_run(made, tuned(made), SEARCH, resamples=10)
    assert run.report.method == "online, out of fold"
    assert run.report.settings["parameters"].startswith("out of fold: 3 folds over videos")


def test_searches_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    made = material(tmp_path)
    with pytest.raises(UsageError, match=f"no part is called 'mood': there are {', '.join(PARTS)}"):
        Search(parts=("mood",))
    with pytest.raises(UsageError, match="two folds or more"):
        Search(folds=1)
    with pytest.raises(UsageError, match="meaning needs sentence vectors"):
        tune(made.coverage.videos, made.said, None, 30.0, SEARCH)
    with pytest.raises(UsageError, match="24 videos make no 30 folds"):
        tuned(made, search=replace(SEARCH, folds=30))
