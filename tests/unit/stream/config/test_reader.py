from __future__ import annotations

import pytest

from stream.config.reader import DEEPEST, read


def test_values_stay_text_and_keep_their_lines() -> None:
    reading = read('a:\n  b: off\n  c: [1:30, "2"]\nd:\n  - x: 0123\n')
    assert reading.value == {"a": {"b": "off", "c": ["1:30", "2"]}, "d": [{"x": "0123"}]}
    assert reading.problems == []
    assert reading.lines[("a", "b")] == 2
    assert reading.lines[("a", "c", 1)] == 3
    assert reading.lines[("d", 0, "x")] == 5


@pytest.mark.parametrize(
    ("text", "value"), [("", None), ("# nothing", None), ("a:", {"a": None}), ("a: ''", {"a": ""})]
)
def test_nothing_is_none_and_an_empty_text_is_text(text: str, value: object) -> None:
    reading = read(text)
    assert reading.value == value
    assert reading.problems == []


def test_a_key_given_twice_is_a_problem_with_both_lines_and_the_first_holds() -> None:
    reading = read("a: 1\nb: 2\na: {c: 3}\n")
    assert reading.value == {"a": "1", "b": "2"}
    [problem] = reading.problems
    assert (problem.line, problem.path) == (3, ("a",))
    assert "first in line 1" in problem.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: &x 2\n", 2),
        ("a: !!python/object/apply:os.system [ls]\n", 1),
        ("a: !x y\n", 1),
        ("a: &x\n  - *x\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ('a: "\\0"\n', 1),
        ('a: "\\ud800"\n', 1),
    ],
)
def test_what_is_more_than_plain_data_is_a_problem(text: str, line: int) -> None:
    assert line in [problem.line for problem in read(text).problems]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n  b: 2\n", 2),
        ("a: [1,\n", 2),
        ("a:\n\t- 1\n", 2),
        ("a: 1\nb: \x07\n", 2),
        ("a: 1\n? [b]\n: c\n", 2),
        ('a: "\\UFFFFFFFF"\n', 1),
        ("[" * (DEEPEST + 5) + "]" * (DEEPEST + 5), 1),
        ("[" * 50_000, 1),
        ("%YAML 1." + "9" * 5000 + "\n---\na\n", 1),
    ],
)
def test_what_is_no_yaml_breaks_off_with_its_line(text: str, line: int) -> None:
    reading = read(text)
    assert reading.broken
    assert reading.problems[-1].line == line
