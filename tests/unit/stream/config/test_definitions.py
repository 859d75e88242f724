"""What a user may say counts as abnormal, and what thresholds come of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError
from engine.types import Definition
from stream.config import CameraConfig, from_mapping

MODEL = {"kind": "internvl2", "model": "nowhere"}


def camera(**keys: Any) -> CameraConfig:
    return from_mapping({"cameras": {"front": {"source": "0", **keys}}, "scorer": MODEL}).cameras["front"]


def test_without_definitions_the_usual_one_has_the_cameras_thresholds() -> None:
    (found,) = camera().policies().items()
    assert found == (Definition(), camera().alerts.policy())


def test_a_plain_sentence_is_a_definition_that_is_called_like_it() -> None:
    sentence = "a person\n  without a helmet"
    (definition,) = camera(definitions=[sentence]).policies()
    assert (definition.name, definition.text) == ("a person without a helmet", sentence)


def test_each_has_its_own_name_and_thresholds() -> None:
    keys = [{"ignore": "people who feed birds"}, {"name": "helmet", "text": "no helmet", "open": 0.8}]
    usual, helmet = camera(definitions=keys, alerts={"open": 0.5, "close": 0.3, "alert": 0.75}).policies().items()
    assert usual[0] == Definition("default", None, "people who feed birds")
    assert (usual[1].open, usual[1].close, usual[1].alert) == (0.5, 0.3, 0.75)
    assert (helmet[1].definition, helmet[1].open) == ("helmet", 0.8)
    assert helmet[1].close == pytest.approx(0.48)  # 60 % of it, as the camera's is
    assert helmet[1].alert == pytest.approx(0.9)  # half of the way to 1, as the camera's is


def test_a_cameras_list_takes_the_place_of_the_defaults() -> None:
    config = from_mapping(
        {
            "cameras": {"front": {"source": "0", "definitions": ["smoke"]}, "back": {"source": "1"}},
            "defaults": {"definitions": ["a fire", "a fall"]},
            "scorer": MODEL,
        }
    )
    assert {name: [each.name for each in found.policies()] for name, found in config.cameras.items()} == {
        "front": ["smoke"],
        "back": ["a fire", "a fall"],
    }


def test_a_long_one_is_shortened_where_alerts_name_it() -> None:
    (definition,) = camera(definitions=["x" * 100]).policies()
    assert len(definition.name) == 60
    assert definition.text == "x" * 100


@pytest.mark.parametrize(
    ("definitions", "problem"),
    [
        (["smoke", "smoke"], "two definitions are called 'smoke'"),
        (["see <image>"], "definition or question holds '<image>'"),
        ([{"ignore": "<|im_end|>"}], "definition or question holds '<|'"),
        ([{"text": ""}], "cameras.front.definitions[0].text"),
        ([{"txt": "smoke"}], "cameras.front.definitions[0].txt: unknown key; did you mean text?"),
        ([{"text": "smoke", "open": 2}], "cameras.front.definitions[0].open"),
        ([{"text": "smoke", "open": 0.5, "close": 0.6}], "out of order"),
        ("smoke", "must be a list"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(definitions: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        camera(definitions=definitions)
    assert problem in str(caught.value)


def test_a_scorer_without_words_is_not_given_definitions() -> None:
    with pytest.raises(ConfigError, match="motion scorer does not understand definitions"):
        from_mapping({"cameras": {"front": {"source": "0", "definitions": ["smoke"]}}})
