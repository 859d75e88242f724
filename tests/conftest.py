"""What holds for every test: a slow machine is no fault of what it tries, and the log is as it was before."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("vigil", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vigil")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command sets up logging, for a standard error that is gone after its test."""
    root = logging.getLogger()
    handlers, level, levels = root.handlers[:], root.level, dict(_levels())
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, changed in _levels():
        if changed != levels.get(name, logging.NOTSET):
            logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def _levels() -> Iterator[tuple[str, int]]:
    """Of our own loggers."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in ("engine", "offline_eval", "stream"):
            yield name, logger.level
