"""The list of alerts in a real browser: what its filters let through, and what stays of it when more happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import Page, Route

from stream.outbox import Outbox
from tests.integration.browsing import Open, happening, holds, see
from tests.integration.console import SCENE, Running, WordScorer, settings, until
from tests.unit.stream.feed.made import an_alert

pytestmark = pytest.mark.timeout(300)  # on a machine that has much else to do

OLD = 60  # events of long ago, of which a page of the list holds 50
LONG_AGO_S = time.time() - 2 * 86400
BEFORE = (datetime.now(UTC) - timedelta(days=4)).strftime("%Y-%m-%dT%H:%M")
IDS = "[...document.querySelectorAll('.event')].map((card) => card.getAttribute('href').match(/alerts.([^?]*)/)[1])"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, WordScorer]]:
    data = tmp_path_factory.mktemp("watched")
    with Outbox(data / "outbox.sqlite3", lambda: LONG_AGO_S) as outbox:
        for number in range(OLD):
            event = {"id": f"0{number:03}", "camera": "yard" if number % 10 else "door", "explanation": "Old."}
            span = {"start_time": LONG_AGO_S + number, "end_time": LONG_AGO_S + number + 0.5}
            kind = {
                "definition": "fire" if number == 1 else "default",
                "severity": "alert" if number < 3 else "detection",
            }
            outbox.append(an_alert(type="end", **event, **span, **kind))
    scorer = WordScorer()
    alerts = {"update_every": "1h"}  # few messages
    running = Running(settings(data, {"yard": {"source": SCENE.format(1), "alerts": alerts}}), scorer)
    try:
        yield running, scorer
    finally:
        running.stop()


def shown(page: Page) -> list[str]:
    ids: list[str] = page.evaluate(IDS)
    return ids


def choose(page: Page, name: str, value: str) -> None:
    page.locator("details summary").first.click()
    field = page.locator(f".filters [name={name}]")
    if name in ("since", "until"):
        field.fill(value)
    else:
        field.select_option(value)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("camera", "door", ["0050", "0040", "0030", "0020", "0010", "0000"]),
        ("definition", "fire", ["0001"]),
        ("severity", "alert", ["0002", "0001", "0000"]),
        ("until", BEFORE, []),
        ("mark", "true", []),
    ],
    ids=["camera", "definition", "severity", "until", "mark"],  # the same at any time
)
def test_each_filter_lets_through_what_it_says(
    open_page: Open, watched: tuple[Running, WordScorer], name: str, value: str, wanted: list[str]
) -> None:
    page = open_page(f"{watched[0].url}/#/alerts?q=old")
    page.wait_for_selector(".event")
    if name in ("camera", "definition"):  # one that is gone from the configuration is chosen by address
        page.evaluate(f"location.hash = '#/alerts?q=old&{name}={value}'")
    else:
        choose(page, name, value)
    holds(page, f"JSON.stringify({IDS}) === '{str(wanted).replace(chr(39), chr(34)).replace(' ', '')}'")
    assert f"{name}=" in page.url


def test_older_pages_stay_while_more_happens_and_what_no_longer_fits_goes(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    page = open_page(f"{running.url}/#/alerts?camera=yard&mark=none")
    holds(page, "document.querySelectorAll('.event').length === 50")
    page.click("text=Older alerts")
    holds(page, f"{IDS}.at(-1) === '0001'")
    before = len(shown(page))
    see(page, "#link-state", "Connected")
    with happening(scorer, "A new one.", camera="yard"):
        see(page, ".event", "A new one.")
    until(lambda: not running.get("/api/alerts", params={"open": True})["events"], "its end")
    assert shown(page)[-1] == "0001"
    assert len(shown(page)) == before + 1
    seen = {"acknowledged": True}
    assert running.client.post("/api/alerts/0001/mark", json=seen).status_code == 200
    holds(page, f"{IDS}.at(-1) === '0002'")
    page.goto(f"{running.url}/#/alerts?open=true")
    see(page, ".events", "Nothing fits these filters")
    with happening(scorer, "A brief one.", camera="yard"):
        see(page, ".event", "A brief one.")
    see(page, ".events", "Nothing fits these filters")


def test_older_alerts_that_could_not_be_fetched_are_said_to_be_missing(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    page = open_page(f"{watched[0].url}/#/alerts")
    holds(page, "document.querySelectorAll('.event').length >= 50")
    page.route("**/api/alerts?*before_seq=*", lambda route: route.abort())
    page.click("text=Older alerts")
    see(page, ".list > .wrong", "Vigil can't be reached")
    page.unroute("**/api/alerts?*before_seq=*")
    page.click("text=Older alerts")
    holds(page, f"{IDS}.at(-1) === '0000'")
    assert page.locator(".list > .wrong").text_content() == ""


def test_an_alert_that_comes_while_the_first_page_is_fetched_is_not_missed(
    open_page: Open, watched: tuple[Running, WordScorer]
) -> None:
    running, scorer = watched
    page = open_page(f"{running.url}/#/health")
    see(page, "#link-state", "Connected")
    held: list[Route] = []
    page.route("**/api/alerts?limit=50", lambda route: held.append(route))
    page.evaluate("location.hash = '#/alerts'")
    see(page, ".events", "Loading")
    for _ in range(200):
        if held:
            break
        page.wait_for_timeout(50)
    answer = held[0].fetch()
    with happening(scorer, "Just then.", camera="yard"):
        see(page, "#assertive", "camera yard")
        held[0].fulfill(response=answer)
        see(page, ".event", "Just then.")
