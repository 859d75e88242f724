"""What tests of the console's page share: pages for viewers, events to look at, and patience."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect

from tests.integration.console import PATIENCE_S, Running, WordScorer, until

PATIENCE_MS = 1000 * PATIENCE_S
EXPECTED = re.compile(r"Failed to load resource: .*(status of (401|404|409|422|429|503)|ERR_)")

Open = Callable[..., Page]


@contextmanager
def pages(browser: Browser) -> Iterator[Open]:
    """Opens pages, each for a viewer of its own; none may raise, log an error, or break the content policy."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.search(message.text):
            wrong.append(message.text)

    def asked(dialog: Dialog) -> None:
        wrong.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def begin(url: str, **options: Any) -> Page:
        context = browser.new_context(reduced_motion="reduce", timezone_id="Europe/Berlin", **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", asked)
        page.goto(url)
        return page

    yield begin
    for context in contexts:
        context.close()
    assert not wrong


def an_event(running: Running, scorer: WordScorer, sentence: str, camera: str = "front", alerts: int = 1) -> str:
    """Has one happen with this sentence and at least so many alerts, waits until it is over, and gives its id."""

    def found() -> str | None:
        events = running.get("/api/alerts", params={"camera": camera, "open": True})["events"]
        return next((event["id"] for event in events if event["explanation"] == sentence), None)

    with happening(scorer, sentence, camera):
        event_id: str = until(found, "it")
        until(lambda: len(running.get(f"/api/alerts/{event_id}")["messages"]) >= alerts, "its alerts")
    until(lambda: running.get(f"/api/alerts/{event_id}")["end_time"], "the event's end")
    return event_id


@contextmanager
def happening(scorer: WordScorer, sentence: str, camera: str = "front") -> Iterator[None]:
    scorer.sentence = sentence
    scorer.levels[camera] = 0.9
    try:
        yield
    finally:
        scorer.levels[camera] = 0.1


def holds(page: Page, expression: str) -> None:
    """Waits until it does. Playwright's own way needs `eval`, which the page's content policy forbids."""
    for _ in range(round(PATIENCE_MS / 50)):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"waited in vain for {expression}")


def see(page: Page, selector: str, text: str) -> None:
    expect(page.locator(selector).first).to_contain_text(text, timeout=PATIENCE_MS)
