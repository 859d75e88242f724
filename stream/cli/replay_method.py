"""What `vigil replay` runs, from what the command line and a configuration say: a method with all that it needs."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UsageError
from stream.config import WatchConfig, load

if TYPE_CHECKING:
    from engine.encoder import TextEncoder
    from offline_eval.material import Material
    from offline_eval.procedures import Procedure

log = logging.getLogger(__name__)

NEEDS_VECTORS = "give --vectors FILE: docs/evaluation.md says how it is made"


def procedure_of(
    method: str, material: Material, vectors: Path | None, features: Path | None, config: Path | None
) -> Procedure:
    """Raises UsageError for what does not go together."""
    from offline_eval.methods.online import VERDICTS_ONLY, WITH_MEANING
    from offline_eval.procedures import COREVAD, ONLINE, VERA, offline_vera, online, published
    from offline_eval.vectors import read_vectors

    if method in COREVAD and features:
        if not vectors:
            raise UsageError(f"{method} compares --features with sentences", advice=NEEDS_VECTORS)
        from offline_eval.looks import vectors_of

        looks = vectors_of(material, features, read_vectors(vectors))
        return published(method, material.dataset.fps, looks)
    if method != ONLINE:
        if vectors:
            what = "--vectors without --features" if method in COREVAD else "--vectors"
            raise UsageError(f"{method} takes no {what}", advice="they are for --method online")
        return (offline_vera if method in VERA else published)(method, material.dataset.fps)
    if features:
        raise UsageError(f"{ONLINE} takes no --features", advice="they are for the published methods")
    encoder = read_vectors(vectors) if vectors else None
    if config is not None or not (encoder or material.verdicts):
        return _configured(config, material, encoder)
    if encoder is None:
        log.warning(
            "without --vectors every anomalous verdict counts the same, whatever its sentence says, and the targets "
            "are missed: docs/evaluation.md says how to make the file"
        )
    chosen = "the shipped ones, which were chosen on 145 videos of UCF-Crime: on those, only tuning is out of fold"
    return online(WITH_MEANING if encoder else VERDICTS_ONLY, encoder, chosen)


def _configured(config: Path | None, material: Material, vectors: TextEncoder | None) -> Procedure:
    """The live method as a file says, or as `vigil watch` does without one."""
    from engine.meaning import MeaningSettings
    from offline_eval.methods.online import OnlineSettings
    from offline_eval.procedures import online
    from stream.wiring.cameras import make_cleaner

    watch = load(config) if config else WatchConfig()
    name = config.name if config else "the default configuration"
    camera = watch.defaults
    cleaning, cleaned = camera.cleaning, "cleaning as there"
    if camera.idle.enabled:
        log.warning("idle watching of %s has no part in a replay, which scores every window", name)
    if vectors is not None:
        if not cleaning.meaning:
            raise UsageError(
                f"{name} does not weigh scores by meaning, so --vectors has no use",
                advice="leave it out, or set cleaning.meaning",
            )
        # Windows have no vectors in the space of these sentences.
        cleaning = cleaning.model_copy(update={"neighbours": "off", "memory": "off"})
        sentences: TextEncoder | None = vectors
        cleaned = "of cleaning only meaning, by --vectors"
    elif material.clip:
        sentences = _sentences(watch, material.clip)
    else:
        sentences = None
        cleaned = "no cleaning, as there is nothing to compare sentences with"
    if cleaning.meaning and sentences is None:
        raise UsageError(
            f"{name} weighs scores by what sentences mean, and there is nothing to compare sentences with",
            advice=f"{NEEDS_VECTORS}, or turn cleaning.meaning off",
        )
    definition, policy = next(iter(camera.policies().items()))
    smoothing = ", ".join(f"{key} {value}" for key, value in camera.smoothing.model_dump().items())
    settings = OnlineSettings(
        MeaningSettings() if cleaning.meaning else None, camera.smoothing.smoother, smoothing, policy
    )
    chosen = f"smoothing and alerts from {config.name}" if config else "the defaults of vigil watch"
    return online(settings, None, f"{chosen}; {cleaned}", partial(make_cleaner, cleaning, definition, sentences))


def _sentences(watch: WatchConfig, judged_with: str) -> TextEncoder | None:
    """What gives sentences their vectors, to be compared with those that windows were judged with."""
    from engine.remembering import RememberingEncoder
    from offline_eval.videos.scorers import clip_name
    from stream.wiring.scorers import make_aligner

    if watch.clip.weights == "off":
        return None
    if clip_name(watch.clip) != judged_with:
        raise UsageError(
            f"the videos were judged with CLIP's {judged_with}, and are not to be cleaned with {clip_name(watch.clip)}",
            advice="give --config with the same clip.model and clip.weights, or with clip.weights off",
        )
    return RememberingEncoder(make_aligner(watch.clip))
