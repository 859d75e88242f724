"""The scorers that a replay can use, as recipes: made where they are needed, and told apart by their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from engine.aligned import AlignedScorer
from engine.errors import UsageError
from engine.internvl2.files import CONFIG, weight_files
from engine.scorer import Scorer
from engine.scoring import USUAL
from engine.types import Definition
from stream.config.models import (
    CameraDefaults,
    ClipConfig,
    InternVL2ScorerConfig,
    MotionScorerConfig,
    RecordedScorerConfig,
    WatchConfig,
)
from stream.models import find_model
from stream.wiring.cameras import introduce
from stream.wiring.scorers import device_and_dtype, make_scorer, with_cleaning

# Keys of a scorer that do not change what it says, or are its name.
_SAY_NOTHING = {"kind", "model", "timeout_s", "urls", "api_key", "concurrency", "batch_tokens", "kept_frames"}
_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16  # of each file of weights


def _no_settings(_scorer: Scorer) -> Mapping[str, str]:
    return {}


def _no_introduction(_scorer: Scorer, _video: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Recipe:
    """`make` and `settings` are called in each process that scores, and all must be picklable for other machines.

    `settings` gives, in words, whatever changes what this scorer says and is not in its `info`. `introduce` tells the
    scorer of each video before its first window.
    """

    make: Callable[[], Scorer]
    settings: Callable[[Scorer], Mapping[str, str]] = _no_settings
    introduce: Callable[[Scorer, str], None] = _no_introduction
    definition: Definition = USUAL  # of what is abnormal, for scorers that understand words
    max_batch: int | None = None  # at most so many windows at once; None: as many as the scorer takes
    gpu: bool = False  # whether it needs one of its own


def configured(config: WatchConfig, *, vectors: bool = False) -> Recipe:
    """The scorer that `vigil watch` would use. Each video is a camera of its own, which is as `defaults` say.

    Of several definitions only the first one counts: a benchmark has one kind of label. With `vectors` each window gets
    a vector of what it looks like, whatever is said of it; making the scorer raises UsageError where that can't be.
    """
    if vectors:
        cleaning = config.defaults.cleaning.model_copy(update={"memory": "pictures"})
        config = config.model_copy(update={"defaults": config.defaults.model_copy(update={"cleaning": cleaning})})
    defaults = config.defaults.model_copy(update={"definitions": config.defaults.definitions[:1]})
    config = config.model_copy(update={"cameras": {}, "defaults": defaults})
    return Recipe(
        partial(_make, config, vectors=vectors),
        partial(_settings, config),
        partial(_introduce, defaults),
        next(iter(defaults.policies())),
        config.engine.max_batch,
        gpu=getattr(config.scorer, "device", "cpu") != "cpu",
    )


def _make(config: WatchConfig, *, vectors: bool) -> Scorer:
    scorer, _ = with_cleaning(make_scorer(config), config)
    if vectors and not isinstance(scorer, AlignedScorer):
        scorer.close()
        raise UsageError(
            "each window needs a vector of what it looks like, and there is none to be had",
            advice="use a scorer that understands words, and see what `clip` says in the configuration",
        )
    return scorer


def _introduce(defaults: CameraDefaults, scorer: Scorer, video: str) -> None:
    introduce(scorer, video, defaults)


def with_verdicts(config: WatchConfig, method: str) -> WatchConfig:
    """The same, but that each window gets a verdict that is written out, which `method` needs.

    Raises UsageError for a scorer that writes none.
    """
    scorer = config.scorer
    if "scoring" in type(scorer).model_fields:
        faithful = scorer.model_copy(update={"scoring": "faithful"})
        return config.model_copy(update={"scorer": faithful, "clip": config.clip.model_copy(update={"weights": "off"})})
    if isinstance(scorer, RecordedScorerConfig):
        return config  # whatever was recorded
    raise UsageError(
        f"{method} needs verdicts that are written out, which the scorer {scorer.kind} does not give",
        advice="add --scorer internvl2 --model DIR_OR_ID",
    )


def clip_name(config: ClipConfig) -> str:
    """What tells vectors of one kind from another's."""
    return f"{config.model} {Path(config.weights).name}"


def _settings(config: WatchConfig, made: Scorer) -> dict[str, str]:
    scorer = config.scorer
    said = {name: getattr(scorer, name) for name in type(scorer).model_fields if name not in _SAY_NOTHING}
    said |= {name: _hash_of(value) for name, value in said.items() if isinstance(value, Path)}
    match scorer:
        case MotionScorerConfig():
            said |= asdict(config.defaults.motion_settings())
        case InternVL2ScorerConfig():
            said["device"], said["dtype"] = device_and_dtype(scorer)
            said["checkpoint"] = fingerprint(find_model(scorer.model))
    if isinstance(made, AlignedScorer):
        said["clip"] = clip_name(config.clip)
    return {name: str(value) for name, value in said.items()}


def fingerprint(folder: Path) -> str:
    """Tells one checkpoint from another, also from one that was trained further: a hash of its configuration and of
    samples of its weights. Raises CheckpointError."""
    digest = sha256((folder / CONFIG).read_bytes())
    for path in weight_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            for number in range(_SAMPLES):
                file.seek(max(0, size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _hash_of(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
