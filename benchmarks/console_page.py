"""What the console's page weighs and how soon it shows, in a real Chromium without a window, its cache cold."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.common import cpu_s
from benchmarks.console_load import Viewers, looking, seen_by, settings, with_console
from benchmarks.measures import Measure
from benchmarks.vitals import percentile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREEN = (1920, 2400)  # so high that 32 tiles are seen
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1.5e6 / 8, "uploadThroughput": 0.75e6 / 8}
SLOWLY = "1.5 Mbit/s, 150 ms"
PATIENCE_S = 60.0
VIEWS = ("#/alerts", "#/camera/camera-0", "#/definitions", "#/health")
FIRST_TILE_S, ALERT_S = 1.0, 0.5
ALERT_CAMERAS = 8
EVENTS = 600  # of each camera are enough
EVERY_RISE = {"smoothing": {"kind": "none"}, "alerts": {"close_hold": 0, "merge_gap": 0, "cooldown": 0}}

# When each canvas was first drawn on and how often since, and when a link to each alert first came.
SPY = """
window.drawn = new Map();
window.pictures = 0;
window.alerts = {};
const transfer = ImageBitmapRenderingContext.prototype.transferFromImageBitmap;
ImageBitmapRenderingContext.prototype.transferFromImageBitmap = function (bitmap) {
  transfer.call(this, bitmap);
  window.pictures += 1;
  if (!window.drawn.has(this.canvas)) window.drawn.set(this.canvas, performance.now());
};
new MutationObserver(() => {
  for (const link of document.querySelectorAll("a.event"))
    window.alerts[link.hash.split("/").at(-1)] ??= Date.now() / 1000;
}).observe(document, { childList: true, subtree: true });
"""


@dataclass  # without slots: playwright notes on its listeners whose they are
class Wire:
    """What came over the line, by what it is: the page's own files, pictures, and the rest."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    _kinds: dict[str, str] = field(default_factory=dict)

    def sent(self, event: dict[str, Any]) -> None:
        path = urlsplit(event["request"]["url"]).path
        pictures = path == "/api/pictures" or path.endswith(".jpg")
        kind = "pictures" if pictures else "data" if path.startswith("/api/") else "page"
        self._kinds[event["requestId"]] = kind
        self.requests[kind] += 1

    def finished(self, event: dict[str, Any]) -> None:
        self.bytes[self._kinds.get(event["requestId"], "page")] += round(event["encodedDataLength"])


@contextmanager
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise SystemExit(f"this needs a browser: one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, url: str, *, slow: bool = False) -> Iterator[tuple[Page, Wire]]:
    """The wall, for somebody who was never here before."""
    context = browser.new_context(viewport={"width": SCREEN[0], "height": SCREEN[1]})
    try:
        context.set_default_timeout(1000 * PATIENCE_S)
        page = context.new_page()
        page.add_init_script(SPY)
        wire, line = Wire(), context.new_cdp_session(page)
        line.on("Network.requestWillBeSent", wire.sent)
        line.on("Network.loadingFinished", wire.finished)
        line.send("Network.enable")
        if slow:
            line.send("Network.emulateNetworkConditions", SLOW)
        page.goto(url, wait_until="commit")
        yield page, wire
    finally:
        context.close()


def loads(
    clip: Path, counts: tuple[int, ...], slow_counts: tuple[int, ...], repeats: int, settle_s: float, seconds: float
) -> list[Measure]:
    """The page's weight, and when its tiles are there, by the number of cameras."""
    measures = []
    with chromium() as browser:
        for cameras in counts:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                with with_console(folder, settings(clip, cameras, folder)) as (vigil, url):
                    time.sleep(settle_s)
                    measures += _shown(browser, url, cameras, repeats)
                    if cameras in slow_counts:
                        measures += _shown(browser, url, cameras, repeats, slow=True)
                    measures += _rate(browser, url, cameras, seconds, vigil.pid)
                    if cameras == counts[-1]:
                        measures = _weights(browser, url, cameras) + measures
    return measures


def _weights(browser: Browser, url: str, cameras: int) -> list[Measure]:
    with opened(browser, url) as (page, wire):
        _wait_for_tiles(page, cameras)
        page.wait_for_timeout(1000)  # curves follow the tiles
        wall = Wire(Counter(wire.requests), Counter(wire.bytes))
        for view in VIEWS:
            title = page.title()
            page.evaluate("view => void (location.hash = view)", view)
            page.wait_for_function("before => document.title !== before", arg=title)
            page.wait_for_timeout(500)
        views = wire
        return [
            Measure("the wall's own files: over the line", wall.bytes["page"] / 1024, "KiB"),
            Measure("the wall's own files: requests", wall.requests["page"]),
            Measure("files of all views: over the line", views.bytes["page"] / 1024, "KiB"),
            Measure("files of all views: requests", views.requests["page"]),
            Measure(f"the wall's data at first, {cameras} cameras", wall.bytes["data"] / 1024, "KiB"),
            Measure(f"the wall's data at first, {cameras} cameras: requests", wall.requests["data"]),
        ]


def _shown(browser: Browser, url: str, cameras: int, repeats: int, *, slow: bool = False) -> list[Measure]:
    first_s, all_s = [], []
    for _ in range(repeats):
        with opened(browser, url, slow=slow) as (page, _):
            times_s = _wait_for_tiles(page, cameras)
            first_s.append(times_s[0])
            all_s.append(times_s[-1])
    name = f"{cameras} camera{'s' * (cameras > 1)}{f', {SLOWLY}' * slow}"
    goal_s = None if slow else FIRST_TILE_S
    return [
        Measure(f"{name}: navigation to first tile, median of {repeats}", median(first_s), "s", goal_s),
        Measure(f"{name}: navigation to all tiles", median(all_s), "s"),
    ]


def _wait_for_tiles(page: Page, cameras: int) -> list[float]:
    """When each was first painted, in seconds after navigation, in order."""
    page.wait_for_function("cameras => window.drawn.size >= cameras", arg=cameras)
    return sorted(each / 1000 for each in page.evaluate("[...window.drawn.values()]"))


def _rate(browser: Browser, url: str, cameras: int, seconds: float, pid: int) -> list[Measure]:
    """With the browser on the same cores."""
    with opened(browser, url) as (page, _):
        _wait_for_tiles(page, cameras)
        page.wait_for_timeout(1000)
        before, from_s, from_cpu_s = page.evaluate("window.pictures"), time.monotonic(), cpu_s(pid)
        page.wait_for_timeout(1000 * seconds)
        lasted_s = time.monotonic() - from_s
        painted = page.evaluate("window.pictures") - before
        used_s = cpu_s(pid) - from_cpu_s
    name = f"{cameras} camera{'s' * (cameras > 1)}, Chromium on the same cores"
    return [
        Measure(f"{name}: pictures painted a second of each tile", painted / lasted_s / cameras),
        Measure(f"{name}: CPU of the watch in all, of one core", used_s / lasted_s),
    ]


def alerts(clip: Path, settle_s: float, seconds: float) -> list[Measure]:
    """How long after it is sent an alert is with a viewer of the stream, and in the page, while its pictures move."""
    measures = []
    for slow in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            scorer = {"kind": "recorded", "responses": str(_events(folder))}
            watched = settings(clip, ALERT_CAMERAS, folder, scorer=scorer, defaults=EVERY_RISE)
            with chromium() as browser, with_console(folder, watched) as (_, url):
                time.sleep(settle_s)
                with opened(browser, url, slow=slow) as (page, _):
                    _wait_for_tiles(page, ALERT_CAMERAS)
                    with looking(url, Viewers(1, ALERT_CAMERAS, 0.0), seconds) as process:
                        page.wait_for_timeout(1000 * (seconds + 1))
                        heard = seen_by(process)["alerts"]
                    page.wait_for_timeout(2000)
                    painted = page.evaluate("window.alerts")
        line = f", {SLOWLY}" * slow
        in_page_s = [painted[each] - sent_s for each, (sent_s, _) in heard.items() if each in painted]
        heard_s = [came_s - sent_s for sent_s, came_s in heard.values()]
        measures += [
            Measure(f"an alert is in the page{line}, median of {len(in_page_s)}", median(in_page_s), "s", ALERT_S),
            Measure(f"the same, 95th percentile{line}", percentile(in_page_s, 0.95), "s"),
            Measure(
                f"alerts that a viewer of the stream has and the page has not{line}", len(heard) - len(in_page_s), "", 0
            ),
        ]
        if not slow:
            measures += [
                Measure(f"an alert is with a viewer of the stream, median of {len(heard_s)}", median(heard_s), "s"),
                Measure("the same, 95th percentile", percentile(heard_s, 0.95), "s"),
            ]
    return measures


def _events(folder: Path) -> Path:
    """Responses by which every second window of each camera is an event."""
    responses = folder / "responses.jsonl"
    lines = [
        json.dumps({"camera": f"camera-{camera}", "index": index, "score": 0.9 * (index % 2), "text": "A man runs."})
        for camera in range(ALERT_CAMERAS)
        for index in range(EVENTS)
    ]
    responses.write_text("\n".join(lines), encoding="utf-8")
    return responses
