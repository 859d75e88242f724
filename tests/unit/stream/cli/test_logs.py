from __future__ import annotations

import logging

import pytest

from stream.cli.logs import log_to_stderr


@pytest.mark.parametrize("debug", [False, True])
def test_what_libraries_say_on_the_root_logger_is_for_debugging(
    debug: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr(debug=debug)
    logging.getLogger().info("chatter")
    logging.getLogger().warning("trouble")
    logging.getLogger("stream.session").info("ours")
    said = capsys.readouterr().err
    assert ("chatter" in said) is debug
    assert "trouble" in said
    assert "ours" in said


EVIL = "\x1b[2J\x1b]0;title\x07 \x9b31m\r\n00:00:00 front      ALERT 1.00: forged\u202egnp.exe \u2028<b>{0} %s"


@pytest.mark.parametrize("debug", [False, True])
def test_what_a_model_or_a_camera_says_is_one_line_that_steers_nothing(
    debug: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr(debug=debug)
    logging.getLogger("stream.alerts").warning("%s", EVIL, extra={"camera": EVIL})
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert not [one for one in ("\x1b", "\x07", "\x9b", "\r", "\u202e", "\u2028") if one in said]


def test_a_traceback_steers_nothing_either(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(debug=True)
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("stream.alerts").exception("a bug")
    said = capsys.readouterr().err
    assert "ValueError: " in said
    assert not [one for one in ("\x1b", "\x07", "\x9b", "\r", "\u202e", "\u2028") if one in said]
