from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from stream.cli.logs import log_to_stderr


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


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
