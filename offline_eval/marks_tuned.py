"""What tuning by marks found, for use and for reading: figures, and a configuration file. Searches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from scipy.stats import binomtest

from offline_eval.marks import MarkedScores
from offline_eval.marks_tuning import OBJECTIVE, Bools, Tally, TunedByMarks
from stream.config import WatchConfig
from stream.config.section import key_of

FORMAT = "vigil.tune-marks/1"
BLIND = (
    "Marks are of events that were told: nobody marked what was missed. How much is missed is not known, and less of "
    "what was told may be more of what is missed."
)


def figures(scores: MarkedScores, tuned: TunedByMarks) -> dict[str, Any]:
    """What is told of the marked events as configured, as chosen, and out of fold; null where there are too few."""
    right = tuned.right
    return {
        "format": FORMAT,
        "marked_true": int(right.sum()),
        "marked_false": int((~right).sum()),
        "undecided": scores.undecided,
        "unrecorded": scores.unrecorded,
        "windows": scores.windows,
        "as_configured": _told(right, tuned.now.told) | _rest(tuned.now),
        "chosen": _told(right, tuned.chosen.told) | _rest(tuned.chosen),
        "out_of_fold": None if tuned.out_of_fold is None else _told(right, tuned.out_of_fold),
        "folds": tuned.folds,
        "better": tuned.better,
    }


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """The figures in words."""
    counts = {"true": found["marked_true"], "false": found["marked_false"]}
    lines = [
        f"events with scores: {counts['true']} marked true, {counts['false']} marked false; left out: "
        f"{found['undecided']} marked neither, {found['unrecorded']} without scores of their time",
        f"as configured: {_words(found['as_configured'], counts)}",
        f"chosen:        {_words(found['chosen'], counts)}; on the very marks that chose, which flatters",
    ]
    if found["out_of_fold"]:
        lines.append(f"out of fold:   {_words(found['out_of_fold'], counts)}; folds: {found['folds']}")
    else:
        lines.append(f"out of fold:   too few marks to tell how it does on other events (folds: {found['folds']})")
    if not found["better"]:
        lines.append("Nothing that was tried is better by these marks: the values are those that were configured.")
    return lines


def configuration(
    scores: MarkedScores, tuned: TunedByMarks, sources: Mapping[str, str], found: Mapping[str, Any]
) -> str:
    """A file for `vigil watch -c`, or to take values from, with what they may be trusted for."""
    way, alerts = tuned.way, tuned.way.alerts
    smoothing = {"kind": way.smoothing.kind, **way.smoothing.model_dump(exclude={"kind"})}
    searched = ("open", "close", "alert", "min_duration_s")
    comment = [
        "Smoothing and alerts chosen by `vigil replay tune --marks`.",
        "",
        *(f"{name}: {words}" for name, words in sources.items()),
        f"windows: {scores.windows}",
        f"tried: {tuned.tried} ways to smooth and alert",
        f"objective: {OBJECTIVE}",
        "",
        *lines_of(found),
        "",
        BLIND,
        "Cleaning had no part in the search. Below it changes no score: `text` takes over sentences only.",
        "Cameras and definitions keep values of their own. Scores of another scorer have another scale.",
    ]
    lines = [
        *(f"# {line}".rstrip() for each in comment for line in wrap(each, 116, subsequent_indent="  ") or [""]),
        "",
        "defaults:",
        "  cleaning:",
        "    neighbours: text",
        "    memory: off",
        "    meaning: false",
        "  smoothing:",
        *(f"    {key_of(name)}: {_value(name, value)}" for name, value in smoothing.items()),
        "  alerts:",
        *(f"    {key_of(name)}: {_value(name, getattr(alerts, name))}" for name in searched),
    ]
    return "\n".join(lines) + "\n"


def own_values(config: WatchConfig) -> list[str]:
    """The cameras on which what was chosen would not hold, as they have values of their own."""
    usual = config.defaults

    def differs(name: str) -> bool:
        camera = config.cameras[name]
        own = any(
            each.open is not None or each.close is not None or each.alert is not None for each in camera.definitions
        )
        return own or (camera.alerts, camera.smoothing) != (usual.alerts, usual.smoothing)

    return [name for name in config.cameras if differs(name)]


def _told(right: Bools, told: Bools) -> dict[str, Any]:
    """Of the events marked true and of those marked false: how many are told, and the share's 95 % interval."""
    return {name: _count(told[kind]) for name, kind in (("true", right), ("false", ~right))}


def _rest(tally: Tally) -> dict[str, Any]:
    return {"unmarked": tally.unmarked, "alerted_s": round(tally.alerted_s, 1)}


def _count(told: Bools) -> dict[str, Any]:
    share = binomtest(int(told.sum()), len(told)).proportion_ci(method="wilson")
    return {"told": int(told.sum()), "low": float(share.low), "high": float(share.high)}


def _words(each: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    parts = [
        f"{each[kind]['told']} of {count} {kind} ({each[kind]['low']:.0%} to {each[kind]['high']:.0%})"
        for kind, count in counts.items()
    ]
    if "unmarked" in each:
        parts.append(f"{each['unmarked']} unmarked; {each['alerted_s'] / 60:.1f} min under alert")
    return "told " + ", ".join(parts)


def _value(name: str, value: object) -> str:
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{number}s" if name.endswith("_s") else number
