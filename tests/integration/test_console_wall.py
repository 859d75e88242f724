"""The wall in a real browser: on a phone, and when cameras go away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("playwright.sync_api", reason="needs playwright")


from tests.integration.browsing import Open, holds, see
from tests.integration.console import SCENE, Running, WordScorer, settings, until

pytestmark = pytest.mark.timeout(300)  # on a machine that has much else to do

REFUSED = "rtsp://user:hunter2@127.0.0.1:1/x"
TILES = """[...document.querySelectorAll('.tile')].map((tile) => {
    const box = (selector) => tile.querySelector(selector).getBoundingClientRect();
    const cut = (selector) => {
        const node = tile.querySelector(selector);
        return node.scrollWidth > node.clientWidth;
    };
    const note = tile.querySelector('.tile-note span');
    return {
        name: tile.querySelector('h2').textContent,
        cut: cut('h2') || cut('.tile-number'),
        state: tile.querySelector('.tile-state').textContent,
        nameEnds: box('h2').right, stateBegins: box('.tile-state').left,
        numberEnds: box('.tile-number').right, curveBegins: box('.spark').left,
        noteLines: Math.round(note.getBoundingClientRect().height / parseFloat(getComputedStyle(note).lineHeight)),
    };
})"""

LINES = """[...document.querySelectorAll('.nav a')].map((link) => {
    const range = document.createRange();
    range.selectNodeContents(link.firstChild);
    return range.getClientRects().length;
})"""


@pytest.mark.parametrize("many", [5, 32])
def test_every_tile_can_be_read_on_a_phone(open_page: Open, tmp_path: Path, many: int) -> None:
    cameras: dict[str, Any] = {f"gate-{number:03}": {"source": REFUSED} for number in range(many)}
    cameras["gate-000"] = {"source": SCENE.format(1)}
    scorer = WordScorer()
    scorer.levels["gate-000"] = 0.9
    running = Running(settings(tmp_path, cameras), scorer)
    try:
        for width in (360, 390):
            page = open_page(running.url, viewport={"width": width, "height": 800}, is_mobile=True, has_touch=True)
            holds(page, f"document.querySelectorAll('.tile-state .chip').length === {many}")
            see(page, ".tile:nth-child(1) .tile-number", "0.90")
            see(page, ".tile:nth-child(2) .tile-number", "unknown")
            see(page, ".tile:nth-child(2) .tile-note", "refused")
            assert page.evaluate("document.documentElement.scrollWidth") <= width  # innerWidth would grow with it
            page.wait_for_selector("#open-count:not([hidden])")
            for view in ("alerts", "definitions"):  # the one that is shown is bold
                page.evaluate("(view) => document.querySelector(`[data-view=${view}]`).ariaCurrent = 'page'", view)
            assert page.evaluate(LINES) == [1, 1, 1, 1]
            for tile in page.evaluate(TILES):
                assert not tile["cut"], tile
                assert tile["state"] in ("Live", "Offline", "Connecting"), tile  # for who can't see its sign
                assert tile["nameEnds"] <= tile["stateBegins"], tile
                assert tile["numberEnds"] <= tile["curveBegins"], tile
                assert tile["noteLines"] <= 2, tile
    finally:
        running.stop()


def test_a_camera_that_went_away_keeps_its_old_picture_and_no_score(open_page: Open, tmp_path: Path) -> None:
    """At once, and not only when the cameras are looked at again."""
    running = Running(settings(tmp_path, {"gate": {"source": SCENE.format(1)}}), WordScorer())
    try:
        page = open_page(running.url)
        see(page, ".tile-number", "0.10")
        holds(page, "document.querySelector('.tile canvas').width === 160")
        gone = {"camera": "gate", "state": "connecting", "since": None, "fault": None, "message": None}
        page.evaluate(
            """async (gone) => {
                const { Tile } = await import("/static/js/tile.js");
                const { Store } = await import("/static/js/store.js");
                const stream = new EventTarget();
                const store = new Store(stream);
                await store.refresh();
                const pictures = { show: (name, canvas, told) => ((pictures.told = told), {}) };
                const tile = new Tile("gate", pictures);
                document.querySelector(".tiles").append(tile.node);
                const paint = () => tile.paint(store.cameras.get("gate"), [], undefined, true);
                paint();
                const before = tile.node.querySelector(".tile-number").textContent;
                stream.dispatchEvent(new CustomEvent("status", { detail: gone }));
                paint();
                const between = tile.node.querySelector(".tile-note").textContent;
                pictures.told({ there: true, isNew: true });
                window.seen = {
                    before,
                    between,
                    after: tile.node.querySelector(".tile-number").textContent,
                    note: tile.node.querySelector(".tile-note").hidden,
                    old: "old" in tile.node.querySelector("canvas").dataset,
                };
            }""",
            gone,
        )
        assert page.evaluate("window.seen") == {
            "before": "0.10",
            "between": "No picture yet.",
            "after": "unknown",
            "note": True,
            "old": True,
        }
    finally:
        running.stop()


def test_the_api_tells_no_score_of_a_camera_that_is_not_live(tmp_path: Path) -> None:
    cameras = {"brief": {"source": f"{SCENE.format(2)}&duration=2"}, "gate": {"source": SCENE.format(1)}}
    running = Running(settings(tmp_path, cameras), WordScorer())
    try:

        def of(name: str) -> Any:
            return next(each for each in running.get("/api/cameras") if each["name"] == name)

        until(lambda: of("gate")["score"]["default"] == 0.1, "a score")
        until(lambda: of("brief")["state"] == "ended", "its end")
        assert len(running.get("/api/cameras/brief/timeline")["points"]) > 0
        assert of("brief")["score"] == {"default": None}
    finally:
        running.stop()


def test_a_past_that_cannot_be_fetched_is_said_to_be_missing(open_page: Open, tmp_path: Path) -> None:
    running = Running(settings(tmp_path, {"gate": {"source": SCENE.format(1)}}), WordScorer())
    try:
        page = open_page(f"{running.url}/#/health")
        see(page, "#link-state", "Connected")
        page.route("**/timeline?*", lambda route: route.abort())
        page.evaluate("location.hash = '#/camera/gate'")
        see(page, ".camera", "What was before could not be fetched. Vigil can't be reached.")
        page.unroute("**/timeline?*")
        page.click("text=Try again")
        page.wait_for_selector("text=What was before", state="detached")
    finally:
        running.stop()
