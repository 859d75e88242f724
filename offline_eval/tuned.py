"""What tuning found, for use and for reading: a run that is out of fold, and a configuration file. Searches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np

from engine.meaning import MeaningSettings
from offline_eval.material import Material
from offline_eval.methods.online import OnlineSettings
from offline_eval.metrics.intervals import Figure
from offline_eval.procedures import (
    describe,
    online_about,
    online_replayed,
)
from offline_eval.replay import Run, measure
from offline_eval.tuning import OBJECTIVE, SEARCHED, Search, Tuned

TOLD = (
    "roc_auc",
    "within_video_auc",
    "average_precision",
    "event_recall",
    "event_recall_in_time",
    "false_alarms_per_hour",
    "delay_median_s",
    "normal_time_alerted",
)
"""The figures that a configuration's comment gives."""


def out_of_fold_run(material: Material, tuned: Tuned, search: Search, *, resamples: int) -> Run:
    """The figures of all videos, each scored by what was chosen without it."""
    chosen_how = (
        f"out of fold: {search.folds} folds over videos, stratified by category, seed {search.seed}; "
        f"the best of {search.scorings} ways to score and {search.policies} to alert by {OBJECTIVE}"
    )
    settings = {
        "parameters": chosen_how,
        "score scale": "rank among the scores of the videos that chose, as every fold has a scale of its own",
        **{f"chosen on all videos, {name}": words for name, words in describe(tuned.chosen).items()},
    }
    replayed = [
        online_replayed(each.video, material.said[each.video.name], each.points, each.alerted)
        for each in tuned.out_of_fold
    ]
    about = online_about(settings, tuned.chosen.policy.merge_gap_s, name="online, out of fold")
    return measure(material, about, replayed, resamples=resamples)


def spread(tuned: Tuned) -> dict[str, list[float]]:
    """The figures of each fold's own videos."""
    return {name: tuned.spread[name].tolist() for name in TOLD}


def configuration(material: Material, tuned: Tuned, search: Search, figures: Mapping[str, Figure]) -> str:
    """A file for `vigil watch -c`, with where its values come from and what they may be trusted for."""
    chosen = tuned.chosen
    told = [_told(name, figures[name], values) for name, values in spread(tuned).items()]
    intervals = "" if np.isnan(figures["roc_auc"].low) else "95 % intervals over videos and "
    policy = asdict(chosen.policy)
    lines = [
        f"# Smoothing and alerts chosen by `vigil replay tune` on {material.dataset.name}.",
        "#",
        *(f"# {name}: {words}" for name, words in material.sources.items()),
        f"# videos: {len(material.coverage.videos)}, at {material.dataset.fps:g} frames per second",
        f"# folds: {search.folds} over videos, stratified by category, seed {search.seed}",
        f"# tried: {search.scorings} ways to score, {search.policies} ways to alert",
        f"# objective: {OBJECTIVE}",
        f"# scores: {describe(chosen)['scores']}; meaning: {describe(chosen)['meaning']}",
        "#",
        f"# Out of fold, with {intervals}the folds' lowest and highest:",
        *(f"#   {line}" for line in told),
        "# The values below were then chosen on all videos. They suit scores of this kind only: another scorer has",
        "# another scale.",
        "# Neighbours and memory had no part in the search, and change no score here: `text` is about sentences only.",
        *_other_weights(chosen),
        "",
        "defaults:",
        "  cleaning:",
        f"    neighbours: {'off' if chosen.meaning else 'text'}",
        "    memory: off",
        f"    meaning: {str(chosen.meaning is not None).lower()}",
        "  smoothing:",
        "    kind: ewma",
        f"    time_constant: {tuned.time_constant_s:g}s",
        "  alerts:",
        *(f"    {name.removesuffix('_s')}: {policy[name]:g}{'s' if name.endswith('_s') else ''}" for name in SEARCHED),
    ]
    return "\n".join(lines) + "\n"


def _other_weights(chosen: OnlineSettings) -> list[str]:
    """No key says how meaning is weighed."""
    if chosen.meaning in (None, MeaningSettings()):
        return []
    own = describe(replace(chosen, meaning=MeaningSettings()))["meaning"]
    return [f"# vigil watch weighs meaning by values of its own, not by those above: {own}"]


def _told(name: str, figure: Figure, folds: list[float]) -> str:
    interval = "" if np.isnan(figure.low) else f"{figure.low:.4g} to {figure.high:.4g}; "
    return f"{name} {figure.value:.4g} ({interval}folds {_range(folds)})"


def _range(values: list[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    return f"{min(known):.3g} to {max(known):.3g}" if known else "undefined"
