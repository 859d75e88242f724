from __future__ import annotations

import pytest

from engine.errors import CheckpointError, ScorerError
from engine.internvl2.prompt import insert_images, template, video_question


def test_turns_follow_each_other_without_a_line_between() -> None:
    prompt = template("internlm2-chat", "Be brief.").render("And now?", [("Who?", "A man.")])
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|><|im_start|>user\nWho?<|im_end|>"
        "<|im_start|>assistant\nA man.<|im_end|><|im_start|>user\nAnd now?<|im_end|><|im_start|>assistant\n"
    )


def test_the_newer_template_has_a_line_between() -> None:
    newer = template("internvl2_5", "S")
    assert (
        newer.render("Q") == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
    )
    assert newer.stop == "<|im_end|>"


def test_without_a_system_message_the_templates_own_is_said() -> None:
    assert "上海人工智能实验室联合商汤科技" in template("Hermes-2").render("Q")
    assert "清华大学" in template("internvl2_5").render("Q")


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"'phi3-chat' is not known \(known: Hermes-2, internlm2-chat"):
        template("phi3-chat")


def test_frames_of_a_video_are_numbered_from_one() -> None:
    assert video_question(2, "What?") == "Frame1: <image>\nFrame2: <image>\nWhat?"


def test_each_picture_becomes_its_own_tokens() -> None:
    prompt = insert_images("a <image> b <image>", tiles=[1, 2], tokens_per_tile=2)
    assert prompt == "a <img><IMG_CONTEXT><IMG_CONTEXT></img> b <img>" + "<IMG_CONTEXT>" * 4 + "</img>"


@pytest.mark.parametrize("tiles", [[], [1, 1]])
def test_pictures_without_a_place_are_refused(tiles: list[int]) -> None:
    with pytest.raises(ScorerError, match=rf"1 places for pictures, and {len(tiles)} were given"):
        insert_images("<image>", tiles, tokens_per_tile=2)
