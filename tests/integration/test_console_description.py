"""The console's API does what its OpenAPI description says, whatever it is sent: a bounded, seeded search."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("schemathesis", reason="searches by the description of the API")
pytest.importorskip("httpx2", reason="needs the openai extra")

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from stream.outbox import Outbox
from tests.integration.console_process import running_console
from tests.unit.stream.feed.made import an_alert

pytestmark = pytest.mark.timeout(180)

ENDLESS = {"/api/stream", "/api/cameras/{camera}/live.mjpg"}
PROBLEM = "application/problem+json"
TOKENS = {role: f"{role}-{'x' * 24}" for role in ("viewer", "operator")}
SIGN_IN = [{"name": role, "role": role, "token": token} for role, token in TOKENS.items()]
REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)
EXCLUDED = [
    positive_data_acceptance,  # a schema can't tell every rule
    ignored_auth,  # its wrong tokens would lock this address out
]
NAMES = st.sampled_from(3 * [{"camera": "front", "event_id": "A"}] + [{}])
BOUNDED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def operations(data: Path, tokens: Sequence[Mapping[str, str]] = ()) -> Iterator[list[Any]]:
    """All that the description of a running console has, but what never ends."""
    with Outbox(data / "outbox.sqlite3", time.time) as outbox:
        outbox.append(an_alert(id="A", type="end", end_time=11.0))
    with running_console(data, tokens) as url:
        description = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
        found = [each.ok() for each in description.get_all_operations() if isinstance(each, Ok)]
        asked = [operation for operation in found if operation.path not in ENDLESS]
        assert len(asked) > 15
        yield asked


@pytest.fixture(scope="module")
def with_tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    with operations(tmp_path_factory.mktemp("tokens"), SIGN_IN) as asked:
        yield asked


def conforms(operation: Any, examples: int, role: str | None = None) -> None:
    """Ask for valid things, mostly for what there is."""

    @given(case=operation.as_strategy(), names=NAMES)
    @settings(BOUNDED, max_examples=examples)
    def as_described(case: schemathesis.Case[Any], names: Mapping[str, str]) -> None:
        for name, value in names.items():
            if case.path_parameters and name in case.path_parameters:
                case.path_parameters[name] = value
        answer = case.call_and_validate(headers=bearer(role), excluded_checks=EXCLUDED)
        if role:
            assert answer.status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)
        if role == "viewer" and case.method != "GET":
            assert answer.status_code in REFUSED

    as_described()


def test_every_answer_is_as_described(tmp_path: Path) -> None:
    with operations(tmp_path) as asked:
        for operation in asked:
            conforms(operation, examples=15)


@pytest.mark.parametrize("role", TOKENS)
def test_so_it_is_for_everybody_who_has_a_token(with_tokens: list[Any], role: str) -> None:
    for operation in with_tokens:
        if operation.path != "/api/session":  # wrong tokens there would lock this address out
            conforms(operation, examples=4, role=role)


def refused(operation: Any, examples: int) -> int:
    """Ask for things that are not as described, and count how often that was refused."""
    count = 0

    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    @settings(BOUNDED, max_examples=examples)
    def is_refused(case: schemathesis.Case[Any]) -> None:
        nonlocal count
        answer = case.call_and_validate(headers=bearer("operator"), excluded_checks=EXCLUDED)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
            assert answer.headers["content-type"] == [PROBLEM]
            count += 1

    with suppress(Unsatisfiable):  # nothing is asked for there that could be wrong
        is_refused()
    return count


def test_what_is_not_as_described_is_a_problem_and_never_a_fault(with_tokens: list[Any]) -> None:
    counts = {operation.label: refused(operation, examples=8) for operation in with_tokens}
    assert {label for label, count in counts.items() if not count} <= {"GET /api/session", "DELETE /api/session"}


def bearer(role: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
