from __future__ import annotations

import json
import logging
import traceback
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError
from stream.config import WatchConfig, check, from_mapping, load
from stream.config.document import EXAMPLE
from stream.config.fields import HostPort
from stream.config.models import MotionScorerConfig, RecordedScorerConfig

PASSWORD = "hunter2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vigil.yaml"


def problems(file: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is wrong with `text`, each without the file's name."""
    file.write_text(text)
    return [problem.removeprefix(f"{file}:") for problem in check(file, environ=environ or {})]


def test_a_file_is_read(file: Path) -> None:
    file.write_text(
        "cameras:\n"
        "  front:\n"
        "    source: rtsp://vigil:${PW}@192.0.2.1/x\n"
        "    open_timeout: 20\n"
        "  desk: {source: 0, size: 640x480, enabled: no}\n"
        "scorer: {kind: recorded, responses: a.jsonl, timeout: 1m}\n"
        "http: {bind: off}\n"
        "data: {retention: {size: 1GB}}\n"
        "engine:\n"
    )
    config = load(file, environ={"PW": "p/w"})
    front, desk = config.cameras["front"], config.cameras["desk"]
    assert front.source.url == "rtsp://vigil:p%2Fw@192.0.2.1/x"
    assert (front.open_timeout_s, front.enabled) == (20.0, True)
    assert (desk.source.url, desk.size, desk.enabled) == ("0", (640, 480), False)
    assert config.scorer == RecordedScorerConfig.model_validate({"responses": "a.jsonl", "timeout": 60})
    assert config.http.bind is None
    assert config.data.retention.size_bytes == 10**9
    assert config.engine.staleness_s == 2.0


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "cameras:\n", "{}"])
def test_an_empty_file_has_only_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    config = load(file, environ={})
    assert config == from_mapping({}, environ={}) == WatchConfig()
    assert config.scorer == MotionScorerConfig()
    assert config.http.bind == HostPort("127.0.0.1", 8787)


def test_all_problems_are_told_at_once_in_order_with_line_and_key(file: Path) -> None:
    found = problems(
        file,
        "cameras:\n"
        "  front:\n"
        "    source: rtsp://vigil:${PW}@192.0.2.1/x\n"
        "    stal: 5s\n"
        "    zones: [[[0, 0], [1, 0]]]\n"
        "    smoothing: {kind: gauss}\n"
        "  back door:\n"
        "    source: 0\n"
        "    alerts: {open: 0.3}\n"
        "  yard:\n"
        "    hwaccel: cudda\n"
        "    open_timeout:\n"
        "    enabled: maybe\n"
        "defaults:\n"
        "  window: {fps: x}\n"
        "http: {bind: off}\n"
        "http: {bind: off}\n"
        "engine: {max_batch: 1.5}\n",
    )
    expected = [
        "3: cameras.front.source: secret PW is not set",
        "4: cameras.front.stal: unknown key; did you mean stall?",
        "5: cameras.front.zones[0]: must be a list of 3 or more points",
        "6: cameras.front.smoothing.kind: must be one of ewma, gaussian, none, not 'gauss'",
        "7: cameras.'back door': a camera's name has 1 to 64 letters",
        "9: cameras.'back door'.alerts: alert thresholds close 0.36, open 0.3",
        "10: cameras.yard.source: is missing",
        "11: cameras.yard.hwaccel: must be none, auto, cuda",
        "12: cameras.yard.open_timeout: must be a duration such as 500ms, 10s, 2m, 1h or 7d; it is empty",
        "13: cameras.yard.enabled: must be true or false, not 'maybe'",
        "15: defaults.window.fps: must be a number, not 'x'",
        "17: http: given twice, first in line 16",
        "18: engine.max_batch: must be a whole number, not '1.5'",
    ]
    assert [len(found), *found] == [
        len(expected),
        *(text if text.startswith(start) else start for text, start in zip(found, expected, strict=True)),
    ]


def test_the_error_is_one_line_that_says_how_many_more_there_are(file: Path) -> None:
    file.write_text("a: 1\nb: 2\n")
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    assert str(caught.value).startswith(f"{file}:1: a: unknown key; known here: cameras, defaults")
    assert str(caught.value).endswith(f"(and 1 more): `vigil config check {file}` lists all")
    assert len(caught.value.problems) == 2
    assert not any("\n" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("scorer: {kind: motion, responses: x}\n", "1: scorer.responses: unknown key; known here: kind, timeout"),
        ("scorer: {timeot: 5s}\n", "1: scorer.timeout"),
        ("scorer: motion\n", "1: scorer: must be a mapping of keys to values, not 'motion'"),
        ("cameras: [rtsp://h/x]\n", "1: cameras: must be a mapping of keys to values"),
        ("- a\n- b\n", "1: must be a mapping of keys to values"),
        ("text\n", "1: must be a mapping of keys to values, not 'text'"),
        ("cameras:\n  window: {source: 0, fpss: 3}\n", "2: cameras.window.fpss: unknown key; did you mean fps?"),
        ("cameras:\n  front:\n", "2: cameras.front.source: is missing"),
        ("defaults: {source: 0}\n", "1: defaults.source: unknown key"),
        ("a: [\n", "2: not valid YAML: "),
        ("feed: {bind: 5557}\n", "1: feed.bind: must be a ZeroMQ address, such as tcp://127.0.0.1:5557"),
        ("data: {retention: {size: lots}}\n", "1: data.retention.size: must be a size such as 512MB"),
        ("defaults: {stall: 10m}\n", "1: defaults.stall: must be less than or equal to 300, not '10m'"),
    ],
)
def test_a_problem_is_told_where_it_is(file: Path, text: str, problem: str) -> None:
    found = problems(file, text)
    start = problem.replace("scorer.timeout", "scorer.timeot: unknown key; did you mean timeout?")
    assert found[0].startswith(start), found


def test_a_bad_default_is_told_once_however_many_cameras_have_it(file: Path) -> None:
    found = problems(file, "cameras:\n  a: {source: 0}\n  b: {source: 1}\ndefaults:\n  stall: soon\n")
    assert [text[:18] for text in found] == ["5: defaults.stall:"]


def test_an_own_key_that_does_not_fit_a_default_is_told_at_the_own_key(file: Path) -> None:
    found = problems(file, "defaults:\n  window: {frames: 8}\ncameras:\n  a:\n    source: 0\n    window: {fps: 4}\n")
    assert [text[:24] for text in found] == ["6: cameras.a.window: a w"]


def test_secrets_come_from_a_credentials_directory(file: Path, tmp_path: Path) -> None:
    (tmp_path / "front_password").write_text("from file\n")
    file.write_text("cameras: {front: {source: 'rtsp://u:${FRONT_PASSWORD}@h/x'}}\n")
    config = load(file, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert config.cameras["front"].source.url == "rtsp://u:from%20file@h/x"


def test_secrets_are_taken_from_the_process_when_no_environment_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_TEST_PW", "x")
    config = from_mapping({"cameras": {"a": {"source": "rtsp://u:${VIGIL_TEST_PW}@h/x"}}})
    assert config.cameras["a"].source.url == "rtsp://u:x@h/x"


def test_a_value_from_a_secret_is_shown_as_it_is_written(file: Path) -> None:
    [problem] = problems(file, "feed: {scores: '${PW}'}\n", {"PW": PASSWORD})
    assert problem == "1: feed.scores: must be true or false, not '${PW}'"


def test_overrides_take_the_place_of_what_the_file_says_and_have_no_line(file: Path) -> None:
    file.write_text("cameras: {a: {source: 0}}\nfeed: {bind: 'tcp://127.0.0.1:1', scores: true}\nhttp: {bind: off}\n")
    config = load(file, environ={}, overrides={"feed": {"bind": "tcp://127.0.0.1:2"}, "data": {"dir": Path("d")}})
    assert (config.feed.bind, config.feed.scores, config.data.dir) == ("tcp://127.0.0.1:2", True, Path("d"))
    with pytest.raises(ConfigError) as caught:
        load(file, environ={}, overrides={"feed": {"bind": "x"}})
    assert caught.value.problems[0].startswith("feed.bind: must be a ZeroMQ address")


def test_overrides_do_not_hide_a_file_that_is_no_mapping(file: Path) -> None:
    file.write_text("- a\n")
    with pytest.raises(ConfigError, match="must be a mapping"):
        load(file, environ={}, overrides={"feed": {"scores": True}})


def test_a_mapping_is_told_its_keys_without_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"cameras": {"a": {"source": "x", "stal": 1}}, "feed": {"scores": 7}}, environ={})
    assert caught.value.problems == (
        "cameras.a.stal: unknown key; did you mean stall?",
        "feed.scores: must be true or false, not 7",
    )


def test_a_mapping_may_hold_python_values() -> None:
    config = from_mapping(
        {"cameras": {"a": {"source": 0, "zones": (((0, 0), (1, 0), (1, 1)),), "stall": 2.5}}}, environ={}
    )
    assert config.cameras["a"].stall_s == 2.5
    assert config.cameras["a"].zones == (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot read .*: No such file"), (b"\xff\xfe", "not UTF-8 text"), (b"#" * 1_000_001, "too large")],
    ids=["missing", "binary", "large"],
)
def test_a_file_that_cannot_be_read_is_a_config_error(file: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        load(file, environ={})


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {a: {source: 'SOURCE'}}",
        "cameras: {a: {source: 'SOURCE', stal: 1, window: {frames: 9}}}",
        "cameras: {a: {source: {url: 'SOURCE'}}}",
        "cameras: {a: {source: ['SOURCE']}}",
        "cameras: {'SOURCE': {source: 0}}",
        "cameras: {'SOURCE': {'SOURCE': 'SOURCE'}}",
        "cameras: 'SOURCE'",
        "cameras: ['SOURCE']",
        "cameras: {a: 'SOURCE'}",
        "cameras: {a: {source: 'SOURCE', source: 'SOURCE'}}",
        "cameras: {a: {source: 0, stall: 'SOURCE', hwaccel: 'SOURCE', size: 'SOURCE', fps: 'SOURCE'}}",
        "feed: {bind: 'SOURCE'}\nhttp: {bind: 'SOURCE'}\nscorer: {kind: 'SOURCE'}\nengine: {max_batch: 'SOURCE'}",
        "defaults: {source: 'SOURCE', zones: ['SOURCE'], smoothing: 'SOURCE'}",
        "cameras: {a: {source: SOURCE}",
        "cameras:\n  a:\n    source:SOURCE\n    enabled: true",
        "SOURCE",
        "SOURCE: 1",
    ],
)
@pytest.mark.parametrize(
    "source",
    [
        f"rtsp://admin:{PASSWORD}@h/x",
        f"rtps://admin:{PASSWORD}@h/x",
        f"rtsp:/admin:{PASSWORD}@h/x",
        f"http://h/x?token={PASSWORD}",
        "rtsp://admin:${PW}@h/x",
        "rtsp://admin:${PW}${NO_SUCH}@h/x",
        "${URL}",
    ],
)
def test_a_password_is_never_shown(
    file: Path, text: str, source: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    file.write_text(text.replace("SOURCE", source))
    try:
        config = load(file, environ={"PW": PASSWORD, "URL": f"rtsp://admin:{PASSWORD}@h/x"})
    except ConfigError as error:
        shown = [repr(error), str(error), *error.problems, *traceback.format_exception(error)]
    else:
        shown = [repr(config), str(config), str(config.model_dump()), config.model_dump_json()]
        shown += [repr(config.cameras), str(dict(config.cameras))]
        if config.cameras:
            assert PASSWORD in config.cameras["a"].source.url
    assert PASSWORD not in json.dumps([*shown, caplog.text, *capfd.readouterr()])


MARKS = [
    "a: ",
    "- ",
    "  ",
    "\n",
    "\n  ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&x ",
    "*x",
    "!!int ",
    "? ",
    "'",
    '"',
    "| ",
    "%",
    "---\n",
]
WORDS = [
    "cameras:",
    "front:",
    "defaults:",
    "source: ",
    "window: ",
    "zones: ",
    "0",
    "5s",
    "${A}",
    "$${",
    "~",
    "\t",
    "\\x",
]
YAML_BITS = st.sampled_from(MARKS + WORDS)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["cameras", "defaults", "scorer", "kind", "source", "window", "zones", "alerts", "open", "a"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200) | st.lists(YAML_BITS, max_size=30).map("".join) | TREES.map(json.dumps))
def test_any_text_loads_or_is_a_config_error(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="replace", newline="")
    loads_or_tells(file)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, len(EXAMPLE)), length=st.integers(0, 20), put=st.text(max_size=4) | YAML_BITS)
def test_a_damaged_example_loads_or_is_a_config_error(file: Path, start: int, length: int, put: str) -> None:
    text = EXAMPLE[:start] + put + EXAMPLE[start + length :]
    file.write_text(text, encoding="utf-8", errors="replace", newline="")
    loads_or_tells(file)


def loads_or_tells(file: Path) -> None:
    error: ConfigError | None = None
    try:
        load(file, environ={"A": "a", "FRONT_PASSWORD": "b", "YARD_PASSWORD": "c"})
    except ConfigError as caught:
        error = caught
    if error is not None:
        assert error.problems
        assert all("\n" not in problem and len(problem) < 1000 for problem in error.problems)


@settings(max_examples=200, deadline=None)
@given(tree=TREES)
def test_any_tree_of_values_is_a_configuration_or_a_config_error(tree: object) -> None:
    with suppress(ConfigError):
        assert from_mapping(tree if isinstance(tree, dict) else {"cameras": tree}, environ={}).scorer
