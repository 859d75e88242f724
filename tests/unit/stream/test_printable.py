from __future__ import annotations

import pytest

from stream.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two  spaces stay", "two  spaces stay"),
        ("a\nb\tc", "a�b�c"),
        ("\x1b[2Jgone", "�[2Jgone"),
        ("left\u202eright", "left�right"),
        ("half \ud83d a pair", "half � a pair"),
        ("门 🚪 क्षण 👩‍🚒", "门 🚪 क्षण 👩‍🚒"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_a_replacement(text: str, shown: str) -> None:
    assert printable(text) == shown
