"""What every scorer that understands words promises beside what all scorers do. A new one is one line in SCORERS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from engine.scorer import Explanation, LanguageScorer, Request
from engine.scripted import ScriptedLanguageScorer
from engine.types import Box, Definition, Frame, Judgement, Window
from tests.contract.test_scorers import internvl2

HELMET = Definition("helmet", "a person without a helmet")
FIRE = Definition("fire", "smoke or fire", ignore="a barbecue")
MOST_STEPS = 500  # of one call of explain


class Scripted(ScriptedLanguageScorer):
    """Judges by every definition of the camera."""

    def __init__(self) -> None:
        super().__init__([], lambda request: Explanation(f"It scores {request.score}.", (Box(0, 0, 0.5, 0.5),)))

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        return [
            Judgement(0.5, further={each.name: Judgement(0.25) for each in self.definitions.get(window.camera, ())[1:]})
            for window in windows
        ]


SCORERS: list[tuple[str, Callable[[], object]]] = [("scripted", Scripted), ("internvl2", internvl2)]


@pytest.fixture(params=[make for _, make in SCORERS], ids=[name for name, _ in SCORERS])
def scorer(request: pytest.FixtureRequest) -> Iterator[LanguageScorer]:
    made = request.param()
    assert isinstance(made, LanguageScorer)
    yield made
    made.close()


def windows(scorer: LanguageScorer, camera: str, count: int = 2, frames: int = 2) -> list[Window]:
    """Windows of noise, one after the other."""
    width, height = scorer.frame_size
    noise = np.random.default_rng(len(camera)).integers(0, 256, (count * frames, height, width, 3), dtype=np.uint8)
    made = [Frame(camera, 0, slot, slot / 2, slot / 2, slot / 2, image) for slot, image in enumerate(noise)]
    return [Window(camera, 0, at, tuple(made[at * frames : (at + 1) * frames]), 1.0) for at in range(count)]


def explain(scorer: LanguageScorer, requests: Sequence[Request]) -> dict[int, Explanation]:
    found: dict[int, Explanation] = {}
    for step, done in enumerate(scorer.explain(requests)):
        assert step < MOST_STEPS
        assert not found.keys() & done.keys()  # each once
        found |= done
    return found


def test_each_definition_of_a_camera_has_its_own_judgement(scorer: LanguageScorer) -> None:
    scorer.define("front", [HELMET, FIRE, Definition()])
    judged = scorer.score(windows(scorer, "front") + windows(scorer, "back"))
    assert [set(each.further) for each in judged] == [{"fire", "default"}] * 2 + [set()] * 2
    scores = [each.score for one in judged for each in (one, *one.further.values())]
    assert all(score is not None and 0 <= score <= 1 for score in scores)


def test_new_definitions_hold_from_the_next_window_on_and_go_with_the_camera(scorer: LanguageScorer) -> None:
    scorer.define("front", [HELMET, FIRE])
    first, second, third = windows(scorer, "front", 3)
    assert set(scorer.score([first])[0].further) == {"fire"}
    scorer.define("front", [FIRE, HELMET])
    assert set(scorer.score([second])[0].further) == {"helmet"}
    scorer.forget("front")
    assert scorer.score([third])[0].further == {}


def test_what_is_asked_can_be_told_from_the_hash(scorer: LanguageScorer) -> None:
    hashes = [scorer.info_for(each).prompt_sha256 for each in (HELMET, FIRE, Definition())]
    assert all(len(each or "") == 64 for each in hashes)
    assert len(set(hashes)) == 3
    assert scorer.info_for(HELMET) == scorer.info_for(HELMET)
    assert {scorer.info_for(each).name for each in (HELMET, FIRE)} == {scorer.info.name}


def test_every_request_is_explained_once_in_one_line_with_sound_boxes(scorer: LanguageScorer) -> None:
    first, second = windows(scorer, "front")
    requests = [
        Request(first, HELMET, 0.9, boxes=True),
        Request(second, FIRE, 0.2),
        Request(second, HELMET, 0.9, said=("A man waits.", "A man runs.")),
    ]
    found = explain(scorer, requests)
    assert set(found) == {0, 1, 2}
    for each in found.values():
        assert each.text or each.reason
        assert (each.text or "").isprintable()
        assert all(0 <= box.x1 < box.x2 <= 1 and 0 <= box.y1 < box.y2 <= 1 for box in each.boxes)


def test_explaining_between_windows_leaves_their_scores_as_they_are(scorer: LanguageScorer) -> None:
    first, second = windows(scorer, "front")
    undisturbed = [scorer.score([each])[0].score for each in (first, second)]
    scorer.forget("front")
    before = scorer.score([first])[0].score
    work = scorer.explain([Request(first.copy(), HELMET, 0.9)])
    next(work)
    between = scorer.score([second])[0].score
    list(work)
    assert [before, between] == pytest.approx(undisturbed, abs=1e-6)
