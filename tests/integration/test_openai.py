"""The `openai` scorer against real servers in other processes, which answer well, badly or not at all."""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="needs the openai extra")

from engine.errors import ScorerError
from engine.scorer import Explanation, LanguageScorer, Request
from engine.scoring import Scoring
from engine.types import Box, Definition, Judgement, Window
from stream import backoff
from stream.openai.judging import OpenAISettings
from stream.openai.scorer import OpenAIScorer
from tests.integration.openai_process import MODEL, OpenAIServer
from tests.unit.engine.internvl2.windows import window

ROBBERY = Path(__file__).parents[2].parent / "shared" / "data" / "clips" / "ucf_robbery102.mp4"
SIDE = 64
KEY = "sk-very-secret-key"


@pytest.fixture
def serve() -> Iterator[Callable[..., OpenAIServer]]:
    with ExitStack() as stack:

        def start(*options: str) -> OpenAIServer:
            server = OpenAIServer(*options)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def make() -> Iterator[Callable[..., OpenAIScorer]]:
    """Makes scorers for servers or URLs; all are closed at the end."""
    with ExitStack() as stack:

        def new(
            *servers: OpenAIServer | str, model: str = MODEL, key: str | None = None, **settings: Any
        ) -> OpenAIScorer:
            urls = [server if isinstance(server, str) else server.url for server in servers]
            settings = {"frame_size": (SIDE, SIDE), "timeout_s": 10.0, **settings}
            scorer = OpenAIScorer(urls, model, OpenAISettings(**settings), key=key)
            stack.callback(scorer.close)
            return scorer

        yield new


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are a tenth of what they are."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.1)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.5)


def windows(count: int, camera: str = "front") -> list[Window]:
    return [window(SIDE, 4 * index, camera=camera, index=index) for index in range(count)]


def known(judgements: Any) -> list[float]:
    assert all(judgement.score is not None for judgement in judgements), judgements
    return [judgement.score for judgement in judgements]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_window_is_one_request_for_one_token_of_a_reply_that_was_begun(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    server = serve("--abnormal", "1-1")
    scorer = make(server)
    assert isinstance(scorer, LanguageScorer)
    scores = known([scorer.score([each])[0] for each in windows(3)])
    assert scores == pytest.approx([0.2, 0.9, 0.2], abs=1e-4)
    asked = server.asked()
    assert [(each["pictures"], each["opening"], each["tokens"]) for each in asked] == [(4, "```\n", 1)] * 3
    assert asked[0]["text"].index("security camera") < asked[0]["text"].index("Frame1:")
    assert asked[0]["text"].index("Frame4:") < asked[0]["text"].index("Decide whether")
    assert asked[-1]["connections"] == 1  # of the scorer, kept open


@pytest.mark.parametrize(
    ("scoring", "expected", "requests"),
    [
        (Scoring.SCALE, [1.2 / 9, 8.2 / 9], 1),
        (Scoring.THRESHOLDS, [(0.9 + 8 * 0.2) / 9, (8 * 0.9 + 0.2) / 9], 9),
        (Scoring.FAITHFUL, [0.0, 1.0], 1),
    ],
)
def test_every_way_of_scoring(
    serve: Callable[..., OpenAIServer],
    make: Callable[..., OpenAIScorer],
    scoring: Scoring,
    expected: list[float],
    requests: int,
) -> None:
    server = serve("--abnormal", "1-1")
    judgements = [make(server, scoring=scoring).score([each])[0] for each in windows(2)]
    assert known(judgements) == pytest.approx(expected, abs=1e-4)
    assert len(server.asked()) == 2 * requests
    assert {judgement.text for judgement in judgements} == (
        {"A man climbs over a fence."} if scoring is Scoring.FAITHFUL else {None}
    )


def test_a_server_that_begins_no_replies_gives_the_same_scores_with_a_few_tokens(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], caplog: pytest.LogCaptureFixture
) -> None:
    plain, vllm = serve("--way", "plain", "--by-picture"), serve("--by-picture")
    scorer = make(plain)
    found = [scorer.score([each])[0] for each in windows(3)]
    assert known(found) == pytest.approx(known(make(vllm).score(windows(3))), abs=1e-4)
    assert [(each["opening"], each["tokens"]) for each in plain.asked()] == [("```\n", 1), ("", 8), ("", 8), ("", 8)]
    assert caplog.text.count("replies can't be begun for the model") == 1


@pytest.mark.parametrize("way", ["opaque", "strict"])
@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.THRESHOLDS])
def test_without_likelihoods_verdicts_are_written_and_who_judged_says_so(
    serve: Callable[..., OpenAIServer],
    make: Callable[..., OpenAIScorer],
    caplog: pytest.LogCaptureFixture,
    way: str,
    scoring: Scoring,
) -> None:
    server = serve("--way", way, "--abnormal", "2-2")
    scorer = make(server, scoring=scoring)
    expected = scorer.info
    scorer.check()
    assert caplog.text.count("verdicts are written out") == 1
    assert scorer.info.name == "some/model (written verdicts)"
    assert scorer.info.prompt_sha256 != expected.prompt_sha256
    before = len(server.asked())
    judgements = [scorer.score([each])[0] for each in windows(3)]
    assert known(judgements) == [0.0, 1.0, 0.0]
    assert len(server.asked()) == before + 3
    assert caplog.text.count("verdicts are written out") == 1


def test_each_definition_has_its_own_score_and_the_question_comes_last(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    server = serve()
    scorer = make(server)
    definitions = [Definition("helmet", "a person without a helmet"), Definition("smoke", "smoke", "steam")]
    scorer.define("front", definitions)
    (judgement, other) = scorer.score([windows(1)[0], windows(1, "yard")[0]])
    assert judgement.further.keys() == {"smoke"}
    assert known([judgement, judgement.further["smoke"], other])
    assert other.further == {}
    texts = [each["text"] for each in server.asked()]
    assert len(texts) == 3
    assert sum(text.endswith("What counts as abnormal: a person without a helmet") for text in texts) == 1
    assert sum("smoke\nNever abnormal, whatever else was said: steam" in text for text in texts) == 1
    hashes = {scorer.info_for(each).prompt_sha256 for each in definitions} | {scorer.info.prompt_sha256}
    assert len(hashes) == 3


def explained(scorer: OpenAIScorer, *requests: Request) -> list[Explanation]:
    found: dict[int, Explanation] = {}
    longest_s = 0.0
    steps = scorer.explain(requests)
    while True:
        begun_s = time.monotonic()
        step = next(steps, None)
        longest_s = max(longest_s, time.monotonic() - begun_s)
        if step is None:
            break
        found |= step
    assert longest_s < 2.0  # some 0.05 s, on a machine that has nothing else to do
    return [found[place] for place in range(len(requests))]


@pytest.mark.parametrize("way", ["vllm", "plain", "strict"])
def test_explanations_are_sentences_with_boxes_and_summaries(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], way: str
) -> None:
    server = serve("--way", way, "--abnormal", "0-99")
    scorer = make(server)
    first, second = windows(2)
    usual = Definition()
    plain, boxed, summed = explained(
        scorer,
        Request(first, usual, 0.9),
        Request(second, usual, 0.9, worst=1, boxes=True),
        Request(second, usual, 0.9, said=("A man climbs.", "He leaves.")),
    )
    assert plain.text == boxed.text == "A man climbs over a fence."
    assert plain.boxes == ()
    assert boxed.boxes == (Box(0.1, 0.2, 0.5, 0.9),)
    assert summed.text == "A man climbed over a fence and left."
    located = [each for each in server.asked() if "bounding box" in each["text"]]
    assert [each["pictures"] for each in located] == [1] * len(located)
    assert len(located) >= 1


def test_an_event_is_explained_as_one_and_a_sentence_that_is_known_only_placed(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    server = serve("--abnormal", "0-99")
    scorer = make(server)
    (window,) = windows(1)
    before = len(server.asked())
    explained(scorer, Request(window, Definition(), 0.3))
    assert server.asked()[-1]["opening"] == "```\nAnomalous scenes.\n"
    (known_already,) = explained(scorer, Request(window, Definition(), 0.9, sentence="A dog runs.", boxes=True))
    assert (known_already.text, known_already.boxes) == ("A dog runs.", (Box(0.1, 0.2, 0.5, 0.9),))
    assert len(server.asked()) == before + 2


def test_a_sentence_comes_with_the_score_where_that_is_wanted(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    server = serve("--abnormal", "1-1")
    scorer = make(server, explain_above=0.5)
    judgements = [scorer.score([each])[0] for each in windows(2)]
    assert [judgement.text for judgement in judgements] == [None, "A man climbs over a fence."]
    assert server.asked()[-1]["opening"] == "```\nAnomalous scenes.\n"


@pytest.mark.parametrize("fault", ["500", "429:0", "503:0", "cut", "reset", "garbage", "shapeless", "empty", "endless"])
@pytest.mark.usefixtures("in_a_hurry")
def test_what_a_second_attempt_mends_is_scored(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], fault: str
) -> None:
    server = serve("--script", f"ok,{fault},ok")
    scorer = make(server)
    known([scorer.score([each])[0] for each in windows(2)])
    assert [each["fault"] for each in server.asked()] == ["ok", fault, "ok"]


@pytest.mark.usefixtures("in_a_hurry")
def test_retry_after_is_waited_for(serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]) -> None:
    begun_s = time.monotonic()
    known(make(serve("--script", "429:2")).score(windows(1)))
    assert time.monotonic() - begun_s >= 2.0


@pytest.mark.usefixtures("in_a_hurry")
def test_a_window_that_fails_is_unknown_with_the_reason_and_the_others_are_not(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    server = serve("--script", "ok,hang,ok")
    scorer = make(server, timeout_s=2.0)
    judgements = scorer.score(windows(3))
    (unknown,) = (judgement for judgement in judgements if judgement.score is None)
    assert "gave no answer within 1.7 s" in unknown.reason
    assert known(scorer.score(windows(4)[3:]))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("400,400,400", "answered 400 (something is wrong; your key is Bearer ***)"),
        ("418", "answered 418 (something is wrong; your key is Bearer ***)"),
        ("500,500,500", "answered 500 (something is wrong; your key is Bearer ***)"),
        ("429:100", "answered 429 (too many requests)"),
        ("307", "answered 307 (Temporary Redirect)"),
        ("garbage,garbage,garbage", "answered with something that is no reply"),
        ("endless,endless,endless", "answered with more than 1 MB"),
        ("reset,reset,reset", "broke off"),
    ],
)
@pytest.mark.usefixtures("in_a_hurry")
def test_what_stays_wrong_is_a_reason_without_the_key(
    serve: Callable[..., OpenAIServer],
    make: Callable[..., OpenAIScorer],
    caplog: pytest.LogCaptureFixture,
    script: str,
    reason: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve("--script", script, "--key", KEY)
    scorer = make(server, key=KEY)
    (judgement,) = scorer.score(windows(1))
    assert judgement.score is None
    assert reason in judgement.reason
    assert "\n" not in judgement.reason
    assert KEY not in judgement.reason + caplog.text
    assert known(scorer.score(windows(1)))


@pytest.mark.usefixtures("in_a_hurry")
def test_a_dead_server_is_left_alone_and_found_again(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port = free_port()
    scorer = make(f"http://user:hunter22@127.0.0.1:{port}/v1")
    judgements = scorer.score(windows(6))
    assert {judgement.score for judgement in judgements} == {None}
    reason = judgements[-1].reason
    assert reason == f"http://user:***@127.0.0.1:{port}/v1 refused the connection"
    assert "it is left alone for" in caplog.text
    server = serve("--port", str(port))
    deadline_s = time.monotonic() + 20
    while scorer.score(windows(1))[0].score is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert "answers again" in caplog.text
    assert "hunter22" not in caplog.text
    assert len(server.asked()) >= 1


@pytest.mark.usefixtures("in_a_hurry")
def test_several_servers_share_the_load_and_one_that_is_killed_costs_no_window(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    one, other = serve(), serve()
    scorer = make(one, other, scoring=Scoring.THRESHOLDS)
    known(scorer.score(windows(16)))
    shares = [one.asked(), other.asked()]
    assert min(map(len, shares)) >= 16
    numbers = [{each["text"][-200:] + str(each["window"]) for each in share} for share in shares]
    assert sum(map(len, numbers)) == 16 * 9
    assert all(len(share) % 9 == 0 for share in shares)  # all that is asked of a window goes to one
    other.kill()
    known(scorer.score(windows(16)))
    one.kill()
    assert {judgement.score for judgement in scorer.score(windows(2))} == {None}


@pytest.mark.usefixtures("in_a_hurry")
def test_no_window_waits_to_find_out_whether_a_server_that_hung_is_back(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], caplog: pytest.LogCaptureFixture
) -> None:
    well, hung = serve(), serve("--script", ",".join(["hang"] * 100))
    scorer = make(well, hung, timeout_s=6.0)
    known(scorer.score(windows(16)))  # those that came to the one that hangs went on to the other
    assert "it is left alone for" in caplog.text
    before, deadline_s = len(hung.asked()), time.monotonic() + 20
    while len(hung.asked()) == before:  # it is tried again with a copy
        assert time.monotonic() < deadline_s
        begun_s = time.monotonic()
        known(scorer.score(windows(4)))
        assert time.monotonic() - begun_s < 2.0


def test_more_windows_than_a_server_can_judge_are_judged_in_turn_and_it_is_not_left_alone(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve("--script", ",".join(["slow:0.4"] * 200))
    scorer = make(server, timeout_s=2.0, concurrency=4)
    cameras = [f"camera{number}" for number in range(16)]
    for camera in cameras:
        scorer.define(camera, [Definition(), Definition("dogs", "dogs")])
    seen: set[str] = set()  # about six at a time
    dogs = 0
    for index in range(3):
        judgements = scorer.score([window(SIDE, 4 * index, camera=camera, index=index) for camera in cameras])
        seen |= {camera for camera, each in zip(cameras, judgements, strict=True) if each.score is not None}
        dogs += sum(judgement.further["dogs"].score is not None for judgement in judgements)
        assert any(judgement.reason.startswith("overload: ") for judgement in judgements)
    assert len(seen) > 8
    assert dogs > 8
    assert "left alone" not in caplog.text


def test_windows_go_before_explanations_and_find_most_places_free(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    server = serve("--script", ",".join(["slow:1.0"] * 4))
    scorer = make(server, concurrency=4)
    steps = scorer.explain([Request(each, Definition(), 0.9) for each in windows(8)])
    next(steps)
    known(scorer.score(windows(4, "yard")))
    begun = [each["opening"] for each in server.asked()[:6]]
    assert begun.count("```\n") == 4
    assert sum(len(step) for step in steps) == 8


@pytest.mark.usefixtures("in_a_hurry")
def test_only_the_server_that_tells_no_likelihoods_writes_its_verdicts(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]
) -> None:
    well, opaque = serve(), serve("--way", "opaque")
    scorer = make(well, opaque)
    expected = scorer.info.name
    scores = {round(score, 2) for _ in range(4) for score in known(scorer.score(windows(4)))}
    assert scores == {0.0, 0.2}
    assert scorer.info.name == f"{expected} (written verdicts)"
    opaque.kill()
    deadline_s = time.monotonic() + 20
    while scorer.info.name != expected:
        assert time.monotonic() < deadline_s
        scorer.score(windows(4))
    assert {round(score, 2) for score in known(scorer.score(windows(4)))} == {0.2}


def test_a_server_that_gives_fewer_likelihoods_is_asked_for_fewer(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve("--most-likely", "5", "--abnormal", "1-1")
    scorer = make(server)
    assert sorted(known(scorer.score(windows(8)))) == pytest.approx([0.2] * 7 + [0.9], abs=1e-4)
    assert caplog.text.count("tells likelihoods of 5 tokens only") == 1
    assert "replies can't be begun" not in caplog.text
    assert scorer.info.name == MODEL


def test_before_the_first_window_servers_and_model_are_looked_at(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve("--key", KEY)
    with pytest.raises(ScorerError, match="has no model 'some/modle': it has some/model, other/model"):
        make(server, model="some/modle", key=KEY).check()
    with pytest.raises(ScorerError, match=r"answered 401 \(Unauthorized\): set OPENAI_API_KEY") as refused:
        make(server, key="wrong-key").check()
    assert "wrong-key" not in str(refused.value)
    assert caplog.text == ""
    make(f"http://127.0.0.1:{free_port()}/v1").check()
    assert "refused the connection; going on without it for now" in caplog.text
    make("http://no-such-host.invalid/v1").check()
    assert "is a name that can't be looked up" in caplog.text
    caplog.clear()
    make(server, key=KEY).check()
    assert caplog.text == ""


def test_closing_ends_what_is_under_way(serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer]) -> None:
    server = serve("--script", "hang")
    scorer = make(server, timeout_s=60.0)
    judged: list[Judgement] = []
    thread = threading.Thread(target=lambda: judged.extend(scorer.score(windows(1))))
    thread.start()
    deadline_s = time.monotonic() + 10
    while not server.asked():
        assert time.monotonic() < deadline_s
    scorer.close()
    thread.join(10)
    assert [judgement.reason for judgement in judged] == ["the scorer was closed"]


def test_a_certificate_that_nobody_vouches_for_is_not_taken(
    serve: Callable[..., OpenAIServer], make: Callable[..., OpenAIScorer], tmp_path: Path
) -> None:
    file = tmp_path / "certificate.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
             "-keyout", file, "-out", tmp_path / "public.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    file.write_text(file.read_text() + (tmp_path / "public.pem").read_text())
    server = serve("--certificate", str(file))
    (fault,) = make(f"https://127.0.0.1:{server.port}/v1", key=KEY).problems().values()
    assert "has a certificate that does not hold" in fault.message


Message = dict[str, Any]


def watch(tmp_path: Path, *options: str | Path) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "stream.cli", "watch", f"cam={ROBBERY}", *options, "--pace", "max", "--exit-at-end",
        "--data", tmp_path / "data", "--record", tmp_path / "record.jsonl",
        "--feed", f"ipc://{tmp_path}/feed", "--http", "off",
    ]  # fmt: skip
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def alerts(tmp_path: Path) -> list[Message]:
    outbox = sqlite3.connect(tmp_path / "data" / "outbox.sqlite3")
    found = [json.loads(row[0]) for row in outbox.execute("SELECT message FROM alerts ORDER BY seq")]
    outbox.close()
    return found


def recorded(tmp_path: Path) -> list[Message]:
    return [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]


@pytest.mark.skipif(not ROBBERY.exists(), reason="the real clips are not beside the project")
def test_real_footage_is_watched_through_a_server_and_alerts_say_who_judged(
    serve: Callable[..., OpenAIServer], tmp_path: Path
) -> None:
    server = serve("--abnormal", "20-30")
    process = watch(tmp_path, "--scorer", "openai", "--url", server.url, "--model", MODEL)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert len(recorded(tmp_path)) >= 60
    told = alerts(tmp_path)
    assert [told[0]["type"], told[-1]["type"]] == ["new", "end"]
    assert told[-1]["explanation"] == "A man climbs over a fence."
    assert {(each["model"]["scorer"], each["model"]["name"]) for each in told} == {("openai", MODEL)}
    assert all(len(each["model"]["prompt_sha256"]) == 64 for each in told)


@pytest.mark.skipif(not ROBBERY.exists(), reason="the real clips are not beside the project")
def test_a_server_that_is_killed_while_a_file_is_watched_costs_no_window(
    serve: Callable[..., OpenAIServer], tmp_path: Path
) -> None:
    slow = ",".join(["slow:0.1"] * 100)
    one, other = serve("--script", slow), serve("--script", slow)
    process = watch(tmp_path, "--url", one.url, "--url", other.url, "--model", MODEL)
    deadline_s = time.monotonic() + 60
    while len(other.asked()) < 8:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    other.kill()
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    judged = recorded(tmp_path)
    assert len(judged) >= 60
    assert all("score" in each for each in judged)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--model", "some/other"], "has no model 'some/other': it has some/model, other/model"),
        (["--model", MODEL, "--url", "127.0.0.1"], "scorer.urls[1]: must be an address such as"),
        ([], "scorer.model: is missing"),
    ],
)
def test_a_wrong_model_or_address_is_one_line(
    serve: Callable[..., OpenAIServer], tmp_path: Path, options: list[str], says: str
) -> None:
    process = watch(tmp_path, "--scorer", "openai", "--url", serve().url, *options)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert says in said.splitlines()[-1]
    assert "Traceback" not in said


def test_doctor_looks_at_the_servers(serve: Callable[..., OpenAIServer], tmp_path: Path) -> None:
    server, dead = serve(), free_port()
    file = tmp_path / "vigil.yaml"
    file.write_text(f"scorer: {{kind: openai, model: {MODEL}, urls: ['{server.url}', 'http://127.0.0.1:{dead}/v1']}}\n")
    command = [sys.executable, "-m", "stream.cli", "doctor", "-c", str(file), "--json"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100)
    found = [each for line in said.stdout.splitlines() if (each := json.loads(line))["check"] == "scorer"]
    assert [(each["verdict"], each["message"]) for each in found] == [
        ("ok", f"{server.url} has {MODEL}"),
        ("problem", f"http://127.0.0.1:{dead}/v1 refused the connection"),
    ]
