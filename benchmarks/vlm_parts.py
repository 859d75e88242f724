"""What is measured of a model, part by part, each number beside what is aimed at."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch

from benchmarks.measures import Measure
from benchmarks.vlm_cameras import Seen, most_in_real_time, watch
from benchmarks.vlm_limits import limits, measured_rates, window_flop
from benchmarks.vlm_ways import (
    SHARES_WITH,
    TEN_SECONDS,
    Film,
    Published,
    Way,
    ratio,
    stages,
    take_turns,
    timed,
)
from engine.internvl2.config import Config
from engine.internvl2.explainer import BOXES_TOKENS
from engine.internvl2.load import InternVL2
from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
from engine.scorer import Explanation, Request
from engine.scoring import USUAL, Scoring
from engine.types import Definition, Judgement, Window

REPLY_TOKENS = 45  # of a reply with its verdict, which the published way writes for each window
SENTENCE_TOKENS = 40  # of an explanation

DEFINITIONS = (
    USUAL,
    Definition("fence", "people who climb over the fence or stay behind it after dark"),
    Definition("smoke", "smoke or fire, or things that glow", ignore="people who smoke"),
    Definition("crowd", "more than ten people who stand close together, or who run in the same direction"),
)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: windows of a turn, turns, and seconds and numbers of cameras."""

    rounds: int
    weighed: int  # windows of a turn
    written: int  # the same where each window's reply is written
    published: int  # and of the published way
    staged: int  # windows whose stages are timed
    sharing: int  # cameras with windows that share frames
    events: int  # explained together
    watched_s: float
    cameras: tuple[int, ...]
    most_cameras: int
    matrix_side: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What all parts need."""

    internvl2: InternVL2
    config: Config
    extent: Extent
    film: Film

    @property
    def device(self) -> torch.device:
        device: torch.device = self.internvl2.model.device
        return device

    def scorer(self, scoring: Scoring = Scoring.LIKELIHOOD, *, kept_frames: int = 0) -> InternVL2Scorer:
        """By default one that remembers no frames, for windows that share none."""
        return InternVL2Scorer(self.internvl2, InternVL2Settings(scoring, kept_frames=kept_frames), name="random")

    def turns(self, ways: dict[str, Way]) -> dict[str, list[float]]:
        return take_turns(ways, self.extent.rounds, self.film, self.device)


def throughput(bench: Bench) -> tuple[list[Measure], float]:
    """Windows of one second, each way; and how many are weighed a second by one definition."""
    extent = bench.extent
    ways = {"published": Way(Published(bench.internvl2, REPLY_TOKENS).judge, _names("published", extent.published))}
    for scoring in Scoring:
        own = bench.scorer(scoring)
        windows = extent.written if scoring is Scoring.FAITHFUL else extent.weighed
        for count in (1, 2, 4):
            cameras = _names(f"{scoring}-{count}", windows)
            for camera in cameras:
                own.define(camera, DEFINITIONS[:count])
            ways[f"{scoring} {count}"] = Way(partial(_judge, own), cameras)
    ways["alone"] = Way(partial(_judge, bench.scorer()), _names("alone", 1))
    rates = measured_rates(bench.internvl2.model.dtype, bench.device, matrix_side=extent.matrix_side)
    took = bench.turns(ways)
    measures = [Measure("the published way: windows judged", 1 / median(took["published"]), "windows/s")]
    for scoring in Scoring:
        one, two, four = (took[f"{scoring} {count}"] for count in (1, 2, 4))
        measures += [
            Measure(f"{scoring}: windows judged", 1 / median(one), "windows/s"),
            Measure(
                f"{scoring}: time of a window in the published way / in this one",
                ratio(took["published"], one),
                "x",
                15.0 if scoring is Scoring.LIKELIHOOD else None,
                at_least=True,
            ),
            Measure(
                f"{scoring}: time of a window by 2 definitions / by one",
                ratio(two, one),
                "x",
                1.05 if scoring is Scoring.LIKELIHOOD else None,
            ),
            Measure(f"{scoring}: time of a window by 4 definitions / by one", ratio(four, one), "x"),
        ]
    one = took["likelihood 1"]
    weighed_s = median(one)
    share = window_flop(bench.internvl2, bench.config) / weighed_s / rates.flop_s
    measures += [
        Measure("likelihood, a single window at a time", 1000 * median(took["alone"]), "ms"),
        Measure("likelihood: time of a window alone / in a batch", ratio(took["alone"], one), "x"),
        *limits(bench.internvl2, bench.config, rates, REPLY_TOKENS),
        Measure("likelihood: share of the matrix product's rate", 100 * share, "%", 55.0, True),
    ]
    return measures, 1 / weighed_s


def sharing(bench: Bench) -> list[Measure]:
    """Windows of ten seconds, one every 0.53 s, beside those of one second."""
    count = bench.extent.sharing
    remembering, forgetful = bench.scorer(kept_frames=1024), bench.scorer()
    took = bench.turns(
        {
            "second": Way(partial(_judge, forgetful), _names("second", count)),
            "not shared": Way(partial(_judge, forgetful), _names("apart", count), TEN_SECONDS),
            "shared": Way(partial(_judge, remembering), _names("shared", count), TEN_SECONDS, SHARES_WITH + 1),
        }
    )
    index = SHARES_WITH + 1 + bench.extent.rounds
    frames = _encoded(bench, lambda: _judge(remembering, [bench.film.window("shared-0", index, TEN_SECONDS)]))
    remembering.close()
    return [
        Measure("10 s windows every 0.53 s, frames shared: frames encoded of a window's 8", frames),
        Measure(
            "10 s windows every 0.53 s, frames shared: time of a window / of a 1 s window",
            ratio(took["shared"], took["second"]),
            "x",
            1.3,
        ),
        Measure("the same with frames not shared", ratio(took["not shared"], took["second"]), "x"),
        Measure("10 s windows: time without sharing / with it", ratio(took["not shared"], took["shared"]), "x"),
    ]


def parts_of_a_window(bench: Bench) -> list[Measure]:
    """Where the time goes, in a batch."""
    count = bench.extent.staged
    windows = [bench.film.window(f"staged-{number}", 0) for number in range(count)]
    judge = partial(_judge, bench.scorer())
    took = stages(bench.internvl2, judge, windows, SENTENCE_TOKENS, bench.extent.rounds)
    names = {
        "pixels": "pixels: copying, upload, normalising",
        "vision": "vision tower and projector",
        "see": "see: the language model reads the frames",
        "weigh": "weigh: question and answers",
        "write": f"write: {SENTENCE_TOKENS} tokens, only when asked",
    }
    judging = [sum(each) for each in zip(*(took[name] for name in ("pixels", "vision", "see", "weigh")), strict=True)]
    return [
        *(
            Measure(f"a window of a batch of {count}, {text}", 1000 * median(took[name]) / count, "ms")
            for name, text in names.items()
        ),
        Measure("a judgement by likelihood / the stages before writing", ratio(took["judge"], judging), "x"),
    ]


def explanations(bench: Bench) -> list[Measure]:
    """Of windows that were not judged before, so that their frames are encoded as well."""
    own = bench.scorer()
    ways = {
        (count, boxes): Way(partial(_explain, own, boxes=boxes), _names(f"event-{count}-{boxes}", count))
        for count in (1, bench.extent.events)
        for boxes in (False, True)
    }
    took = bench.turns({f"{count} {boxes}": way for (count, boxes), way in ways.items()})
    measures = []
    for count, boxes in ways:
        what = f"explaining {_number(count, 'event')}, {SENTENCE_TOKENS} tokens each"
        measures.append(
            Measure(
                f"{what}, and boxes ({BOXES_TOKENS} tokens)" if boxes else what,
                count * median(took[f"{count} {boxes}"]),
                "s",
                1.5 if count == 8 and not boxes else None,
            )
        )
    events = _names("stepped", bench.extent.events)
    longest = [
        max(_steps_s(bench, own, [bench.film.window(event, number) for event in events]))
        for number in range(bench.extent.rounds)
    ]
    return [
        *measures,
        Measure(
            f"explaining {_number(len(events), 'event')}: the longest step, which scores wait for",
            1000 * median(longest),
            "ms",
        ),
    ]


def cameras(bench: Bench, windows_s: float, tell: Callable[[str], None]) -> list[Measure]:
    """Cameras with a window each second, and such that ask for a share of the `windows_s` that can be judged."""
    extent = bench.extent
    own = bench.scorer(kept_frames=1024)
    for count in (1, 2, 4, 8):  # passes of all the sizes that are coming
        _judge(own, [bench.film.window(f"warm{number}", count) for number in range(count)])
    seen: dict[int, Seen] = {}

    def watched(count: int) -> Seen:
        tell(f"cameras: {count}")
        return watch(own, bench.film, count, 1.0, extent.watched_s)

    def loaded(share: float, *, explaining: int = 0) -> Seen:
        rate = share * windows_s
        count = max(1, round(rate))
        tell(f"cameras: {share:.0%} load, {explaining} events")
        return watch(own, bench.film, count, count / rate, extent.watched_s, explaining=explaining)

    measures = []
    for count in extent.cameras:
        seen[count] = watched(count)
        measures += _waits(_number(count, "camera"), seen[count])
    tried = {count: each.in_real_time for count, each in seen.items()}
    most = most_in_real_time(tried, lambda count: watched(count).in_real_time, extent.most_cameras)
    busy, calm, explaining = loaded(0.8), loaded(0.5), loaded(0.5, explaining=extent.events)
    own.close()
    events = _number(extent.events, "event")
    return [
        *measures,
        Measure("most cameras in real time: none dropped, 95th percentile within 1 s", most),
        *_waits("80 % load", busy, 1.0),
        *_waits("50 % load", calm),
        *_waits(f"50 % load while {events} are explained, again and again", explaining),
        Measure(f"an explanation of these {events}, median", median(explaining.explained_s), "s"),
    ]


def memory(bench: Bench) -> list[Measure]:
    """Of all that was measured before."""
    model = sum(parameter.nbytes for parameter in bench.internvl2.model.parameters())
    if bench.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(bench.device)
        where = "the device"
    else:
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        where = "the process"
    return [
        Measure("memory of the model's weights", model / 2**30, "GiB"),
        Measure(f"most memory of {where} at any time", peak / 2**30, "GiB"),
    ]


def _waits(when: str, seen: Seen, target_s: float | None = None) -> list[Measure]:
    return [
        Measure(f"{when}: end of window to score, median", seen.percentile_s(50), "s"),
        Measure(f"{when}: the same, 95th percentile", seen.percentile_s(95), "s", target_s),
        Measure(f"{when}: windows dropped", 100 * seen.share_dropped, "%"),
    ]


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def _judge(own: InternVL2Scorer, windows: Sequence[Window]) -> Sequence[Judgement]:
    """Raises RuntimeError for numbers that are not finite: such are computed at another speed."""
    judgements = own.score(windows)
    if any("finite" in judgement.reason for judgement in judgements):
        raise RuntimeError("the model's numbers are not finite")
    return judgements


def _explain(own: InternVL2Scorer, windows: Sequence[Window], *, boxes: bool) -> None:
    requests = [Request(window, USUAL, 0.8, boxes=boxes) for window in windows]
    said = [explanation.text for step in own.explain(requests) for explanation in step.values()]
    if len(said) < len(requests) or not all(said):
        raise RuntimeError("a window has no explanation")


def _steps_s(bench: Bench, own: InternVL2Scorer, windows: Sequence[Window]) -> list[float]:
    """Seconds that each step of explaining takes."""
    steps = own.explain([Request(window, USUAL, 0.8) for window in windows])
    took: list[float] = []
    done: list[Mapping[int, Explanation] | None] = []
    while None not in done:
        took.append(timed(lambda: done.append(next(steps, None)), bench.device))
    return took


def _encoded(bench: Bench, work: Callable[[], object]) -> int:
    """How many frames go through the vision tower meanwhile."""
    counts: list[int] = []

    def count(_module: Any, _given: Any, named: dict[str, torch.Tensor]) -> None:
        counts.append(len(named["pixel_values"]))

    hook = bench.internvl2.model.model.vision_tower.register_forward_pre_hook(count, with_kwargs=True)
    try:
        work()
    finally:
        hook.remove()
    return sum(counts)
