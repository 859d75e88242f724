"""Definitions in a real browser: what a wording is tried on, and who took what back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("playwright.sync_api", reason="needs a browser to drive")

from playwright.sync_api import Page, expect, sync_playwright

from stream.outbox import Outbox
from tests.integration.console import PATIENCE_S, SCENE, Running, WordScorer, all_closed, settings, until
from tests.unit.stream.clips import encode
from tests.unit.stream.feed.made import an_alert

pytestmark = pytest.mark.timeout(300)  # on a machine that has much else to do

PATIENCE_MS = 1000 * PATIENCE_S
CLIP = "events/2026-01-01/hall/A.mp4"
CLIP_S = 4.0


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Running]:
    """A camera that was watched before: of its alert A there is a clip, of B there is none."""
    clip = tmp_path / CLIP
    clip.parent.mkdir(parents=True)
    encode(clip, seconds=CLIP_S)
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        outbox.append(an_alert(id="A", camera="hall", type="end", end_time=11.0, clip=CLIP))
        outbox.append(an_alert(id="B", camera="hall", type="end", end_time=11.0))
    scorer = WordScorer()
    scorer.by_text = {"a fall": 0.2, "a bad fall": 0.8}
    cameras = {"hall": {"source": SCENE.format(3), "definitions": ["a fall"]}}
    with all_closed() as opened:
        opened.append(Running(settings(tmp_path, cameras), scorer))
        until(lambda: len(opened[0].get("/api/cameras/hall/timeline")["points"]) > 5, "scores")
        yield opened[0]


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(reduced_motion="reduce")
        browser.close()


def test_one_chooses_what_to_try_on_and_sees_how_much_there_was(hall: Running, page: Page) -> None:
    page.goto(f"{hall.url}/#/definitions/hall?event=A")
    on = page.get_by_label("Try on").first
    expect(on).to_have_value("A", timeout=PATIENCE_MS)
    assert on.locator("option").count() == 2  # B has no clip
    page.get_by_label("Abnormal is").fill("a bad fall")
    tried = page.locator(".trial").first
    page.get_by_role("button", name="Try it").click()
    expect(tried).to_contain_text("On the clip of the alert of", timeout=PATIENCE_MS)

    page.get_by_role("button", name="Add a definition").click()
    page.get_by_label("Try on").nth(1).select_option(label="the last 2 min")
    expect(on).to_have_value("")  # one choice for all
    page.get_by_role("button", name="Try it").first.click()
    expect(tried).to_contain_text("On the last", timeout=PATIENCE_MS)
    expect(tried).to_contain_text("of the 2 min asked for were there: the camera showed nothing before.")


def test_who_took_a_change_back_is_shown(hall: Running, page: Page) -> None:
    page.goto(f"{hall.url}/#/definitions/hall")
    page.get_by_label("Abnormal is").fill("a bad fall", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Undo the last change").click(timeout=PATIENCE_MS)
    expect(page.locator(".changes")).to_contain_text("(undone by local, ", timeout=PATIENCE_MS)
