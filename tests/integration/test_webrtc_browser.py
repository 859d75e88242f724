"""The page that makes a browser a camera, in Debian's Chromium with its own moving test picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")
pytest.importorskip("playwright.sync_api", reason="drives a browser")

from playwright.sync_api import sync_playwright

from tests.integration.console import PATIENCE_S, Running, WordScorer, settings, until

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_what_a_browser_publishes_becomes_an_alert(tmp_path: Path) -> None:
    scorer = WordScorer()
    scorer.levels["phone"] = 0.9
    running = Running(settings(tmp_path, {"phone": {"source": "webrtc://phone"}}), scorer)
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 390, "height": 800})
            wrong: list[str] = []
            page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(f"{running.url}/publish")
            page.get_by_role("button", name="Start").click()
            page.get_by_text("Sending").wait_for(timeout=PATIENCE_S * 1000)
            until(lambda: running.get("/api/alerts")["events"], "an alert")
            page.get_by_role("button", name="Stop").click()
            page.get_by_text("Stopped").wait_for(timeout=PATIENCE_S * 1000)
            until(lambda: "waits for" in str(running.get("/api/cameras")[0]["message"]), "the wait for the next")
            browser.close()
            assert wrong == []
    finally:
        running.stop()
