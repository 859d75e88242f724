"""From the authors' weight files to transformers' parameters, one tensor at a time.

Every name and shape is checked before the first byte of a weight is read. Then each tensor of the files is
copied straight to where it stays, in the dtype it stays in: the peak is the model and one tensor. Knows no
tokenizer and no prompt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import InternVLConfig

from engine.errors import CheckpointError
from engine.internvl2 import device_memory
from engine.internvl2.config import Config, Language
from engine.internvl2.files import one_line, weight_files
from engine.internvl2.needs import window_numbers

Take = Callable[[torch.Tensor], torch.Tensor]

# transformers' names on the left, those in the files on the right, mostly the authors'; applied in order.
_NAMES = {
    r"^model\.vision_tower\.encoder\.layer\.": "vision_model.encoder.layers.",
    r"^model\.vision_tower\.": "vision_model.",
    r"embeddings\.cls_token$": "embeddings.class_embedding",
    r"embeddings\.position_embeddings$": "embeddings.position_embedding",
    r"embeddings\.patch_embeddings\.projection\.": "embeddings.patch_embedding.",
    r"\.attention\.[qkv]_proj\.": ".attn.qkv.",
    r"\.attention\.projection_layer\.": ".attn.proj.",
    r"\.attention\.([qk]_norm)\.": r".attn.\1.",
    r"\.layernorm_before\.": ".norm1.",
    r"\.layernorm_after\.": ".norm2.",
    r"\.lambda_([12])$": r".ls\1",
    r"^model\.multi_modal_projector\.layer_norm\.": "mlp1.0.",
    r"^model\.multi_modal_projector\.linear_1\.": "mlp1.1.",
    r"^model\.multi_modal_projector\.linear_2\.": "mlp1.3.",
    r"^model\.language_model\.": "language_model.model.",
    r"^lm_head\.": "language_model.lm_head.",
}
_CONVERTED_NAMES = {  # what transformers writes
    r"^model\.language_model\.": "language_model.model.",
    r"^model\.(vision_tower|multi_modal_projector)\.": r"\1.",
    r"^lm_head\.": "language_model.lm_head.",
}
_INTERNLM2_NAMES = {
    r"^language_model\.lm_head\.": "language_model.output.",
    r"\.embed_tokens\.": ".tok_embeddings.",
    r"\.input_layernorm\.": ".attention_norm.",
    r"\.post_attention_layernorm\.": ".ffn_norm.",
    r"\.mlp\.gate_proj\.": ".feed_forward.w1.",
    r"\.mlp\.up_proj\.": ".feed_forward.w3.",
    r"\.mlp\.down_proj\.": ".feed_forward.w2.",
    r"\.self_attn\.o_proj\.": ".attention.wo.",
    r"\.self_attn\.[qkv]_proj\.": ".attention.wqkv.",
}
_EMBEDDINGS = "model.language_model.embed_tokens.weight"
_OUTPUT = "lm_head.weight"
_FUSED = re.compile(r"\.([qkv])_proj\.")
_FLOATS = {"F64", "F32", "F16", "BF16"}


def load_weights(model: nn.Module, folder: Path, config: Config, *, dtype: torch.dtype, device: torch.device) -> None:
    """Give every parameter of `model`, built on the meta device, its weights. Raises CheckpointError, ScorerError."""
    shards = _Shards(folder)
    wanted = _wanted(model, config)
    _check(shards, wanted, config)
    total = sum(want.shape.numel() for wants in wanted.values() for want in wants)
    needed = total + window_numbers(cast(InternVLConfig, model.config))
    device_memory.require(needed * dtype.itemsize, device, f"{folder} with one window")
    for source in shards.entries:
        if source in wanted:
            tensor = shards.read(source)
            for want in wanted[source]:
                place = torch.empty(want.shape, dtype=dtype, device=device)
                _assign(model, want.name, place.copy_(want.take(tensor)))
            del tensor  # before the next one is read


def has_output(folder: Path, config: Config) -> bool:
    """Whether the files have an output matrix of its own."""
    return _source(_OUTPUT, config) in _Shards(folder).entries


@dataclass(frozen=True, slots=True)
class _Want:
    """A parameter that `take` makes of one tensor of the files."""

    name: str
    shape: torch.Size
    take: Take


def _wanted(model: nn.Module, config: Config) -> dict[str, list[_Want]]:
    """What to make of each tensor of the files, by the authors' names."""
    wanted = defaultdict(list)
    for name, parameter in model.named_parameters():  # names tied parameters once, by the embeddings
        wanted[_source(name, config)].append(_Want(name, parameter.shape, _take(name, config)))
    return dict(wanted)


def _source(name: str, config: Config) -> str:
    if config.converted:
        tables = [_CONVERTED_NAMES]
    else:
        tables = [_NAMES, _INTERNLM2_NAMES] if config.language is Language.INTERNLM2 else [_NAMES]
    for table in tables:
        for pattern, replacement in table.items():
            name = re.sub(pattern, replacement, name)
    return name


def _take(name: str, config: Config) -> Take:
    fused = _FUSED.search(name)
    if fused and name.startswith("model.vision_tower.") and not config.converted:
        index = "qkv".index(fused[1])
        return lambda tensor: tensor.chunk(3)[index]
    if fused and config.language is Language.INTERNLM2:
        return _grouped(fused[1], config.text)
    return lambda tensor: tensor


def _grouped(which: str, text: Mapping[str, Any]) -> Take:
    """InternLM2 keeps q, k and v in one matrix: per key-value head its query heads, then its key, then its value."""
    heads, kv_heads = text["num_attention_heads"], text["num_key_value_heads"]
    rows = {"q": slice(None, -2), "k": slice(-2, -1), "v": slice(-1, None)}[which]

    def take(tensor: torch.Tensor) -> torch.Tensor:
        grouped = tensor.reshape(kv_heads, heads // kv_heads + 2, -1, *tensor.shape[1:])  # [KV, H / KV + 2, D, ...]
        part: torch.Tensor = grouped[:, rows].flatten(0, 2)
        return part

    return take


def _check(shards: _Shards, wanted: Mapping[str, list[_Want]], config: Config) -> None:
    """Raise CheckpointError unless the files hold exactly what is wanted."""
    if missing := sorted(wanted.keys() - shards.entries.keys()):
        raise CheckpointError(f"{shards.folder} lacks the tensor {_first(missing)}", advice=_REFETCH)
    tied_output = _source(_OUTPUT, config) if config.tied else None
    spare = {name for name in shards.entries if name.endswith("rotary_emb.inv_freq")} | {tied_output}
    if unexpected := sorted(shards.entries.keys() - wanted.keys() - spare):
        raise CheckpointError(f"{shards.folder} holds the unexpected tensor {_first(unexpected)}", advice=_REFETCH)
    for source, wants in wanted.items():
        entry = shards.entries[source]
        if entry.kind not in _FLOATS:
            raise CheckpointError(
                f"{source} in {entry.path} is of type {entry.kind}", advice="use the weights that are not quantised"
            )
        for want in wants:
            if _shape_after(want.take, entry.shape) != want.shape:
                raise CheckpointError(
                    f"{source} in {entry.path} has the shape {entry.shape}, from which {want.name} "
                    f"{list(want.shape)} can't be made",
                    advice="config.json and the weights are not of the same model: fetch both again",
                )
    if tied_output in shards.entries:
        embeddings = _source(_EMBEDDINGS, config)
        if not torch.equal(shards.read(tied_output), shards.read(embeddings)):
            raise CheckpointError(
                f"{shards.folder} says its output matrix is its embeddings, and holds another as {tied_output}",
                advice="set llm_config.tie_word_embeddings in config.json to what the authors published",
            )


def _shape_after(take: Take, shape: list[int]) -> torch.Size | None:
    try:
        return take(torch.empty(shape, device="meta")).shape
    except (RuntimeError, IndexError):
        return None


def _assign(model: nn.Module, name: str, value: torch.Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(path), leaf, nn.Parameter(value, requires_grad=False))


def _first(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


_REFETCH = "fetch the checkpoint again; files of two models may be mixed"


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a tensor is, and what it is."""

    path: Path
    kind: str
    shape: list[int]


class _Shards:
    """The tensors of all weight files of a folder, by the authors' names; reads none until asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, _Entry] = {}  # in the order of the files
        for path in weight_files(folder):
            with _opened(path) as shard:
                for name in shard.keys():  # noqa: SIM118 - an open file can't be iterated
                    header = shard.get_slice(name)
                    self.entries[name] = _Entry(path, str(header.get_dtype()), list(header.get_shape()))

    def read(self, name: str) -> torch.Tensor:
        # A file is mapped into memory: opened for each tensor, its pages are given back with the tensor.
        with _opened(self.entries[name].path) as shard:
            tensor: torch.Tensor = shard.get_tensor(name)
        return tensor


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as shard:
            yield shard
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut short: {one_line(error)}", advice="fetch the file again"
        ) from error
