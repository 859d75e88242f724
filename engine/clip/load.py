"""Load a CLIP model of open_clip from a safetensors file. Fetches nothing, and runs nothing that a file holds."""

from __future__ import annotations

import functools
import logging

import torch

from engine.clip.aligner import ClipAligner, Preparation
from engine.clip.weights import ClipWeights, published, require_file, require_model
from engine.errors import CheckpointError, ScorerError, UsageError
from engine.internvl2.files import one_line

_log = logging.getLogger(__name__)

_PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
_TRAINED_WITH = ("mean", "std", "interpolation")


def load_aligner(weights: ClipWeights, *, dtype: torch.dtype, device: torch.device) -> ClipAligner:
    """Seconds. Raises UsageError for an unknown model or dtype, CheckpointError for a file that is missing, damaged, a
    pickle or of another model, and ScorerError where it does not fit.
    """
    import open_clip

    model, path = weights.model, weights.path
    require_model(model)
    if dtype not in _PRECISIONS:
        raise UsageError(f"CLIP can't run in {dtype}", advice="use float32, float16 or bfloat16")
    require_file(path)
    trained = published(model, weights.tag) if weights.tag else {}
    try:
        clip = open_clip.create_model(
            model,
            pretrained=str(path),
            precision=_PRECISIONS[dtype],
            device=device,
            # OpenAI's weights were trained with it, and nothing in the file says so.
            force_quick_gelu=bool(trained.get("quick_gelu", False)),
            force_preprocess_cfg={key: trained[key] for key in _TRAINED_WITH if key in trained} or None,
        )
        new_tokenizer = functools.partial(open_clip.get_tokenizer, model)
        wanted = open_clip.get_model_preprocess_cfg(clip)
        aligner = ClipAligner(
            clip.eval().requires_grad_(False),
            new_tokenizer,
            Preparation(wanted["size"], tuple(wanted["mean"]), tuple(wanted["std"]), wanted["interpolation"]),
            dimensions=open_clip.get_model_config(model)["embed_dim"],
            dtype=dtype,
            device=device,
        )
    except torch.OutOfMemoryError as error:
        raise ScorerError(f"CLIP's {model} does not fit on {device}", advice="use cpu, or free memory") from error
    except Exception as error:  # whichever of open_clip's, safetensors' or the device's
        raise _explained(error, weights) from error
    _log.info("loaded CLIP's %s from %s as %s on %s", model, path, dtype, device)
    return aligner


def _explained(error: Exception, weights: ClipWeights) -> CheckpointError:
    """open_clip lists every tensor that does not fit: the first one tells enough."""
    text, advice = str(error), "fetch the file again"
    if "loading state_dict" in text:
        wrong = [line.strip() for line in text.splitlines() if "size mismatch" in line]
        text = wrong[0] if wrong else "it has other tensors than the model"
        advice = "name the model that the file is of; it must be in open_clip's own format"
    message = f"CLIP's {weights.model} can't be loaded from {weights.path}: {one_line(Exception(text))[:300]}"
    return CheckpointError(message, advice=advice)
