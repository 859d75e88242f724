"""Makes the scorer that a configuration names, and what compares pictures with sentences for it."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.aligned import Aligner, aligned
from engine.encoder import TextEncoder
from engine.errors import UsageError, VigilError
from engine.motion import MotionScorer
from engine.recorded import RecordedScorer
from engine.remembering import RememberingEncoder
from engine.scorer import LanguageScorer, Scorer
from engine.scoring import Scoring
from stream.config.models import (
    ClipConfig,
    InternVL2ScorerConfig,
    OpenAIScorerConfig,
    RecordedScorerConfig,
    WatchConfig,
)
from stream.config.secrets import Secrets
from stream.models import find_clip, find_model
from stream.responses import read_responses

if TYPE_CHECKING:
    from stream.openai.scorer import OpenAIScorer

USUAL_KEY = "OPENAI_API_KEY"
log = logging.getLogger(__name__)


def make_scorer(config: WatchConfig) -> Scorer:
    """Raises ScorerError or UsageError for one that can't be built."""
    match config.scorer:
        case RecordedScorerConfig(responses=path):
            return RecordedScorer(read_responses(path), name=path.name)
        case InternVL2ScorerConfig() as wanted:
            return make_internvl2_scorer(wanted)
        case OpenAIScorerConfig() as wanted:
            scorer = make_openai_scorer(wanted)
            try:
                scorer.check()
            except BaseException:
                scorer.close()
                raise
            return scorer
        case _:
            return MotionScorer()  # told of each camera when it is added


def make_internvl2_scorer(config: InternVL2ScorerConfig) -> Scorer:
    """Finds or fetches the checkpoint and loads it: minutes, for a large one."""
    try:
        import torch

        from engine.internvl2.load import load
        from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the scorer internvl2 needs {error.name}, which is not installed",
            advice="pip install -e '.[vlm]' in Vigil's folder",
        ) from error
    device, dtype = device_and_dtype(config)
    folder = find_model(config.model)
    settings = InternVL2Settings(
        Scoring(config.scoring), config.questions, config.explain_above, config.batch_tokens, config.kept_frames
    )
    internvl2 = load(folder, dtype=getattr(torch, dtype), device=torch.device(device))
    name = folder.name if Path(config.model).expanduser().is_dir() else config.model
    return InternVL2Scorer(internvl2, settings, name=name)


def make_openai_scorer(config: OpenAIScorerConfig) -> OpenAIScorer:
    """Asks no server yet."""
    try:
        from stream.openai.judging import OpenAISettings
        from stream.openai.scorer import OpenAIScorer
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the scorer openai needs {error.name}, which is not installed",
            advice="pip install -e '.[openai]' in Vigil's folder",
        ) from error
    settings = OpenAISettings(
        Scoring(config.scoring),
        config.questions,
        config.explain_above,
        frame_size=config.size,
        concurrency=config.concurrency,
        timeout_s=config.timeout_s,
    )
    key = config.api_key.get_secret_value() if config.api_key else None
    if key is None:
        with contextlib.suppress(LookupError):
            key = Secrets.of(os.environ).look_up(USUAL_KEY)
    return OpenAIScorer([address.url for address in config.urls], config.model, settings, key=key)


def device_and_dtype(config: InternVL2ScorerConfig) -> tuple[str, str]:
    """What `auto` means on this machine. Needs torch."""
    import torch

    device = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return device, config.dtype if config.dtype != "auto" else "bfloat16" if device == "cuda" else "float32"


def with_cleaning(scorer: Scorer, config: WatchConfig) -> tuple[Scorer, TextEncoder | None]:
    """A scorer that understands words, with vectors for cleaning, and what gives sentences theirs.

    As it is, and None, where there is nothing to compare pictures and sentences with; the log says why.
    """
    if not isinstance(scorer, LanguageScorer):
        return scorer, None
    if config.clip.weights == "off":
        log.info("cleaning is off, as configured")
        return scorer, None
    try:
        aligner = make_aligner(config.clip)
    except VigilError as error:
        log.warning("cleaning is off: %s; see `clip` in docs/configuration.md", error)
        return scorer, None
    log.info("cleaning with CLIP's %s, %s", config.clip.model, config.clip.weights)
    sentences = RememberingEncoder(aligner)
    return aligned(scorer, aligner, sentences, every_window=remembers_pictures(config)), sentences


def remembers_pictures(config: WatchConfig) -> bool:
    """Whether some camera's cleaning wants vectors of windows without a sentence too: `with_cleaning` sees to that."""
    return any(each.cleaning.memory == "pictures" for each in (config.defaults, *config.cameras.values()))


def make_aligner(config: ClipConfig) -> Aligner:
    """Finds or fetches CLIP's weights and loads them. Raises VigilError."""
    found = find_clip(config.model, config.weights)
    import torch

    from engine.clip.load import load_aligner

    device = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return load_aligner(found, dtype=torch.float16 if device == "cuda" else torch.float32, device=torch.device(device))
