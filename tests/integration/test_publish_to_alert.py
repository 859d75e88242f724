"""From a camera's picture to its alert and clip, all by Chromium: one page publishes what another one then shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")
pytest.importorskip("playwright.sync_api", reason="drives a browser")

from playwright.sync_api import expect

from engine.motion import MotionScorer
from tests.integration.console import PATIENCE_S, Running, all_closed, settings, until
from tests.integration.test_webrtc_browser import browsing

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.timeout(300)]

PATIENCE_MS = 1000 * PATIENCE_S
WIDTH, HEIGHT, FPS = 320, 180, 10
CALM_S, WILD_S = 9, 4
GATE = {
    "source": "webrtc://gate",
    "stall": "20s",
    "open_timeout": "20s",
    "motion": {"warm_up": "3s"},
    "window": {"length": "500ms", "stride": "500ms", "frames": 5, "fps": 10},
}


def write_clip(path: Path) -> None:
    """A still yard, through which something large and bright then dashes to and fro. Browsers play it in a loop."""
    rng = np.random.default_rng(1)
    yard = rng.integers(70, 90, (HEIGHT, WIDTH), np.uint8)
    grey = bytes([128]) * (WIDTH * HEIGHT // 2)
    side = HEIGHT // 2
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range((CALM_S + WILD_S) * FPS):
            picture = yard.copy()
            if number >= CALM_S * FPS:
                left = (number * 53) % (WIDTH - side)
                top = (number * 29) % (HEIGHT - side)
                picture[top : top + side, left : left + side] = 235
            file.write(b"FRAME\n" + picture.tobytes() + grey)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Running]:
    with all_closed() as opened:
        config = settings(tmp_path / "data", {"gate": GATE}, scorer={"kind": "motion"})
        opened.append(Running(config, MotionScorer()))
        yield opened[-1]


def test_a_clip_that_a_browser_publishes_is_told_shown_and_played(watch: Running, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.y4m")
    with browsing(1200, 800, f"--use-file-for-fake-video-capture={tmp_path / 'clip.y4m'}") as wall:
        wall.goto(watch.url)
        tile = wall.locator(".tile:not(.waiting)")
        expect(tile).to_contain_text("Connecting", timeout=PATIENCE_MS)
        assert wall.context.browser is not None
        phone = wall.context.browser.new_page(viewport={"width": 360, "height": 700})
        phone.goto(f"{watch.url}/publish#gate")
        phone.get_by_role("button", name="Start").click()
        phone.get_by_text("Sending").wait_for(timeout=PATIENCE_MS)
        expect(tile.locator(".tile-state")).to_have_text("Live", timeout=PATIENCE_MS)
        expect(tile.locator(".tile-event")).to_contain_text("Alert since", timeout=PATIENCE_MS)
        event_id = watch.get("/api/alerts")["events"][0]["id"]
        wall.locator(f'.event[href="#/alerts/{event_id}"]').click()
        expect(wall.locator(".detail .what")).to_contain_text("movement", timeout=PATIENCE_MS)
        until(lambda: watch.get(f"/api/alerts/{event_id}")["end_time"], "the calm after it")
        clip = wall.get_by_role("button", name="Clip", exact=True)
        expect(clip).to_be_enabled(timeout=PATIENCE_MS)
        clip.click()
        video = wall.locator(".evidence video")
        until(lambda: video.evaluate("video => video.readyState >= 2 && video.currentTime > 0"), "the clip to play")
        assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [WIDTH, HEIGHT]
