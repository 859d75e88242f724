"""What holds for every test: a slow machine is no fault of what it tries, and the log is as it was before."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("vigil", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vigil")


class FileByFile(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Side by side (`-n`) run the tests of different files. All integration tests stay one after another, like one
    file: they have clocks, servers and browsers to mind.
    """

    def _split_scope(self, nodeid: str) -> str:
        integration = "tests/integration/"
        return integration if nodeid.startswith(integration) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileByFile:
    return FileByFile(config, log)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command sets up logging, for a standard error that is gone after its test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
