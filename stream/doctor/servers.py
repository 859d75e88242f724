"""Do the servers that the `openai` scorer asks answer, and have they the model? Knows no machine and no camera."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import UsageError
from stream.config.models import OpenAIScorerConfig
from stream.doctor.findings import Finding, ok, problem
from stream.wiring.scorers import make_openai_scorer


def servers(config: OpenAIScorerConfig) -> Iterator[Finding]:
    try:
        scorer = make_openai_scorer(config)
    except UsageError as error:
        yield problem("scorer", error.message, error.advice)
        return
    try:
        faults = scorer.problems()
    finally:
        scorer.close()
    for address in dict.fromkeys(map(str, config.urls)):
        fault = faults.get(address.rstrip("/"))
        if fault:
            yield problem("scorer", fault.message, fault.advice, server=address)
        else:
            yield ok("scorer", f"{address} has {config.model}", server=address)
