from __future__ import annotations

from pathlib import Path

import pytest

from stream.config.secrets import RUN_SECRETS, Secrets


def test_the_environment_comes_first(tmp_path: Path) -> None:
    (tmp_path / "PW").write_text("from the file")
    assert Secrets({"PW": "from the environment"}, (tmp_path,)).look_up("PW") == "from the environment"


def test_files_lose_their_line_end_only(tmp_path: Path) -> None:
    (tmp_path / "PW").write_text(" two words \r\n")
    assert Secrets({}, (tmp_path,)).look_up("PW") == " two words "


def test_a_lower_case_file_and_the_next_directory_are_tried(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (second / "front_password").write_text("x")
    assert Secrets({}, (first, second)).look_up("FRONT_PASSWORD") == "x"


def test_an_empty_secret_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "PW").write_text("\n")
    with pytest.raises(LookupError, match=f"secret PW is not set: .* in {tmp_path}"):
        Secrets({"PW": ""}, (tmp_path,)).look_up("PW")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["a directory", "not text"])
def test_a_file_that_cannot_be_read_is_said_to_be(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "PW"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(LookupError, match=f"secret PW: cannot read {file}: "):
        Secrets({}, (tmp_path,)).look_up("PW")


def test_the_usual_places() -> None:
    assert Secrets.of({}).directories == (RUN_SECRETS,)
    assert Secrets.of({"CREDENTIALS_DIRECTORY": "/run/c"}).directories == (Path("/run/c"), RUN_SECRETS)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A {A}", "$A {A}"),
    ],
)
def test_references_are_replaced_and_escapes_undone(text: str, expanded: str) -> None:
    assert Secrets({"A": "a"}).expand(text) == (expanded, [])


def test_secrets_are_not_looked_into() -> None:
    assert Secrets({"A": "${B}"}).expand("${A}") == ("${B}", [])


def test_in_a_url_user_and_password_are_encoded_and_the_rest_is_not() -> None:
    secrets = Secrets({"U": "a:b", "P": "p@s/s#%", "HOST": "h:554"})
    assert secrets.expand("rtsp://${U}:${P}@${HOST}/x") == ("rtsp://a%3Ab:p%40s%2Fs%23%25@h:554/x", [])
    assert secrets.expand("${P}") == ("p@s/s#%", [])


def test_every_missing_secret_is_named_and_left_as_it_stands() -> None:
    text, problems = Secrets({}).expand("rtsp://${U}:${P}@h")
    assert text == "rtsp://${U}:${P}@h"
    assert ["U" in problems[0], "P" in problems[1], len(problems)] == [True, True, 2]


@pytest.mark.parametrize("text", ["${", "${a-b}", "${}", "${../x}"])
def test_a_malformed_reference_is_a_problem(text: str) -> None:
    [problem] = Secrets({}).expand(text)[1][:1]
    assert "a secret is written ${NAME}" in problem


def test_secrets_do_not_show_the_environment() -> None:
    assert "hunter2" not in repr(Secrets({"PW": "hunter2"}))
