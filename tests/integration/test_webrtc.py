"""Publishing to a camera: a real WebRTC peer, the console's own endpoint, a real watch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")

from aiortc import RTCConfiguration
from aiortc.rtp import RTP_HISTORY_SIZE

from engine.motion import MotionScorer
from stream.webrtc import peer as peer_module
from tests.integration.console import Running, WordScorer, all_closed, settings, until
from tests.integration.webrtc_peers import Publisher, Scene, Viewer, Weather

TOKEN = "a-phone's-token-of-good-length"
LOOKER = "a-looker's-token-of-good-length"
ADMIN = "an-admin's-token-of-good-length"
PHONE = {"source": "webrtc://phone", "publish_token": TOKEN, "stall": "2s", "open_timeout": "2s"}
PATIENT = PHONE | {"stall": "15s", "open_timeout": "15s"}


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    with all_closed() as opened:
        yield opened


@pytest.fixture
def watch(opened: list[Any], tmp_path: Path, request: pytest.FixtureRequest) -> Running:
    tokens = [{"name": "ann", "role": "admin", "token": ADMIN}]
    phone = {"phone": getattr(request, "param", PHONE)}
    config = settings(tmp_path, phone, console={"bind": "127.0.0.1:0", "tokens": tokens})
    running = Running(config, WordScorer())
    opened.append(running)
    running.client.headers["authorization"] = f"Bearer {ADMIN}"
    return running


@pytest.fixture
def publisher(opened: list[Any], watch: Running) -> Callable[..., Publisher]:
    def make(token: str = TOKEN, weather: Weather | None = None) -> Publisher:
        opened.append(Publisher(watch.url, weather, authorization=f"Bearer {token}"))
        made: Publisher = opened[-1]
        return made

    return make


def camera(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = running.get("/api/cameras")[0]
    return found


def until_state(running: Running, state: str) -> None:
    until(lambda: camera(running)["state"] == state, f"the state {state}")


def test_what_is_published_becomes_an_alert_with_a_clip(opened: list[Any], tmp_path: Path) -> None:
    running = Running(
        settings(tmp_path, {"phone": PHONE | {"motion": {"warm_up": "1s"}}}, scorer={"kind": "motion"}), MotionScorer()
    )
    opened.append(running)
    until(lambda: camera(running)["message"] == "waits for a publisher at /whip/phone", "the wait for a publisher")
    phone = Publisher(running.url)
    opened.append(phone)
    assert phone.publish("phone").status_code == 201
    until_state(running, "live")
    assert camera(running)["size"] == [160, 120]
    until(lambda: camera(running)["score"]["default"] is not None, "a score of the still scene")
    phone.scene.moving.set()
    until(lambda: running.get("/api/alerts")["events"], "an alert")
    phone.scene.moving.clear()

    def clip() -> str | None:
        event: dict[str, Any] = running.get("/api/alerts")["events"][0]
        found: str | None = event["clip"]
        return found

    url = until(clip, "the clip")
    assert running.client.get(url).content[4:8] == b"ftyp"
    assert phone.ask("PATCH") == 405
    assert phone.ask("DELETE") == 200
    until(lambda: camera(running)["message"] == "waits for a publisher at /whip/phone", "the wait for the next")
    assert phone.ask("DELETE") == 404


@pytest.mark.parametrize(
    ("wanted", "instead"),
    [("a=(candidate.*|end-of-candidates)\r\n", ""), ("a=setup:actpass", "a=setup:passive")],
)
def test_offers_that_others_make_are_answered_too(wanted: str, instead: str, opened: list[Any], watch: Running) -> None:
    class Other(Publisher):
        async def _offer(self) -> str:
            offer, changed = re.subn(wanted, instead, await super()._offer())
            assert changed
            return offer

    phone = Other(watch.url, authorization=f"Bearer {TOKEN}")
    opened.append(phone)
    assert phone.publish("phone").status_code == 201
    until_state(watch, "live")


@pytest.mark.parametrize("watch", [PATIENT], indirect=True)
def test_pictures_come_over_a_line_that_loses_and_delays_packets(
    watch: Running, publisher: Callable[..., Publisher]
) -> None:
    weather = Weather(loss=0.1, jitter_s=0.03)
    phone = publisher(weather=weather)
    assert phone.publish("phone").status_code == 201
    stats = watch.watch._cameras["phone"].keeper.stats
    until(lambda: stats.pictures >= 60, "sixty pictures")
    assert weather.lost > 0
    assert stats.connections == 1
    until(lambda: camera(watch)["scored_per_s"] > 0, "scores")


@pytest.mark.parametrize("watch", [PATIENT], indirect=True)
def test_a_publisher_whose_network_comes_back_goes_on_with_a_whole_picture(
    watch: Running, publisher: Callable[..., Publisher]
) -> None:
    weather = Weather()
    phone = publisher(weather=weather)
    phone.scene = Scene((640, 360))
    phone.scene.moving.set()
    assert phone.publish("phone").status_code == 201
    stats = watch.watch._cameras["phone"].keeper.stats
    until(lambda: stats.pictures >= 15, "a second of pictures")
    weather.gone = True
    until(lambda: weather.lost > 2 * RTP_HISTORY_SIZE, "more lost packets than a sender keeps to send again")
    weather.gone = False
    before = stats.pictures
    until(lambda: stats.pictures >= before + 15, "another second of pictures")
    assert stats.connections == 1


@pytest.mark.parametrize("how", ["hang_up", "fall_silent", "vanish"])
def test_a_publisher_that_vanishes_is_noticed_and_the_next_one_is_taken(
    how: str, watch: Running, publisher: Callable[..., Publisher]
) -> None:
    phone = publisher()
    phone.publish("phone")
    until_state(watch, "live")
    getattr(phone, how)()
    until(lambda: camera(watch)["state"] != "live", "the loss")
    until_state(watch, "connecting")
    again = publisher()
    assert again.publish("phone").status_code == 201
    until_state(watch, "live")


def test_one_owner_takes_over_from_itself_and_nobody_from_another(
    watch: Running, publisher: Callable[..., Publisher]
) -> None:
    first, other, second = publisher(), publisher(ADMIN), publisher()
    assert first.publish("phone").status_code == 201
    until_state(watch, "live")
    assert other.publish("phone").status_code == 409
    assert second.publish("phone").status_code == 201
    assert first.ask("DELETE") == 404
    until(lambda: camera(watch)["reconnects"] == 1, "the second publisher")
    until_state(watch, "live")


def test_who_comes_back_by_itself_replaces_nobody_but_itself(
    watch: Running, publisher: Callable[..., Publisher]
) -> None:
    first, second = publisher(), publisher()
    assert first.publish("phone").status_code == 201
    begun = {"X-Continues": first.location}
    for _ in range(2):  # the answer to the one before may have been lost, so the first is what it names
        assert first.publish("phone", **begun).status_code == 201
    until_state(watch, "live")
    assert second.publish("phone").status_code == 201
    refused = first.publish("phone", **begun)
    assert (refused.status_code, refused.json()["detail"]) == (409, "another device took over")
    assert second.ask("DELETE") == 200  # it was not disturbed
    assert first.publish("phone", **begun).status_code == 409
    assert first.publish("phone").status_code == 201
    until_state(watch, "live")


def test_a_wrong_token_is_refused_also_where_everybody_is_an_admin(opened: list[Any], tmp_path: Path) -> None:
    cameras = {"phone": PHONE, "tablet": {"source": "webrtc://tablet"}}
    running = Running(settings(tmp_path, cameras), WordScorer())
    opened.append(running)

    def post(name: str, **headers: str) -> int:
        sdp = {"content-type": "application/sdp"}
        return int(running.client.post(f"/whip/{name}", content="v=0", headers=sdp | headers).status_code)

    assert post("phone", authorization="Bearer totally-wrong") == 401
    assert post("phone", authorization=f"Bearer {TOKEN}") == 422
    assert post("phone") == 422
    assert post("tablet", authorization="Bearer totally-wrong") == 422  # it has no token that one could know


def test_a_program_with_a_wrong_token_locks_out_nobody(watch: Running, publisher: Callable[..., Publisher]) -> None:
    stranger = publisher("a-wrong-token-of-some-length")
    assert [stranger.publish("phone").status_code for _ in range(6)] == [401] * 5 + [429]
    assert watch.client.post("/api/session", json={"token": "wrong"}, headers={"authorization": ""}).status_code == 401
    assert publisher().publish("phone").status_code == 201


@pytest.mark.parametrize("path", ["/whip/phone", "/whep/phone"])
def test_who_may_is_told_what_helps_through_a_network_and_nobody_else_is(
    path: str, opened: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "RTCConfiguration", lambda **_: RTCConfiguration(iceServers=[]))  # none is asked
    turn = {"url": "turn:192.0.2.1:3478?transport=udp", "user": "vi", "password": 'q"\\,<;>'}
    console = {
        "bind": "127.0.0.1:0",
        "ice_servers": [{"url": "stun:127.0.0.1:9"}, turn],
        "tokens": [
            {"name": "ann", "role": "operator", "token": ADMIN},
            {"name": "al", "role": "viewer", "token": LOOKER},
        ],
    }
    running = Running(settings(tmp_path, {"phone": PHONE}, console=console), WordScorer())
    opened.append(running)
    link = (
        '<stun:127.0.0.1:9>; rel="ice-server", <turn:192.0.2.1:3478?transport=udp>; rel="ice-server"; username="vi"; '
        'credential="q\\"\\\\,<;>"; credential-type="password"'
    )
    may = {"/whip/phone": [TOKEN, ADMIN], "/whep/phone": [ADMIN, LOOKER]}[path]
    for token in (TOKEN, ADMIN, LOOKER, "a-wrong-token-of-some-length", None):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        told = running.client.options(path, headers=headers)
        assert told.headers.get("link") == (link if token in may else None)
        assert told.status_code == (204 if token in may else 403 if token == LOOKER else 401)
    peer = (Publisher if "whip" in path else Viewer)(running.url, authorization=f"Bearer {ADMIN}")
    opened.append(peer)
    answer = peer.offer_to(path)
    assert (answer.status_code, answer.headers["link"]) == (201, link)


def test_strangers_and_nonsense_are_refused(watch: Running, publisher: Callable[..., Publisher]) -> None:
    assert publisher("a-wrong-token-of-some-length").publish("phone").status_code == 401
    assert publisher().publish("elsewhere").status_code == 404

    def post(body: str, kind: str = "application/sdp") -> int:
        answer = watch.client.post("/whip/phone", content=body, headers={"content-type": kind})
        assert answer.headers["content-type"] == "application/problem+json"
        return int(answer.status_code)

    assert post("v=0", "text/plain") == 415
    for garbage in ("", "nonsense", "v=0\r\nm=video", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:\r\n", "\0" * 99):
        assert post(garbage) == 422, garbage
    assert camera(watch)["state"] == "connecting"


def test_a_publisher_that_never_connects_makes_way(watch: Running, publisher: Callable[..., Publisher]) -> None:
    class Mute(Publisher):
        async def _accept(self, answer: str) -> None:
            """Ignores the answer."""

    mute = Mute(watch.url, authorization=f"Bearer {ADMIN}")
    try:
        assert mute.publish("phone").status_code == 201
        phone = publisher()
        assert phone.publish("phone").status_code == 409
        until(lambda: phone.publish("phone").status_code == 201, "the place")
        until_state(watch, "live")
    finally:
        mute.close()
