import pytest

from stream.cli import run


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vigil 0.")


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_whoever_asks_for_nothing_gets_the_help_as_it_is(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("Usage: vigil")
    assert "vigil: " not in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["listen", "--format", "xml"], "'xml' is not one of 'table', 'json'. (see vigil listen --help)"),
        (["config", "check"], "Missing argument 'FILE'. (see vigil config check --help)"),
        (["wach"], "No such command 'wach'. Did you mean 'watch'? (see vigil --help)"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_help_to_read(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("vigil: ")
    assert said.endswith(line)
