from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from engine.gate import IdleSettings
from engine.motion.settings import MotionSettings
from engine.policy import PolicySettings
from engine.smoothing import Ewma, NoSmoothing, OneSidedGaussian
from engine.windows import WindowPlan
from stream.config.models import AlertsConfig, CameraConfig, CameraDefaults, EvidenceConfig, WatchConfig, WindowConfig
from stream.config.section import Section, merged, sections_of


def all_sections(section: type[Section] = WatchConfig) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        for inner in sections_of(field.annotation):
            yield from all_sections(inner)


SECTIONS: dict[str, type[Section]] = {section.__name__: section for section in all_sections()}


def camera(**keys: object) -> CameraConfig:
    return CameraConfig.model_validate({"source": "0"} | keys)


def test_the_defaults_are_the_engines_own() -> None:
    config = camera()
    assert config.window.plan() == WindowPlan()
    assert config.alerts.policy() == PolicySettings()
    assert config.idle.settings() == IdleSettings()
    assert config.motion_settings() == MotionSettings()


def test_what_is_set_reaches_the_engine() -> None:
    zone = [[0, 0], [1, 0], [1, 1]]
    config = camera(
        window={"fps": 4, "length": "2s", "stride": "500ms", "frames": 4},
        alerts={"open": 0.5, "close": 0.2, "alert": 0.5, "cooldown": "1m"},
        idle={"enabled": True, "floor": "2s"},
        motion={"sensitivity": 2, "warm_up": "1s"},
        zones=[zone],
    )
    assert config.window.plan() == WindowPlan(fps=4, length_s=2, stride_s=0.5, frames=4)
    assert config.alerts.policy() == PolicySettings(open=0.5, close=0.2, alert=0.5, cooldown_s=60)
    assert config.idle.settings() == IdleSettings(enabled=True, floor_s=2)
    assert config.motion_settings() == MotionSettings(
        zones=(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),), sensitivity=2, warm_up_s=1
    )


@pytest.mark.parametrize(
    ("smoothing", "kind"),
    [
        (None, Ewma),
        ({}, Ewma),
        ({"time_constant": "1s"}, Ewma),
        ({"kind": "gaussian", "sigma": "2s", "length": "4s"}, OneSidedGaussian),
        ({"kind": "none"}, NoSmoothing),
    ],
)
def test_smoothing_comes_in_kinds(smoothing: object, kind: type) -> None:
    assert isinstance(camera(smoothing=smoothing).smoothing.smoother(), kind)


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_section_is_frozen_strict_and_described(section: type[Section]) -> None:
    assert section.model_config["frozen"]
    assert section.model_config["extra"] == "forbid"
    assert section.__doc__ is not None
    for name, field in section.model_fields.items():
        assert field.description, f"{section.__name__}.{name}"
        assert field.description.endswith("."), f"{section.__name__}.{name}"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        camera().stall_s = 1.0


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        (WindowConfig, {"frames": 9}, "holds 8 frames, not 9: raise fps or length"),
        (WindowConfig, {"fps": 2, "frames": 2, "stride": "400ms"}, "shorter than the 0.5 s between two pictures"),
        (WindowConfig, {"length": 0}, "greater than 0"),
        (AlertsConfig, {"open": 0.3}, "out of order"),
        (AlertsConfig, {"open": 0.9}, "out of order"),
        (AlertsConfig, {"max_duration": "5s", "min_duration": "5s"}, "exceed min_duration"),
        (EvidenceConfig, {"pre_roll": "10s", "max_clip": "12s"}, "longer than max_clip"),
        (CameraDefaults, {"idle": {"enabled": True, "floor": "500ms"}}, "idle.floor is shorter than window.stride"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(section: type[Section], keys: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        section.model_validate(keys)


def test_attributes_with_a_unit_are_no_keys() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        CameraDefaults.model_validate({"stall_s": 3})


def test_a_camera_has_the_keys_of_the_defaults_and_its_source() -> None:
    assert CameraConfig.model_fields.keys() - CameraDefaults.model_fields.keys() == {"source"}


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": 1}}, {"a": None}, {"a": {"x": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"kind": "a", "x": 1}, {"kind": "b"}, {"kind": "b"}),
        ({"kind": "a", "x": 1}, {"kind": "a", "y": 2}, {"kind": "a", "x": 1, "y": 2}),
        ({"a": 1}, None, {"a": 1}),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1}, "text", "text"),
    ],
)
def test_sections_merge_key_by_key(base: object, over: object, result: object) -> None:
    assert merged(base, over) == result


def test_cameras_get_what_they_lack_from_the_defaults() -> None:
    config = WatchConfig.model_validate(
        {
            "defaults": {"stall": "9s", "alerts": {"open": 0.5, "cooldown": "1m"}, "masks": [[[0, 0], [1, 0], [1, 1]]]},
            "cameras": {"a": {"source": "0"}, "b": {"source": "1", "alerts": {"open": 0.7}, "masks": []}},
        }
    )
    a, b = config.cameras["a"], config.cameras["b"]
    assert (a.stall_s, a.alerts.open, a.alerts.cooldown_s, len(a.masks)) == (9.0, 0.5, 60.0, 1)
    assert (b.stall_s, b.alerts.open, b.alerts.cooldown_s, len(b.masks)) == (9.0, 0.7, 60.0, 0)
