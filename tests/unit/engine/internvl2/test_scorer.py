from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch

from engine.errors import ScorerError, UsageError
from engine.internvl2 import scorer as scorer_module
from engine.internvl2.load import InternVL2
from engine.internvl2.plain import PlainReading
from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
from engine.internvl2.scoring import Scoring, Wording, questions, rest_of_reply, scores
from engine.prompts.texts import prompt_text
from engine.replies import sentence_of
from engine.types import Window
from engine.worker import judge
from tests.unit.engine.internvl2.checkpoints import config, loaded, tensors, write
from tests.unit.engine.internvl2.windows import window

SIDE = 28
ALWAYS = 0.0  # explain above


@pytest.fixture(scope="module")
def internvl2(tmp_path_factory: pytest.TempPathFactory) -> InternVL2:
    # No more tokens than the tokenizer knows, and larger numbers, so that windows are told apart.
    values = config("InternLM2ForCausalLM", llm_config__vocab_size=296)
    weights = {name: tensor * 1.5 for name, tensor in tensors(values, seed=3).items()}
    return loaded(write(tmp_path_factory.mktemp("model"), values, weights))


@pytest.fixture
def make(internvl2: InternVL2) -> Callable[..., InternVL2Scorer]:
    return lambda **settings: InternVL2Scorer(internvl2, InternVL2Settings(**settings), name="tiny")


def mixed() -> list[Window]:
    """Windows of two cameras and of three lengths, some of which share frames."""
    return [
        window(SIDE, 0),
        window(SIDE, 0, camera="yard", frames=3),
        window(SIDE, 2),
        window(SIDE, 0, frames=1),
        window(SIDE, 3, camera="yard"),
        window(SIDE, 4),
    ]


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE, Scoring.THRESHOLDS])
def test_scores_and_sentences_are_those_of_whole_passes(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch, scoring: Scoring
) -> None:
    monkeypatch.setattr(scorer_module, "SENTENCE_TOKENS", 8)
    judgements = make(scoring=scoring, explain_above=ALWAYS).score(mixed())
    plain = PlainReading(internvl2, prompt_text("task"))
    asked = questions(scoring, Wording())
    for judged, judgement in list(zip(mixed(), judgements, strict=True))[:3]:
        expected = scores(scoring, plain.weigh(judged, asked)[None])[0]
        assert judgement.score == pytest.approx(expected, abs=2e-5)
        text = plain.write(judged, rest_of_reply(Wording(), anomalous=expected >= 0.5), 8)
        assert judgement.text == sentence_of(text)


def test_batches_of_any_size_give_the_same(make: Callable[..., InternVL2Scorer]) -> None:
    at_once = make(explain_above=ALWAYS).score(mixed())
    one_by_one = [make(explain_above=ALWAYS, batch_tokens=1).score([each])[0] for each in mixed()]
    cut = make(explain_above=ALWAYS, batch_tokens=1, kept_frames=0).score(mixed())
    for judgements in (one_by_one, cut):
        assert [each.score for each in judgements] == pytest.approx([each.score for each in at_once], abs=2e-5)
        assert [each.text for each in judgements] == [each.text for each in at_once]


def test_only_windows_that_score_enough_get_a_sentence(make: Callable[..., InternVL2Scorer]) -> None:
    found = sorted(float(each.score or 0) for each in make(scoring=Scoring.SCALE).score(mixed()))
    bound = (found[2] + found[3]) / 2
    judgements = make(scoring=Scoring.SCALE, explain_above=bound).score(mixed())
    assert [each.text is not None for each in judgements] == [(each.score or 0) >= bound for each in judgements]
    assert sum(each.text is not None for each in judgements) == 3


class Saying:
    """Stands where replies are written, and remembers what was asked for."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.openings: list[tuple[str, list[int]]] = []

    def __call__(self, _seen: Any, rows: Sequence[int], question: Any, _most_tokens: int) -> list[str]:
        self.openings.append((question.opening, list(rows)))
        return [self.texts[row] for row in rows]


def test_faithful_takes_the_written_verdict_and_nothing_else(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(scoring=Scoring.FAITHFUL)
    says = Saying("```\nAnomalous scenes.\nA man falls.\n```", "Normal scenes. A car parks.", "It is normal.", "")
    monkeypatch.setattr(scorer._reading, "write", says)
    judgements = scorer.score([window(SIDE, first) for first in range(4)])
    assert [each.score for each in judgements] == [1.0, 0.0, None, None]
    assert [each.text for each in judgements] == ["A man falls.", "A car parks.", None, None]
    assert judgements[2].reason == "the model's reply has no verdict"
    assert says.openings == [("", [0, 1, 2, 3])]


def test_a_sentence_is_written_after_the_verdict_that_the_score_means(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(explain_above=0.2)
    likelihoods = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5]]).log()[:, None]
    says = Saying("A man falls.\n```", "", "A car parks.", "  ")
    monkeypatch.setattr(scorer._reading, "weigh", lambda _seen, _exam: likelihoods)
    monkeypatch.setattr(scorer._reading, "write", says)
    judgements = scorer.score([window(SIDE, first) for first in range(4)])
    assert [each.score for each in judgements] == pytest.approx([0.9, 0.1, 0.3, 0.5])
    assert [each.text for each in judgements] == ["A man falls.", None, "A car parks.", None]
    assert says.openings == [("```\nAnomalous scenes.\n", [0, 3]), ("```\nNormal scenes.\n", [2])]


def test_numbers_that_are_none_make_a_window_unknown_and_leave_the_others(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    likelihoods = torch.tensor([[[math.nan, -1.0]], [[-1.0, -1.0]]])
    monkeypatch.setattr(scorer._reading, "weigh", lambda _seen, _exam: likelihoods)
    first, second = scorer.score([window(SIDE, 0), window(SIDE, 1)])
    assert (first.score, first.reason) == (None, "the model's numbers are not finite")
    assert second.score == pytest.approx(0.5)


def test_out_of_memory_loses_no_window_and_changes_no_score(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    windows = [window(SIDE, first) for first in range(5)]
    expected = [each.score for each in make().score(windows)]
    scorer = make()
    see, failed = scorer._reading.see, []

    def sometimes(features: torch.Tensor, frames: int) -> Any:
        if len(features) > 2:
            failed.append(len(features))
            raise torch.OutOfMemoryError("tried to allocate too much")
        return see(features, frames)

    monkeypatch.setattr(scorer._reading, "see", sometimes)
    assert [each.score for each in scorer.score(windows)] == pytest.approx(expected, abs=2e-5)
    assert failed == [5]
    assert "out of memory with 5 windows at once: going on with 2" in caplog.text


def test_out_of_memory_on_a_single_window_makes_it_unknown_with_the_reason(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()

    def never(_features: torch.Tensor, _frames: int) -> Any:
        raise torch.OutOfMemoryError("tried to allocate too much")

    monkeypatch.setattr(scorer._reading, "see", never)
    with pytest.raises(ScorerError, match="out of memory on a single window"):
        scorer.score([window(SIDE)])
    (judgement,) = judge(scorer, [window(SIDE)])
    assert judgement.score is None
    assert "out of memory on a single window" in judgement.reason


def test_frames_are_computed_once_for_all_windows_that_they_are_in(make: Callable[..., InternVL2Scorer]) -> None:
    scorer = make()
    for first in range(6):
        scorer.score([window(SIDE, first)])
    assert scorer._features.computed == 9
    scorer.forget("front")
    scorer.score([window(SIDE, 5)])
    assert scorer._features.computed == 9 + 4


def test_alerts_can_be_traced_to_the_model_and_every_word_of_the_prompt(make: Callable[..., InternVL2Scorer]) -> None:
    info = make().info
    assert (info.scorer, info.name) == ("internvl2", "tiny")
    others = [
        make(wording=Wording("smoke")),
        make(wording=Wording(questions=("What moves?",))),
        *(make(scoring=scoring) for scoring in Scoring if scoring is not Scoring.LIKELIHOOD),
    ]
    hashes = [info.prompt_sha256, *(other.info.prompt_sha256 for other in others)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(each or "") == 64 for each in hashes)
    assert make(explain_above=0.9).info == info


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="batch_tokens"):
        InternVL2Settings(batch_tokens=0)


def test_half_precision_gives_scores_too(internvl2: InternVL2, make: Callable[..., InternVL2Scorer]) -> None:
    exact = [each.score for each in make(scoring=Scoring.SCALE).score(mixed())]
    model = copy.deepcopy(internvl2.model)
    model.bfloat16()
    half = dataclasses.replace(internvl2, model=model)
    scorer = InternVL2Scorer(half, InternVL2Settings(scoring=Scoring.SCALE, explain_above=ALWAYS), name="half")
    rough = scorer.score(mixed())
    assert [each.score for each in rough] == pytest.approx(exact, abs=0.1)
