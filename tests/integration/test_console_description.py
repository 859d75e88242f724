"""The console's API does what its OpenAPI description says, whatever it is sent: a bounded, seeded search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("schemathesis", reason="searches by the description of the API")
pytest.importorskip("httpx2", reason="needs the openai extra")

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from stream.outbox import Outbox
from tests.integration.console_process import running_console
from tests.unit.stream.feed.made import an_alert

ENDLESS = {"/api/stream", "/api/cameras/{camera}/live.mjpg"}
EXAMPLES = 25


@pytest.mark.timeout(180)
def test_every_answer_is_as_described(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        outbox.append(an_alert(id="A", type="end", end_time=11.0))
    with running_console(tmp_path) as url:
        description = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
        operations = [each.ok() for each in description.get_all_operations() if isinstance(each, Ok)]
        asked = [operation for operation in operations if operation.path not in ENDLESS]
        assert len(asked) > 15
        for operation in asked:

            @given(case=operation.as_strategy())
            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def conforms(case: schemathesis.Case[Any]) -> None:
                if case.path_parameters and "camera" in case.path_parameters:
                    case.path_parameters["camera"] = "front"
                case.call_and_validate(excluded_checks=[positive_data_acceptance])  # a schema can't tell every rule

            conforms()
