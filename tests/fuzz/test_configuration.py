"""Whatever is in a file: it is a configuration, or there is one clean error that lists what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from stream.config import WatchConfig, from_mapping, load
from stream.config.document import EXAMPLE
from stream.config.section import Section, sections_of
from tests.fuzz.bounded import few, refusal, usual

SECRETS = {"FRONT_PASSWORD": "Zq7Xk9-front", "YARD_PASSWORD": "Zq7Xk9-yard", "A": "Zq7Xk9"}


def keys_of(section: type[Section], seen: set[str]) -> set[str]:
    for field in section.model_fields.values():
        seen.add(str(field.alias))
        for inner in sections_of(field.annotation):
            keys_of(inner, seen)
    return seen


KEYS = sorted(keys_of(WatchConfig, {"a", "front"}))
ODD = [
    *("", "~", "off", "null", "yes", "0", "-1", "1e400", "nan", "inf", "10s", "5GB", "99999999999d", "1x1", "0x0"),
    *("${A}", "${MISSING}", "${", "$${A}", "${A}${A}", "rtsp://u:${A}@h/p", "http://[::1", "tcp://*:*", "0.0.0.0:0"),
    *("../../etc/passwd", "~nobody-there/x", "/dev/zero", "a\x00b", "\ud800", "\u202e", "x" * 3000, "😀", "mqtts://h"),
]
scalars = st.one_of(st.sampled_from(ODD), st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none())
names = st.one_of(st.sampled_from(KEYS), st.text(max_size=8))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)),
    max_leaves=25,
)


def holds_or_says_why(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refusal(ConfigError, lambda: load(path, environ=SECRETS))
    assert error is None or error.problems
    for problem in error.problems if error else ():
        assert problem.strip()
        assert "\n" not in problem
        assert "Zq7Xk9" not in problem


@given(st.binary(max_size=300))
@usual
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    holds_or_says_why(tmp_path / "vigil.yaml", content)


@given(st.text(alphabet=" \n\t-:{}[],#&*!|>'\"%@`~?abc0123.$<=\\é\u2028\ufeff", max_size=120))
@usual
def test_any_text_that_looks_like_yaml(tmp_path: Path, content: str) -> None:
    holds_or_says_why(tmp_path / "vigil.yaml", content.encode())


@given(st.data())
@few
def test_a_good_file_with_something_changed(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(EXAMPLE.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([name.encode() for name in KEYS]))
        )
    holds_or_says_why(tmp_path / "vigil.yaml", bytes(content))


@given(trees)
@few
def test_known_keys_in_any_place_with_any_value(tmp_path: Path, tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True).encode(errors="surrogatepass")
    holds_or_says_why(tmp_path / "vigil.yaml", text)


@given(st.dictionaries(names, trees, max_size=5))
@few
def test_a_mapping_is_no_other(tree: dict[str, Any]) -> None:
    error = refusal(ConfigError, lambda: from_mapping(tree, environ=SECRETS))
    assert error is None or error.problems


@pytest.mark.parametrize(
    "content",
    [
        b"cameras: !!python/object/apply:os.system ['touch gone']",
        b"!!python/name:os.system",
        b"cameras: !!python/object/new:subprocess.Popen [['touch', 'gone']]",
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
        b"[" * 100_000,
        b"a:\n" * 5000,
        b"{" * 5000 + b"}" * 5000,
        b"cameras: {front: {source: 0, alerts: " + b"{open: " * 100 + b"}" * 102,
        b"- " * 20_000,
        b"? " * 10_000,
        b"x: " + b"9" * 100_000,
        b'"\\UFFFFFFFF"',
        b"%YAML 9.9\n---\n",
        b"cameras:\n  front: {source: '" + b"rtsp://a:b@" * 2000 + b"'}",
    ],
)
def test_what_is_made_to_break_readers_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    holds_or_says_why(tmp_path / "vigil.yaml", content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vigil.yaml"]
