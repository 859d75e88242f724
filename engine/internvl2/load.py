"""Load an InternVL2 checkpoint, as its authors published it or as transformers converted it. Knows no window, no score
and no question.

internvl2 = load(Path("InternVL2-8B"), dtype=torch.bfloat16, device=torch.device("cuda"))
prompt = internvl2.prompt(video_question(8, "What happens?"), tiles=[1] * 8)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    Qwen2Config,
)

from engine import types
from engine.errors import CheckpointError, ScorerError, UsageError
from engine.internvl2 import pixels
from engine.internvl2.config import Config, Language, read_config
from engine.internvl2.device import is_out_of_memory, loss_told
from engine.internvl2.files import one_line
from engine.internvl2.prompt import IMAGE, IMAGE_TOKEN, Template, insert_images, template
from engine.internvl2.tokenizer import Tokenizer, load_tokenizer
from engine.internvl2.weights import has_output, load_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InternVL2:
    """A loaded checkpoint: the model, in evaluation mode and without gradients, and what is needed to talk to it."""

    model: InternVLForConditionalGeneration
    tokenizer: Tokenizer
    template: Template
    image_token_id: int  # stands in a prompt's ids for one feature of a picture
    stop_token_id: int  # ends an answer
    tokens_per_tile: int
    image_size_px: int  # a tile's width and height

    def prompt(self, question: str, tiles: Sequence[int] = (), history: Sequence[tuple[str, str]] | None = None) -> str:
        """The string that the authors' `chat` makes of a question.

        `tiles` says of how many tiles each picture is, in the order of the `<image>` marks in history and question.
        A first question with pictures and without a mark gets one in front, for all tiles together.
        """
        if history is None and tiles and IMAGE not in question:
            question = f"{IMAGE}\n{question}"
        return insert_images(self.template.render(question, history or ()), tiles, self.tokens_per_tile)

    def pixels(self, images: Sequence[Image.Image | types.Image]) -> torch.Tensor:
        """Pictures as the vision model's input, one tile each: float32 [N, 3, S, S] on the CPU."""
        return pixels.to_pixels(images, self.image_size_px)

    def image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """What the language model gets to see of each tile: [N, tokens_per_tile, D] in the model's dtype."""
        output = self.model.get_image_features(pixel_values=pixel_values.to(self.model.device))
        features: torch.Tensor = output.pooler_output
        return features

    def embed(self, ids: torch.Tensor, features: torch.Tensor | None = None) -> torch.Tensor:
        """The language model's input for ids [B, T]: [B, T, D], with `features` where the image token stands.

        Features fill these places in order, row by row. Raises ScorerError unless there is one for each.
        """
        ids = ids.to(self.model.device)
        embedded: torch.Tensor = self.model.get_input_embeddings()(ids)
        if features is None:
            return embedded
        places = ids == self.image_token_id
        if int(places.sum()) != features.shape[0] * features.shape[1]:
            raise ScorerError(
                f"the prompt has {int(places.sum())} places for features of pictures, "
                f"and there are {features.shape[0] * features.shape[1]}"
            )
        return embedded.masked_scatter(places.unsqueeze(-1), features)


def load(folder: Path, *, dtype: torch.dtype, device: torch.device, attention: str = "sdpa") -> InternVL2:
    """Read the checkpoint in `folder` onto `device`.

    `attention` is one of transformers' attention implementations: "sdpa", "eager", "flash_attention_2", ... Peak
    memory is the model's size and one tensor. Raises CheckpointError for files that are missing, damaged or of
    another kind, ScorerError where the model does not fit together with what one window takes, and DeviceLostError.
    """
    config = read_config(folder)
    if config.tied is None:
        config = replace(config, tied=not has_output(folder, config))
    tokenizer = load_tokenizer(folder)

    def fill(model: InternVLForConditionalGeneration) -> None:
        embeddings: Any = model.get_input_embeddings()
        if tokenizer.size > (known := len(embeddings.weight)):
            raise CheckpointError(
                f"{folder}: the tokenizer has {tokenizer.size} tokens and the model {known}",
                advice="files of two models may be mixed: fetch the checkpoint again",
            )
        load_weights(model, folder, config, dtype=dtype, device=device)

    try:
        with loss_told():
            internvl2 = assemble(config, tokenizer, fill, device=device, attention=attention)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ScorerError(
            f"{folder} does not fit on {device}", advice="use a smaller checkpoint or bfloat16, or free memory"
        ) from error
    _log.info("loaded %s (%s) as %s on %s", folder, config.language, dtype, device)
    return internvl2


def assemble(
    config: Config,
    tokenizer: Tokenizer,
    fill: Callable[[InternVLForConditionalGeneration], None],
    *,
    device: torch.device,
    attention: str = "sdpa",
) -> InternVL2:
    """A model as `config` describes it, whose parameters `fill` puts on `device`: until then they take no memory."""
    chosen = template(config.template, config.system_message)
    _require_device(device)
    image_token_id = tokenizer.id_of(IMAGE_TOKEN)
    model = _empty_model(config, image_token_id, attention)
    fill(model)
    _finish(model, config, device)
    return InternVL2(
        model=model,
        tokenizer=tokenizer,
        template=chosen,
        image_token_id=image_token_id,
        stop_token_id=tokenizer.id_of(chosen.stop),
        tokens_per_tile=config.tokens_per_tile,
        image_size_px=config.image_size_px,
    )


def _require_device(device: torch.device) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"the device {device} can't be used: {one_line(error)}", advice="use the device cpu"
        ) from error


def _empty_model(config: Config, image_token_id: int, attention: str) -> InternVLForConditionalGeneration:
    """The model without memory: every tensor on the meta device."""
    try:
        with torch.device("meta"):
            model = InternVLForConditionalGeneration(_native_config(config, image_token_id))
    except Exception as error:  # transformers' checks of a configuration raise all kinds
        raise CheckpointError(
            f"config.json describes a model that can't be built: {one_line(error)}", advice="fetch the checkpoint again"
        ) from error
    try:
        model.set_attn_implementation(attention)
    except (ImportError, ValueError) as error:
        raise UsageError(f"the attention {attention!r} can't be used: {one_line(error)}", advice="use sdpa") from error
    if config.tied:
        _tie(model)
    vision: Any = model.config.vision_config  # the original's eps comes from the file; the native class has a constant
    for layer in model.model.vision_tower.encoder.layer:
        for norm in (layer.attention.q_norm, layer.attention.k_norm):
            if not isinstance(norm, nn.Identity):
                norm.variance_epsilon = vision.layer_norm_eps
    return model


def _native_config(config: Config, image_token_id: int) -> InternVLConfig:
    text_class = Qwen2Config if config.language is Language.QWEN2 else LlamaConfig
    return InternVLConfig(
        text_config=text_class(**config.text, tie_word_embeddings=bool(config.tied)),
        vision_config=InternVLVisionConfig(**config.vision),
        image_token_id=image_token_id,
        image_seq_length=config.tokens_per_tile,
        downsample_ratio=config.downsample_ratio,
        vision_feature_layer=config.select_layer,
        vision_feature_select_strategy="default",
        tie_word_embeddings=bool(config.tied),  # the top level's is the one that counts, and is true by default
    )


def _tie(model: InternVLForConditionalGeneration) -> None:
    model.lm_head.weight = model.get_input_embeddings().weight


def _finish(model: InternVLForConditionalGeneration, config: Config, device: torch.device) -> None:
    """What no weight file holds: the tied matrix and the rotary frequencies."""
    if config.tied:
        _tie(model)
    language = model.model.language_model
    language.rotary_emb = type(language.rotary_emb)(language.config).to(device)
    left = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if left:
        raise CheckpointError(f"nothing gave {left[0]} its values", advice="this transformers is not supported")
    model.train(False)
