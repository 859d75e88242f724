import pytest

from stream.cli import run
from stream.cli.options import with_console_address


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


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--console"], ["--console=127.0.0.1:8788"]),
        (["--console", "front=rtsp://1.2.3.4:554/x"], ["--console=127.0.0.1:8788", "front=rtsp://1.2.3.4:554/x"]),
        (["--console", "0"], ["--console=127.0.0.1:8788", "0"]),
        (["--console", "-c", "x"], ["--console=127.0.0.1:8788", "-c", "x"]),
        (["--console", "0.0.0.0:1", "0"], ["--console", "0.0.0.0:1", "0"]),
        (["--console", "[::1]:1"], ["--console", "[::1]:1"]),
        (["--console", "off"], ["--console", "off"]),
        (["x", "--debug"], ["x", "--debug"]),
    ],
)
def test_the_console_may_be_asked_for_without_an_address(given: list[str], meant: list[str]) -> None:
    assert with_console_address(given) == meant


def test_a_console_for_others_needs_a_token_and_the_command_says_how_to_make_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["watch", "--console", "0.0.0.0:1", "synthetic://"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "openssl rand" in said
