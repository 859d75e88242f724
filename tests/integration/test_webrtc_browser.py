"""Browsers that publish and watch by WebRTC: Debian's Chromium, with its own moving test picture."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")
pytest.importorskip("playwright.sync_api", reason="drives a browser")

from playwright.sync_api import Page, sync_playwright

from tests.integration.console import PATIENCE_S, SCENE, Running, WordScorer, settings, until
from tests.integration.webrtc_peers import Viewer

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


PHONE = {"source": "webrtc://phone", "stall": "20s", "open_timeout": "20s"}
pytestmark = pytest.mark.usefixtures("chromium")


@contextmanager
def browsing(width: int, height: int, *flags: str, expected: str = "nothing", **options: Any) -> Iterator[Page]:
    """A page without a word in the browser's console but what is expected there."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        browser.close()
        assert [each for each in wrong if expected not in each] == []


def test_what_a_browser_publishes_becomes_an_alert(tmp_path: Path) -> None:
    scorer = WordScorer()
    scorer.levels["phone"] = 0.9
    running = Running(settings(tmp_path, {"phone": PHONE}), scorer)
    try:
        with browsing(390, 800) as page:
            page.goto(running.url)
            page.get_by_role("link", name="Use this device as a camera").click()
            page.get_by_role("button", name="Start").click()
            page.get_by_text("Sending").wait_for(timeout=PATIENCE_S * 1000)
            until(lambda: running.get("/api/alerts")["events"], "an alert")
            page.get_by_role("button", name="Stop").click()
            page.get_by_text("Stopped").wait_for(timeout=PATIENCE_S * 1000)
            until(lambda: "waits for" in str(running.get("/api/cameras")[0]["message"]), "the wait for the next")
    finally:
        running.stop()


def test_a_browser_watches_by_webrtc_when_there_is_room_and_sees_pictures_till_then(tmp_path: Path) -> None:
    console = {"bind": "127.0.0.1:0", "webrtc_viewers": 1}
    running = Running(settings(tmp_path, {"gate": {"source": SCENE.format(2)}}, console=console), WordScorer())
    other = Viewer(running.url)
    try:
        assert other.watch("gate").status_code == 201
        with browsing(1200, 800, expected="503") as page:
            with page.expect_response(lambda told: "/whep/" in told.url and told.request.method == "POST") as refused:
                page.goto(f"{running.url}/#/camera/gate")
            assert refused.value.status == 503
            page.get_by_text("pictures", exact=True).wait_for(timeout=PATIENCE_S * 1000)
            assert page.locator("canvas[aria-label='Newest picture of gate']").is_visible()
            assert other.ask("DELETE") == 200
            page.get_by_text("live, WebRTC").wait_for(timeout=3 * PATIENCE_S * 1000)
            video = page.locator("video")
            assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [160, 90]
            assert not page.locator("canvas[aria-label='Newest picture of gate']").is_visible()
            page.goto(f"{running.url}/#/")
            until(lambda: other.watch("gate").status_code == 201, "the place of the page that was left")
    finally:
        other.close()
        running.stop()
