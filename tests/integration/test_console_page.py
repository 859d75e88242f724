"""The console's page in a real browser, against a real watch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")

import axe_playwright_python
from playwright.sync_api import Page, Request

from engine.types import Box
from stream.console.app import STATIC
from tests.integration.browsing import Open, an_event, happening, holds, see
from tests.integration.console import SCENE, Running, WordScorer, settings, until
from tests.integration.proxy import proxy

pytestmark = pytest.mark.timeout(300)  # on a machine that has much else to do

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> & \u202e\u2028 \"'"
WALL_BYTES, PAGE_BYTES = 60_000, 100_000  # of the page itself over the wire: for the wall, and for all views
LONG_STORY = " ".join(["Somebody falls."] * 100)  # so that how an event was told has to be scrolled
MANY_ALERTS = 15
PHONE = {"width": 360, "height": 700}
DEAD = "rtsp://user:hunter2@127.0.0.1:1/x"
VIEWS = {  # and what is there when all of it is
    "#/": ".tile:nth-child(3) .tile-state .chip",
    "#/camera/yard": ".chart:not([aria-valuemax='0'])",
    "#/camera/dead": ".meaning",
    "#/alerts": ".event",
    "#/alerts/{id}": ".steps li[data-type=end]",
    "#/definitions": ".choices li:nth-child(3)",
    "#/definitions/yard": ".wording:nth-child(2)",
    "#/health": "tbody tr:nth-child(3)",
}
TOKENS = [{"name": "Ann", "role": "viewer", "token": "a" * 24}, {"name": "Olga", "role": "operator", "token": "o" * 24}]

AXE = Path(str(axe_playwright_python.__file__)).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, WordScorer]]:
    cameras = {
        "front": {"source": SCENE.format(1)},
        "yard": {"source": SCENE.format(2), "definitions": ["a fire", {"name": "fall", "text": HOSTILE, "open": 0.7}]},
        "dead": {"source": DEAD, "health": {"alerts": False}},  # else it would be the newest alert at some time
    }
    scorer = WordScorer()
    running = Running(settings(tmp_path_factory.mktemp("watched"), cameras), scorer)
    try:
        yield running, scorer
    finally:
        running.stop()


def settled(page: Page, view: str) -> None:
    page.wait_for_selector(VIEWS[view], state="attached")
    page.wait_for_selector(".loading", state="detached")


def test_the_wall_shows_every_camera_with_its_picture_and_how_it_is(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    page = open_page(watched[0].url)
    holds(page, "document.querySelectorAll('.tile').length === 3")
    see(page, ".tile:nth-child(1) .tile-state", "Live")
    see(page, ".tile:nth-child(3) .tile-state", "Offline")
    see(page, ".tile:nth-child(3) .tile-note", "refused")
    assert "hunter2" not in page.content()
    holds(page, "document.querySelector('.tile canvas').width === 160")  # the camera's own
    holds(page, "document.querySelector('.tile .curve').getAttribute('d').length > 40")
    see(page, "#zone", "Europe/Berlin")


def test_an_alert_appears_without_reloading_and_is_said_aloud(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    page = open_page(running.url)
    see(page, "#link-state", "Connected")
    sentence = f"Somebody is at the door. {HOSTILE}"
    with happening(scorer, sentence):
        see(page, ".tile[data-event] .tile-event", "Alert since")
        see(page, "#assertive", "camera front")
        see(page, "#open-count", "1")
        see(page, ".rail .event .event-what", "Somebody is at the door. <img src=x onerror=alert(1)>")
    page.wait_for_selector(".tile[data-event]", state="detached")
    page.wait_for_selector("#open-count", state="hidden")
    assert page.locator("main img[src=x], main script").count() == 0


def test_alerts_of_a_break_follow_when_the_line_is_back(open_page: Open, watched: tuple[Running, WordScorer]) -> None:
    running, scorer = watched
    with proxy(urlsplit(running.url).port or 0) as wire:
        page = open_page(f"http://127.0.0.1:{wire.port}/#/alerts")
        see(page, "#link-state", "Connected")
        page.wait_for_selector(".loading", state="detached")
        wire.clogged = True
        wire.cut()
        see(page, "#notices", "nothing is lost")
        missed = [an_event(running, scorer, f"It happened unseen, {n}.") for n in range(2)]
        wire.cut()
        wire.clogged = False
        see(page, "#link-state", "Connected")
        for event_id in missed:
            page.wait_for_selector(f'.event[href="#/alerts/{event_id}"]:not([data-open])')
        page.wait_for_selector("#notices p", state="detached")


def test_an_alert_is_shown_with_its_course_and_marked_by_keyboard(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    event_id = an_event(running, scorer, f"A man climbs a wall. {HOSTILE}")
    page = open_page(f"{running.url}/#/alerts")
    page.wait_for_selector(f'.event[href$="{event_id}"]')
    page.keyboard.press("j")
    see(page, ".detail .what", "A man climbs a wall. <img")
    holds(page, "document.querySelector('.evidence img').naturalWidth === 160")
    steps = page.locator(".steps li").all_inner_texts()
    assert "began" in steps[0]
    assert "over" in steps[-1]
    page.keyboard.press("t")
    page.wait_for_selector(".verdicts button[aria-pressed=true]:has-text('True alarm')")
    page.fill("#note", "It was the gardener")
    page.click("text=Keep the note")
    see(page, ".event-foot", "True alarm")
    page.reload()
    page.wait_for_selector(".verdicts button[aria-pressed=true]:has-text('True alarm')")
    assert page.input_value("#note") == "It was the gardener"
    mark = running.get(f"/api/alerts/{event_id}")["mark"]
    assert (mark["verdict"], mark["acknowledged"], mark["note"]) == ("true", True, "It was the gardener")


def test_updates_that_say_nothing_new_are_one_step(open_page: Open, watched: tuple[Running, WordScorer]) -> None:
    running, scorer = watched
    event_id = an_event(running, scorer, "Somebody stays.", alerts=MANY_ALERTS)
    page = open_page(f"{running.url}/#/alerts/{event_id}")
    page.wait_for_selector(VIEWS["#/alerts/{id}"])
    quiet = page.locator(".steps li:has-text('nothing new in')")
    assert quiet.count() == 1
    told = len(running.get(f"/api/alerts/{event_id}")["messages"])
    updates = re.search(r"in (\d+) updates", quiet.inner_text())
    assert updates is not None
    assert page.locator(".steps li").count() + int(updates[1]) - 1 == told


def test_boxes_are_drawn_over_the_picture_and_the_clip_and_can_be_switched_off(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    scorer.boxes = (Box(0.25, 0.5, 0.5, 0.75, HOSTILE),)
    event_id = an_event(running, scorer, "Somebody stands on the left.")
    scorer.boxes = ()
    page = open_page(f"{running.url}/#/alerts/{event_id}")
    see(page, ".box", "<img src=x onerror=alert(1)>")
    picture, box = (page.locator(f".evidence {what}").bounding_box() for what in ("img", ".box"))
    assert picture is not None
    assert box is not None
    assert (box["x"] - picture["x"]) / picture["width"] == pytest.approx(0.25, abs=0.02)
    assert (box["y"] - picture["y"]) / picture["height"] == pytest.approx(0.5, abs=0.02)
    assert box["width"] / picture["width"] == pytest.approx(0.25, abs=0.02)
    boxes = page.get_by_role("button", name="Boxes")
    boxes.click()
    page.wait_for_selector(".box", state="detached")
    page.reload()
    holds(page, "document.querySelector('.evidence img')?.naturalWidth === 160")
    assert page.locator(".box").count() == 0
    boxes.click()
    page.wait_for_selector(".box")
    page.get_by_role("button", name="Worst moment").click()
    page.wait_for_selector(".evidence video + .boxes .box")
    assert page.evaluate("document.querySelector('.evidence video').paused")
    page.evaluate("document.querySelector('.evidence video').currentTime = 99")
    holds(page, "document.querySelector('.evidence video').ended")
    page.locator(".chart").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    holds(page, "!document.querySelector('.evidence video').ended")


def test_what_somebody_else_says_of_an_alert_appears_by_itself(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    event_id = an_event(running, scorer, "A door is open.")
    page = open_page(f"{running.url}/#/alerts/{event_id}")
    page.wait_for_selector(".verdicts button[aria-pressed=false]:has-text('False alarm')")
    page.fill("#note", "I am writing")
    see(page, "#link-state", "Connected")
    said = {"verdict": "false", "note": "It was me"}
    assert running.client.post(f"/api/alerts/{event_id}/mark", json=said).status_code == 200
    page.wait_for_selector(".verdicts button[aria-pressed=true]:has-text('False alarm')")
    see(page, f'.event[href$="{event_id}"] .event-foot', "False alarm")
    assert page.input_value("#note") == "I am writing"


def test_a_clip_is_played(open_page: Open, watched: tuple[Running, WordScorer]) -> None:
    running, scorer = watched
    event_id = an_event(running, scorer, "Somebody waits.")
    page = open_page(f"{running.url}/#/alerts/{event_id}")
    see(page, ".detail .what", "Somebody waits.")
    page.keyboard.press("Space")
    holds(page, "document.querySelector('.evidence video')?.readyState > 1")
    holds(page, "document.querySelector('.evidence video').duration > 0.5")


def test_a_camera_that_stays_away_is_an_alert_without_a_picture_or_a_score(open_page: Open, tmp_path: Path) -> None:
    dead = {"source": DEAD, "health": {"alert_after": 0}}
    running = Running(settings(tmp_path, {"dead": dead}), WordScorer())
    try:
        page = open_page(f"{running.url}/#/alerts")
        page.wait_for_selector(".event[data-open]")
        page.keyboard.press("j")
        see(page, ".detail .what", "Refused: rtsp://user:***@127.0.0.1:1/x")
        see(page, ".verdicts", "False alarm")
        assert page.locator(".evidence, .chart").count() == 0
    finally:
        running.stop()


def test_alerts_are_filtered_and_the_address_keeps_the_filter(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    wanted = an_event(running, scorer, "A bicycle lies on the road.")
    other = an_event(running, scorer, "A dog runs.", camera="yard")
    page = open_page(f"{running.url}/#/alerts")
    page.wait_for_selector(f'.event[href*="{other}"]')
    page.keyboard.press("/")
    page.keyboard.type("bicyc")
    page.wait_for_selector(f'.event[href*="{other}"]', state="detached")
    page.wait_for_selector(f'.event[href*="{wanted}"]')
    assert page.evaluate("location.hash") == "#/alerts?q=bicyc"
    page.reload()
    page.wait_for_selector(f'.event[href*="{wanted}"]')
    assert page.locator(f'.event[href*="{other}"]').count() == 0
    page.fill("input[type=search]", "nothing like it")
    see(page, ".events", "Nothing fits these filters")


def test_a_definition_is_tried_saved_and_taken_back(open_page: Open, tmp_path: Path) -> None:
    scorer = WordScorer()
    scorer.by_text = {"a fall": 0.2, "a bad fall": 0.8}
    running = Running(settings(tmp_path, {"hall": {"source": SCENE.format(3), "definitions": ["a fall"]}}), scorer)
    try:
        until(lambda: len(running.get("/api/cameras/hall/timeline")["points"]) > 15, "scores")
        page = open_page(f"{running.url}/#/definitions/hall")
        page.wait_for_selector("text=Abnormal is")
        assert page.locator("text=Save").first.is_disabled()
        page.get_by_label("Abnormal is").fill("a bad fall")
        page.click("text=Try it")
        see(page, ".trial p", "0 s with those in force")
        assert page.locator(".trial .curve[data-kind=old]").get_attribute("d")
        page.get_by_role("button", name="Save").click()
        see(page, ".outcome", "1 definition in force")
        see(page, ".changes", "a bad fall")
        assert [each["text"] for each in running.get("/api/definitions/hall")["definitions"]] == ["a bad fall"]
        page.click("text=Undo the last change")
        holds(page, "document.querySelector('.wording textarea').value === 'a fall'")
    finally:
        running.stop()


def test_who_edits_what_was_changed_meanwhile_is_told_and_may_choose(open_page: Open, tmp_path: Path) -> None:
    running = Running(settings(tmp_path, {"hall": {"source": SCENE.format(3)}}), WordScorer())
    try:
        page = open_page(f"{running.url}/#/definitions/hall")
        page.get_by_label("Abnormal is").fill("mine")
        version = running.get("/api/definitions/hall")["version"]
        theirs = {"definitions": ["theirs"], "based_on": version}
        assert running.client.put("/api/definitions/hall", json=theirs).status_code == 200
        page.get_by_role("button", name="Save", exact=True).click()
        see(page, ".outcome", "Not saved")
        assert page.get_by_label("Abnormal is").input_value() == "mine"
        page.click("text=Save mine instead")
        see(page, ".outcome", "1 definition in force")
        assert [each["text"] for each in running.get("/api/definitions/hall")["definitions"]] == ["mine"]
    finally:
        running.stop()


def test_one_signs_in_with_a_token_and_sees_what_the_role_allows(open_page: Open, tmp_path: Path) -> None:
    console = {"bind": "127.0.0.1:0", "tokens": TOKENS}
    scorer = WordScorer()
    running = Running(settings(tmp_path, {"hall": {"source": SCENE.format(3)}}, console=console), scorer)
    try:
        running.client.headers["Authorization"] = f"Bearer {TOKENS[1]['token']}"
        event_id = an_event(running, scorer, "Somebody is here.", camera="hall")
        page = open_page(f"{running.url}/#/alerts/{event_id}")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        see(page, "#wrong", "not known")
        page.fill("#token", TOKENS[0]["token"])
        page.keyboard.press("Enter")
        see(page, "#who", "Ann, viewer")
        see(page, ".detail .what", "Somebody is here.")
        assert page.locator(".verdicts").count() == 0
        page.click("#open-settings")
        page.click("text=Sign out")
        page.fill("#token", TOKENS[1]["token"])
        page.keyboard.press("Enter")
        page.get_by_role("button", name="False alarm").click()
        page.wait_for_selector(".verdicts button[aria-pressed=true]:has-text('False alarm')")
        assert running.get(f"/api/alerts/{event_id}")["mark"]["by"] == "Olga"
    finally:
        running.stop()


def test_the_page_can_be_used_by_keyboard_alone(open_page: Open, watched: tuple[Running, WordScorer]) -> None:
    page = open_page(watched[0].url)
    holds(page, "document.querySelectorAll('.tile').length === 3")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    see(page, "h1", "yard")
    chart = page.locator(".chart")
    chart.focus()
    holds(page, "document.querySelector('.chart').ariaValueMax > 3")
    before = chart.get_attribute("aria-valuetext")
    page.keyboard.press("Home")
    assert chart.get_attribute("aria-valuetext") != before
    page.keyboard.press("?")
    see(page, "dialog[open] h2", "Keyboard")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("h")
    see(page, "h1", "Health")


def test_a_phone_shows_every_view_without_scrolling_sideways(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    event_id = an_event(running, scorer, f"A long story of a{'a' * 200}. {HOSTILE}")
    for view in VIEWS:
        page = open_page(f"{running.url}/{view.format(id=event_id)}", viewport=PHONE, is_mobile=True, has_touch=True)
        settled(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view  # innerWidth grows with it


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious_in_any_view(
    open_page: Open, watched: tuple[Running, WordScorer], scheme: str
) -> None:
    running, scorer = watched
    scorer.boxes = (Box(0.25, 0.5, 0.5, 0.75, "somebody"),)
    event_id = an_event(running, scorer, LONG_STORY)
    scorer.boxes = ()
    page = open_page(running.url, color_scheme=scheme)
    with happening(scorer, "It burns.", camera="yard"):
        for view in VIEWS:
            page.goto(f"{running.url}/{view.format(id=event_id)}")
            page.reload()
            settled(page, view)
            page.wait_for_selector("#open-count:not([hidden])")
            if "{id}" in view:
                assert page.evaluate(
                    "(({scrollHeight: all, clientHeight: seen}) => all > seen)(document.querySelector('.steps'))"
                )
            assert serious(page) == [], view
        page.click("#open-settings")
        page.wait_for_selector("dialog[open]")
        assert serious(page) == []


def serious(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def test_the_page_weighs_little_on_the_wire(open_page: Open, watched: tuple[Running, WordScorer]) -> None:
    running, scorer = watched
    event_id = an_event(running, scorer, "Somebody waves.")
    page = open_page("about:blank")
    sizes: dict[str, int] = {}

    def fetched(request: Request) -> None:
        if "/api/" not in request.url:
            sizes[urlsplit(request.url).path] = request.sizes()["responseBodySize"]

    page.on("requestfinished", fetched)
    for view in VIEWS:
        page.goto(f"{running.url}/{view.format(id=event_id)}")
        settled(page, view)
        if view == "#/":
            assert {"/", "/static/js/main.js", "/static/js/wall.js"} <= sizes.keys()
            assert sum(sizes.values()) < WALL_BYTES
    assert "/static/js/health.js" in sizes
    assert sum(sizes.values()) < PAGE_BYTES


def test_all_that_the_wall_is_made_of_is_asked_for_at_once() -> None:
    """Else a slow network would wait for one module to learn of the next."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    needed: set[str] = set()
    waiting = ["main.js", "wall.js"]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += re.findall(r'\bfrom "\./(.+?)"', (STATIC / "js" / name).read_text(encoding="utf-8"))
    assert needed == set(re.findall(r'"/static/js/(.+?)"', page))


def test_parts_are_read_alike_however_the_network_cuts_them(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    page = open_page(watched[0].url)
    head = "--p\r\nX-Camera: {}\r\nContent-Length: {}\r\n\r\n"
    text = head.format("a", 6) + "one\r\n\r\r\n" + head.format("b", 0) + "\r\n--p--\r\n"
    read = page.evaluate(
        """async (text) => {
            const { PartReader } = await import("/static/js/parts.js");
            const bytes = new TextEncoder().encode(text);
            const all = [];
            for (let length = 1; length <= bytes.length; length++) {
                const reader = new PartReader();
                const parts = [];
                for (let at = 0; at < bytes.length; at += length)
                    for (const part of reader.push(bytes.subarray(at, at + length)))
                        parts.push([part.headers.get("X-Camera"), new TextDecoder().decode(part.bytes)]);
                all.push(JSON.stringify(parts));
            }
            return [...new Set(all)];
        }""",
        text,
    )
    assert read == ['[["a","one\\r\\n\\r"],["b",""]]']


def test_events_are_read_alike_however_the_network_cuts_them(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    page = open_page(watched[0].url)
    text = ': hi\n\nid: e:1\nevent: alert\ndata: {"a":\ndata: 1}\n\nevent: score\r\ndata:x\r\n\r\nevent: empty\n\n'
    read = page.evaluate(
        """async (text) => {
            const { EventReader } = await import("/static/js/sse.js");
            const all = [];
            for (let length = 1; length <= text.length; length++) {
                const reader = new EventReader();
                const events = [];
                for (let at = 0; at < text.length; at += length)
                    events.push(...reader.push(text.slice(at, at + length)));
                all.push(JSON.stringify(events));
            }
            return [...new Set(all)];
        }""",
        text,
    )
    assert read == ['[{"id":"e:1","name":"alert","data":"{\\"a\\":\\n1}"},{"id":null,"name":"score","data":"x"}]']
