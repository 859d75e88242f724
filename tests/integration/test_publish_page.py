"""The page that makes a device a camera, in Debian's Chromium: who gets in and how, and what happens on a break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")
pytest.importorskip("playwright.sync_api", reason="drives a browser")
pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")

from playwright.sync_api import Page, expect

from tests.integration.console import PATIENCE_S, Running, WordScorer, all_closed, settings, until
from tests.integration.lossy_relay import Line, relayed
from tests.integration.test_console_page import serious
from tests.integration.test_webrtc_browser import browsing

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.timeout(300)]

PATIENCE_MS = 1000 * PATIENCE_S
GATE, OLGA, ANN = "g" * 24, "o" * 24, "a" * 24
CAMERAS = {
    "gate": {"source": "webrtc://gate", "publish_token": GATE, "stall": "8s", "open_timeout": "20s"},
    "a-yard-with-a-rather-long-name": {"source": "webrtc://yard", "stall": "20s", "open_timeout": "20s"},
}
TURN = {"url": "turn:192.0.2.1:3478?transport=udp", "user": "vi", "password": 'q"\\,<;>'}
TOKENS = [{"name": "Ann", "role": "viewer", "token": ANN}, {"name": "Olga", "role": "operator", "token": OLGA}]
REFUSED = "Failed to load resource"  # what the browser's console says of each 401
PHONE: dict[str, Any] = {"is_mobile": True, "has_touch": True}


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    with all_closed() as opened:
        yield opened


@pytest.fixture
def watch(opened: list[Any], tmp_path: Path) -> Running:
    console = {"bind": "127.0.0.1:0", "tokens": TOKENS}
    running = Running(settings(tmp_path, CAMERAS, console=console), WordScorer())
    opened.append(running)
    running.client.headers["authorization"] = f"Bearer {OLGA}"
    return running


def state(running: Running, name: str = "gate") -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in running.get("/api/cameras") if each["name"] == name)
    return found


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Your token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def begin(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Sending").wait_for(timeout=PATIENCE_MS)


def test_a_link_with_the_cameras_own_token_is_all_that_a_phone_needs(watch: Running) -> None:
    with browsing(360, 700, **PHONE) as page:
        page.goto(f"{watch.url}/publish#gate:{GATE}")
        expect(page.get_by_label("Publish to")).to_have_value("gate", timeout=PATIENCE_MS)
        assert page.url == f"{watch.url}/publish#gate"
        begin(page)
        until(lambda: state(watch)["state"] == "live", "its pictures")
        page.get_by_role("button", name="Stop").click()
        until(lambda: "waits for" in str(state(watch)["message"]), "the wait for the next")


def test_a_link_names_the_camera_and_a_viewer_is_told_before_starting(watch: Running) -> None:
    with browsing(360, 700, expected=REFUSED, **PHONE) as page:
        page.goto(f"{watch.url}/publish#yard:{GATE}")
        expect(page.get_by_text("The token in this link does not let you publish")).to_be_visible(timeout=PATIENCE_MS)
        assert page.url == f"{watch.url}/publish#yard"
        assert serious(page) == []
        sign_in(page, ANN)
        expect(page.get_by_text("Ann may look, but not publish")).to_be_visible(timeout=PATIENCE_MS)
        sign_in(page, "nobody's")
        expect(page.get_by_text("This token is not known")).to_be_visible(timeout=PATIENCE_MS)
        sign_in(page, OLGA)
        expect(page.get_by_label("Publish to")).to_have_value("yard", timeout=PATIENCE_MS)
        page.goto(f"{watch.url}/publish#gate:{GATE}")  # in the same page
        expect(page.get_by_label("Publish to")).to_have_value("gate", timeout=PATIENCE_MS)
        assert GATE not in page.url


@pytest.mark.parametrize("path", ["/whip/gate", "/whep/gate"])
def test_the_browser_uses_the_servers_that_help_through_a_network(path: str, opened: list[Any], tmp_path: Path) -> None:
    servers = [{"url": "stun:192.0.2.1:3478"}, {"url": "turn:192.0.2.9"}, TURN]  # browsers want a user of the second
    running = Running(
        settings(tmp_path, CAMERAS, console={"bind": "127.0.0.1:0", "ice_servers": servers}), WordScorer()
    )
    opened.append(running)
    with browsing(360, 700) as page:
        page.goto(f"{running.url}/publish")
        used = page.evaluate(
            """async (path) => {
                const { connectionTo } = await import('/static/js/sdp.js');
                return (await connectionTo(path)).getConfiguration().iceServers;
            }""",
            path,
        )
    assert [each["urls"] for each in used] == [["stun:192.0.2.1:3478"], [TURN["url"]]]
    assert (used[1]["username"], used[1]["credential"]) == (TURN["user"], TURN["password"])


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_fits_a_phone_whatever_it_says_and_axe_finds_nothing_serious(scheme: Any, watch: Running) -> None:
    with browsing(360, 700, expected=REFUSED, color_scheme=scheme, **PHONE) as page:
        page.add_init_script("delete Navigator.prototype.mediaDevices")  # as over plain HTTP
        page.goto(f"{watch.url}/publish")
        page.get_by_label("Your token").wait_for(timeout=PATIENCE_MS)
        assert serious(page) == []
        sign_in(page, OLGA)
        page.get_by_text("Browsers give their camera to pages over HTTPS").wait_for(timeout=PATIENCE_MS)
        assert page.get_by_role("button", name="Start").is_disabled()
        assert page.evaluate("document.documentElement.scrollWidth") == 360  # a phone would zoom out: innerWidth grows
        assert serious(page) == []


def test_a_device_that_was_replaced_says_so_and_leaves_the_camera_alone(watch: Running) -> None:
    with browsing(360, 700, expected=REFUSED, **PHONE) as first:
        first.goto(f"{watch.url}/publish#gate:{GATE}")
        begin(first)
        until(lambda: state(watch)["state"] == "live", "its pictures")
        assert first.context.browser is not None
        second = first.context.browser.new_page(**PHONE)
        second.goto(f"{watch.url}/publish#gate:{GATE}")
        begin(second)
        expect(first.get_by_text("Another device took over.")).to_be_visible(timeout=PATIENCE_MS)
        expect(first.get_by_role("button", name="Start")).to_be_visible()
        until(lambda: state(watch)["state"] == "live", "the pictures of the second")
        assert state(watch)["reconnects"] == 1
        assert second.get_by_text("Sending").is_visible()
        begin(first)
        expect(second.get_by_text("Another device took over.")).to_be_visible(timeout=PATIENCE_MS)
        assert state(watch)["reconnects"] == 2


def test_a_page_goes_on_by_itself_when_vigil_had_let_it_go(watch: Running) -> None:
    with browsing(360, 700, expected=REFUSED, **PHONE) as page:
        locations: list[str] = []
        page.on("response", lambda told: locations.append(told.headers.get("location", "")))
        page.goto(f"{watch.url}/publish#gate:{GATE}")
        begin(page)
        until(lambda: state(watch)["state"] == "live", "its pictures")
        assert watch.client.delete(locations[-1]).status_code == 200
        until(lambda: state(watch)["reconnects"] == 1, "its return")
        until(lambda: state(watch)["state"] == "live", "its pictures again")
        page.get_by_text("Sending").wait_for(timeout=PATIENCE_MS)
        page.close()
        until(lambda: state(watch)["state"] != "live", "the loss of a page that was closed")


def test_a_page_goes_on_over_a_line_that_loses_packets_and_after_one_that_was_cut(watch: Running) -> None:
    line = Line(loss=0.05, jitter_s=0.02)
    with browsing(360, 700, expected=REFUSED, **PHONE) as page, relayed(page, line):
        page.goto(f"{watch.url}/publish#gate:{GATE}")
        begin(page)
        # Its requests pass through the test, and only while that asks the page something.
        stats = watch.watch._cameras["gate"].keeper.stats
        until(lambda: page.title() and stats.pictures >= 30, "thirty pictures")
        assert line.lost > 0
        assert stats.connections == 1
        line.gone = True
        page.get_by_text("trying again").wait_for(timeout=PATIENCE_MS)
        line.gone = False
        until(lambda: page.title() and stats.connections == 2, "its return")
        before = stats.pictures
        until(lambda: page.title() and stats.pictures > before + 10, "its pictures again")
        expect(page.get_by_text("Sending")).to_be_visible(timeout=PATIENCE_MS)
