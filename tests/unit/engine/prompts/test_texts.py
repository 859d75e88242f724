from __future__ import annotations

from importlib import resources

import pytest

from engine.prompts.texts import prompt_text


def test_what_is_put_in_is_taken_as_it_is() -> None:
    text = prompt_text("verdict", questions="", definition="a bag of $definition, {braces} and 5 $")
    assert text.endswith("\nWhat counts as abnormal: a bag of $definition, {braces} and 5 $")


def test_a_place_that_is_left_empty_is_an_error() -> None:
    with pytest.raises(KeyError, match="definition"):
        prompt_text("verdict", questions="")


def test_texts_are_single_paragraphs_of_plain_characters() -> None:
    texts = [path for path in resources.files("engine.prompts").iterdir() if path.name.endswith(".txt")]
    assert len(texts) >= 6
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert text.isascii()
        assert text == text.strip() + "\n"
        assert "\n\n" not in text
