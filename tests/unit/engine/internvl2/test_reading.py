"""The fast path against the plain one, which knows no cache, no batch and no tree, in float32."""

from __future__ import annotations

import json
import shutil

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch

from engine.internvl2 import reading as reading_module
from engine.internvl2 import seen as seen_module
from engine.internvl2.features import FrameFeatures
from engine.internvl2.load import InternVL2
from engine.internvl2.plain import PlainReading
from engine.internvl2.reading import Reading
from engine.internvl2.seen import Seen
from engine.prompts.texts import prompt_text
from engine.scoring import Question, Scoring, Wording, questions, rest_of_reply, whole_reply
from engine.types import Definition, Window
from tests.unit.engine.internvl2.checkpoints import SHARED, config, loaded, tensors, write
from tests.unit.engine.internvl2.windows import window

TOLERANCE = 2e-5
WORDING = Wording(Definition(text="a man with a car"), ("Who is there?",))
SHORT = [  # with which a model of 64 positions is left room
    Question("Is the gate open?", answers=("Yes", "No")),
    Question("Is the gate shut?", "It ", answers=("is", "was not")),
]
LONG = 4096  # positions of a model for which no text here is too long


# With as many tokens as their tokenizers know: others have no text.
@pytest.fixture(
    scope="module", params=[("InternLM2ForCausalLM", 296), ("LlamaForCausalLM", 296), ("Qwen2ForCausalLM", 266)]
)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[InternVL2, InternVL2]:
    """A model for texts of 64 tokens, and the same with room: beyond it both must compute alike."""
    folder = tmp_path_factory.mktemp("own")
    language, size = request.param
    values = config(language, llm_config__vocab_size=size, llm_config__rope_scaling={"type": "dynamic", "factor": 2.0})
    weights = tensors(values)
    values["llm_config"]["max_position_embeddings"] = 64
    short = loaded(write(folder / "short", values, weights))
    values["llm_config"]["max_position_embeddings"] = LONG
    return short, loaded(write(folder / "long", values, weights))


@pytest.fixture(scope="module", params=["internlm2-tiny", "qwen2-tiny"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[InternVL2, InternVL2]:
    """A checkpoint in the authors' format, and the same with room for longer texts."""
    folder = SHARED / request.param
    if not folder.is_dir():
        pytest.skip("the checkpoints are not beside the project")
    roomy = tmp_path_factory.mktemp("roomy") / request.param
    shutil.copytree(folder, roomy)
    values = json.loads((folder / "config.json").read_text())
    values["llm_config"]["max_position_embeddings"] = LONG
    (roomy / "config.json").write_text(json.dumps(values))
    return loaded(folder), loaded(roomy)


def largest_difference(pair: tuple[InternVL2, InternVL2], asked: list[Question], windows: list[Window]) -> float:
    """Of any log-likelihood, for windows that are read in one batch, and once more with everything remembered."""
    internvl2, roomy = pair
    task = prompt_text("task")
    reading, plain = Reading(internvl2, task), PlainReading(roomy, task)
    features = FrameFeatures(internvl2, 100)
    exam = reading.exam(asked)
    expected = torch.stack([torch.from_numpy(plain.weigh(window, asked)) for window in windows])
    assert expected.std(dim=0).max() > 20 * TOLERANCE, "the windows must be told apart"
    worst = 0.0
    with torch.inference_mode():
        features.of(windows)
        assert features.computed < sum(len(window.frames) for window in windows), "frames must be shared"
        for _ in range(2):
            seen = reading.see(features.of(windows), len(windows[0].frames))
            for _ in range(2):  # a question leaves nothing behind
                worst = max(worst, float((reading.weigh(seen, exam) - expected).abs().max()))
    return worst


def overlapping(side: int) -> list[Window]:
    """Three windows that share frames, and one of another camera."""
    return [window(side, 0), window(side, 1), window(side, 3), window(side, 0, camera="yard")]


def test_log_likelihoods_of_any_language_model_are_those_of_whole_passes(own: tuple[InternVL2, InternVL2]) -> None:
    assert largest_difference(own, SHORT, overlapping(28)) < TOLERANCE


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE, Scoring.THRESHOLDS])
def test_log_likelihoods_of_every_way_of_scoring_are_those_of_whole_passes(
    shared: tuple[InternVL2, InternVL2], scoring: Scoring
) -> None:
    asked = questions(scoring, WORDING)[:3]
    windows = overlapping(56) if scoring is not Scoring.THRESHOLDS else overlapping(56)[:2]
    assert largest_difference(shared, list(asked), windows) < TOLERANCE


def test_windows_of_different_length_are_read_with_one_beginning(own: tuple[InternVL2, InternVL2]) -> None:
    for frames in (1, 2, 7):
        windows = [window(28, first, frames=frames) for first in (0, 1, 1)]
        assert largest_difference(own, SHORT, windows) < TOLERANCE


def test_no_token_is_passed_twice(own: tuple[InternVL2, InternVL2], monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(own[0], prompt_text("task"))
    exam = reading.exam(SHORT)
    passes: list[int] = []
    forward = reading._forward

    def counted(seen: Seen, embedded: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        passes.append(embedded.shape[1])
        return forward(seen, embedded, *more)

    monkeypatch.setattr(reading, "_forward", counted)
    with torch.inference_mode():
        for frames in (4, 2):
            seen = reading.see(FrameFeatures(own[0], 0).of([window(28, frames=frames)]), frames)
            reading.weigh(seen, exam)
            reading.write(seen, [0], [Question("Who?")], 3)
    picture = reading.length(4) - reading.length(3)
    asked = [exam.length, reading.length_after(Question("Who?")), 1, 1]
    assert passes[1:5] == passes[6:] == asked
    assert passes[0] - passes[5] == 2 * picture
    assert passes[0] < 4 * picture, "not what stands before the first picture"


def test_what_questions_by_several_definitions_share_is_laid_out_once(own: tuple[InternVL2, InternVL2]) -> None:
    reading = Reading(own[0], "Look.")
    definitions = [Definition(text=text) for text in ("smoke or fire", "a crowd", "a man without a helmet")]
    each = [questions(Scoring.LIKELIHOOD, Wording(definition)) for definition in definitions]
    alone = [reading.exam(asked).length for asked in each]
    together = reading.exam([question for asked in each for question in asked]).length
    assert max(alone) < together < max(alone) + 3 * 60 < sum(alone)


def test_replies_are_those_of_whole_passes(own: tuple[InternVL2, InternVL2]) -> None:
    internvl2, roomy = own
    reading, plain = Reading(internvl2, "Look."), PlainReading(roomy, "Look.")
    windows = overlapping(28)
    features = FrameFeatures(internvl2, 100)
    asked = Question("Is the gate open?", "```\n")
    with torch.inference_mode():
        seen = reading.see(features.of(windows), 4)
        reading.weigh(seen, reading.exam(SHORT))  # leaves nothing behind
        some = reading.write(seen, [2, 0], [asked] * 2, 12)
        every = reading.write(seen, range(4), [asked] * 4, 12)
    expected = [plain.write(window, asked, 12) for window in windows]
    assert every == expected
    assert some == [expected[2], expected[0]]
    assert all(expected)


@pytest.mark.parametrize("begun", [True, False])
def test_replies_of_the_shared_checkpoints_are_those_of_whole_passes(
    shared: tuple[InternVL2, InternVL2], begun: bool
) -> None:
    internvl2, roomy = shared
    task = prompt_text("task")
    asked = rest_of_reply(WORDING, anomalous=True) if begun else whole_reply(WORDING)
    windows = overlapping(56)[2:]
    reading, plain = Reading(internvl2, task), PlainReading(roomy, task)
    with torch.inference_mode():
        seen = reading.see(FrameFeatures(internvl2, 0).of(windows), 4)
        assert reading.write(seen, [0, 1], [asked] * 2, 10) == [plain.write(window, asked, 10) for window in windows]


def test_replies_to_questions_of_different_length_are_written_together(own: tuple[InternVL2, InternVL2]) -> None:
    internvl2, roomy = own
    reading, plain = Reading(internvl2, "Look."), PlainReading(roomy, "Look.")
    windows = overlapping(28)
    asked = [Question("Is it?"), Question("Is the gate in front of the house open?", "It "), Question("Who?", "```\n")]
    lengths = [reading.length_after(question) for question in asked]
    assert len(set(lengths)) == 3
    with torch.inference_mode():
        seen = reading.see(FrameFeatures(internvl2, 0).of(windows), 4)
        found = reading.write(seen, [3, 1, 1], asked, 12)
    assert found == [plain.write(windows[row], each, 12) for row, each in zip([3, 1, 1], asked, strict=True)]
    assert all(found)


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [2, 0]])
def test_writing_takes_steps_and_leaves_nothing_behind(own: tuple[InternVL2, InternVL2], rows: list[int]) -> None:
    reading = Reading(own[0], "Look.")
    exam = reading.exam(SHORT)
    asked = [Question("Is the gate open?")] * len(rows)
    with torch.inference_mode():
        seen = reading.see(FrameFeatures(own[0], 0).of(overlapping(28)), 4)
        before = reading.weigh(seen, exam)
        steps = list(reading.writing(seen, rows, asked, 20))
        assert [len(step) for step in steps] == [0, 0, len(rows)]
        assert steps[-1] == reading.write(seen, rows, asked, 20)
        assert torch.equal(reading.weigh(seen, exam), before)


@pytest.mark.parametrize("rows", [[3, 1], [1, 2]])
def test_windows_are_picked_by_row_and_the_others_stay_as_they_are(
    own: tuple[InternVL2, InternVL2], rows: list[int]
) -> None:
    reading = Reading(own[0], "Look.")
    exam = reading.exam(SHORT)
    with torch.inference_mode():
        seen = reading.see(FrameFeatures(own[0], 0).of(overlapping(28)), 4)
        every = reading.weigh(seen, exam)
        picked = reading.weigh(seen.pick(rows), exam)
        assert (picked - every[rows]).abs().max() < TOLERANCE
        assert (every[rows[0]] - every[rows[1]]).abs().max() > 20 * TOLERANCE
        assert torch.equal(reading.weigh(seen, exam), every)


def test_more_can_follow_than_there_is_room_for(
    own: tuple[InternVL2, InternVL2], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Question("Is the gate open?")] * 4
    reading = Reading(own[0], "Look.")
    found = []
    with torch.inference_mode():
        for room in (256, 3):
            monkeypatch.setattr(reading_module, "ROOM", room)
            monkeypatch.setattr(seen_module, "ROOM", room)
            seen = reading.see(FrameFeatures(own[0], 0).of(overlapping(28)), 4)
            found.append((reading.weigh(seen, reading.exam(SHORT)), reading.write(seen, range(4), asked, 20)))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_a_reply_ends_where_the_model_stops(own: tuple[InternVL2, InternVL2]) -> None:
    internvl2, _ = own
    reading = Reading(internvl2, "Look.")
    stop = internvl2.stop_token_id
    head = internvl2.model.lm_head.weight
    asked = Question("What happens?")
    with torch.inference_mode():
        seen = reading.see(FrameFeatures(internvl2, 0).of([window(28)]), 4)
        before, kept = reading.write(seen, [0], [asked], 40), head[stop].clone()
        head[stop] = head.abs().max(dim=0).values * 100 * torch.sign(head[stop])
        try:
            after = reading.write(seen, [0], [asked], 40)
        finally:
            head[stop] = kept
    assert before[0].startswith(after[0])
    assert len(after[0]) < len(before[0])


def test_a_score_does_not_depend_on_longer_texts_read_before(own: tuple[InternVL2, InternVL2]) -> None:
    internvl2, _ = own
    reading = Reading(internvl2, "Look.")
    exam = reading.exam(SHORT)
    features = FrameFeatures(internvl2, 0)
    with torch.inference_mode():
        before = reading.weigh(reading.see(features.of([window(28, frames=1)]), 1), exam)
        reading.see(features.of([window(28, frames=40)]), 40)
        after = reading.weigh(reading.see(features.of([window(28, frames=1)]), 1), exam)
    assert torch.equal(before, after)


def test_a_text_longer_than_the_model_was_made_for_is_told_once(
    own: tuple[InternVL2, InternVL2], caplog: pytest.LogCaptureFixture
) -> None:
    reading = Reading(own[0], prompt_text("task"))
    for _ in range(3):
        assert reading.length(8) > 64
    assert [record.getMessage().startswith("windows of 8 frames take") for record in caplog.records] == [True]


def test_the_prompt_is_the_authors_with_the_task_first(own: tuple[InternVL2, InternVL2]) -> None:
    internvl2, _ = own
    text = Reading(internvl2, "Look.").text(2, Question("What is it?", "```\n"))
    picture = "<img>" + "<IMG_CONTEXT>" * internvl2.tokens_per_tile + "</img>"
    assert text == internvl2.template.render(f"Look.\nFrame1: {picture}\nFrame2: {picture}\nWhat is it?") + "```\n"
