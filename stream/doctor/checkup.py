"""Everything that concerns a watch with a given configuration: the file itself, and this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from stream.config import WatchConfig, from_mapping, load
from stream.config.models import InternVL2ScorerConfig, OpenAIScorerConfig
from stream.doctor import machine, servers, software
from stream.doctor.findings import Finding, Look, ok, problem, warning

LIMIT_S = 15.0


def configuration(file: Path, overrides: Mapping[str, Any]) -> tuple[WatchConfig, list[Finding]]:
    """What the file says, and whether it holds; where it does not, only what `overrides` say."""
    try:
        config = load(file, overrides=overrides)
    except ConfigError as error:
        return from_mapping(overrides), [problem("configuration", text, "") for text in error.problems]
    count = len(config.cameras)
    message = f"{file}: fine, {count} camera{'s' * (count != 1)}, scorer {config.scorer.kind}"
    if not count:
        return config, [warning("configuration", message, "add a camera under `cameras`")]
    return config, [ok("configuration", message, cameras=count)]


def scorer_looks(config: WatchConfig) -> list[Look]:
    """What a scorer needs, and whether its judgements are cleaned."""
    clip = config.clip
    cleaning = Look("cleaning", lambda: software.cleaning(clip.model, clip.weights), software.TORCH_LIMIT_S + LIMIT_S)
    match config.scorer:
        case OpenAIScorerConfig() as wanted:
            return [Look("scorer", lambda: servers.servers(wanted), LIMIT_S), cleaning]
        case InternVL2ScorerConfig(model=model):
            return [Look("model", lambda: software.checkpoint(model), LIMIT_S), cleaning]
        case other:
            return [Look("cleaning", lambda: software.no_cleaning(other.kind), LIMIT_S)]


def machine_looks(config: WatchConfig) -> list[Look]:
    """Everything about this machine that concerns a watch with this configuration."""
    needs_gpu = config.scorer.kind == "internvl2"
    return [
        Look("versions", software.versions, LIMIT_S),
        Look("decoders", software.decoders, LIMIT_S),
        Look("encoder", software.encoder, LIMIT_S),
        Look("hardware decoding", software.hardware_decoding, LIMIT_S),
        Look("gpu", lambda: software.gpu(needed=needs_gpu), software.SMI_LIMIT_S + software.TORCH_LIMIT_S + LIMIT_S),
        Look("extras", software.extras, LIMIT_S),
        *scorer_looks(config),
        Look("disk", lambda: machine.disk(config.data), LIMIT_S),
        Look("feed port", lambda: machine.feed_port(config.feed.bind), LIMIT_S),
        Look("feed keys", lambda: machine.feed_keys(config.feed.keys), LIMIT_S),
        Look("http port", lambda: machine.port("http port", config.http.bind), LIMIT_S),
        Look("console port", lambda: machine.port("console port", config.console.bind), LIMIT_S),
        Look("webcams", machine.webcams, LIMIT_S),
        Look("clock", lambda: machine.clock(time.time()), LIMIT_S),
        Look("machine", machine.limits, LIMIT_S),
    ]
