"""What the authors' code computed, against what a loaded checkpoint computes. Knows no file and no command line.

An oracle's tensors come in groups by the first word of their names: `vit_*` are the vision model's; every other
group is a run of the language model on `*_input_ids`, with whichever results the oracle holds of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.internvl2.load import InternVL2
from engine.internvl2.seen import cache_argument
from engine.internvl2.tokenizer import Tokenizer

TOLERANCE = 2e-5

Oracle = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was compared, by name: differences (None where there is no number for it), and what is equal or not.

    `unknown` are the tensors that nothing here computes: what can't be compared does not agree.
    """

    max_abs_diff: dict[str, float | None] = field(default_factory=dict)
    greedy: dict[str, bool] = field(default_factory=dict)
    prompts: dict[str, bool] = field(default_factory=dict)
    tokens: dict[str, bool] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """The names of what differs."""
        far = [name for name, value in self.max_abs_diff.items() if value is None or value > TOLERANCE]
        kinds = {"greedy": self.greedy, "prompt": self.prompts, "tokens": self.tokens}
        unequal = [f"{kind} {name}" for kind, found in kinds.items() for name, equal in found.items() if not equal]
        return far + unequal + [f"{name} (of no known kind, not compared)" for name in self.unknown]

    def report(self) -> dict[str, Any]:
        compared = self.max_abs_diff or self.greedy or self.prompts or self.tokens
        return {
            "max_abs_diff": self.max_abs_diff,
            "greedy_equal": all(self.greedy.values()) if self.greedy else None,
            "prompts_equal": all(self.prompts.values()) if self.prompts else None,
            "tokens_equal": all(self.tokens.values()) if self.tokens else None,
            "tokens": f"{sum(self.tokens.values())} of {len(self.tokens)}" if self.tokens else None,
            "not_compared": self.unknown,
            "ok": bool(compared) and not self.wrong(),
        }


def compare_tensors(internvl2: InternVL2, oracle: Oracle, findings: Findings) -> None:
    """Compare every tensor of the oracle but what goes in: `pixel_values` and a group's ids, mask and positions."""
    with torch.inference_mode():
        computed = _vision(internvl2, oracle)
        groups = [name.removesuffix("_input_ids") for name in oracle if name.endswith("_input_ids")]
        for group in groups:
            computed |= _run(internvl2, oracle, group)
    computed["img_context_token_id"] = torch.tensor(internvl2.image_token_id)
    given = {"pixel_values", *(f"{group}_{name}" for group in groups for name in _INPUTS)}
    for name, expected in oracle.items():
        if name in given:
            continue
        if name not in computed:
            findings.unknown.append(name)
        elif name == "img_context_token_id":
            findings.tokens[name] = bool(expected == computed[name].numpy())
        elif "_greedy" in name and not name.endswith("_margin"):
            findings.greedy[name] = _same_answers(computed[name].tolist(), expected.tolist(), internvl2.stop_token_id)
        else:
            findings.max_abs_diff[name] = _difference(computed[name].numpy(), expected)


def compare_chat(
    internvl2: InternVL2, oracle: Mapping[str, Any], pixels: NDArray[Any] | None, findings: Findings
) -> None:
    """Compare prompt strings, their ids and greedy answers. A case takes the first of the tiles in `pixels`."""
    findings.prompts["separator"] = oracle["sep"] == internvl2.template.separator
    findings.prompts["system message"] = oracle["system_message"] == internvl2.template.system_message
    findings.prompts["tokens of a tile"] = oracle["num_image_token"] == internvl2.tokens_per_tile
    for number, case in enumerate(oracle["cases"]):
        name = f"chat case {number}"
        count = case["num_tiles"]
        tiles = case["num_patches_list"] or ([count] if count else [])
        history = None if case["history"] is None else [(question, answer) for question, answer in case["history"]]
        prompt = internvl2.prompt(case["question"], tiles, history)
        findings.prompts[name] = prompt == case["prompt"]
        findings.tokens[name] = internvl2.tokenizer.encode(prompt) == case["input_ids"]
        if not count or pixels is not None:
            with torch.inference_mode():
                embedded = _embedded(internvl2, torch.tensor([case["input_ids"]]), pixels)
                tokens, _ = _greedy(internvl2, embedded, None, len(case["generated_ids"]))
            findings.greedy[name] = tokens.tolist() == [case["generated_ids"]]
        answer = internvl2.tokenizer.decode(case["generated_ids"]).split(internvl2.template.stop)[0].strip()
        findings.tokens[f"{name} answer"] = answer == case["response"]


def compare_tokenizer(tokenizer: Tokenizer, oracle: Mapping[str, Any], findings: Findings) -> None:
    """Compare ids and texts of the oracle's strings, and the ids of the special tokens."""
    for token, number in oracle["special_ids"].items():
        findings.tokens[f"id of {token}"] = tokenizer.id_of(token) == number
    for number, case in enumerate(oracle["cases"]):
        text, ids = case["text"], case["ids"]
        findings.tokens[f"case {number}"] = (
            tokenizer.encode(text) == ids
            and tokenizer.encode(text, special=False) == case["ids_no_special"]
            and tokenizer.decode(ids, skip_special=False) == case["decoded"]
            and tokenizer.decode(ids) == case["decoded_skip_special"]
        )


_INPUTS = ("input_ids", "attention_mask", "positions")


def _vision(internvl2: InternVL2, oracle: Oracle) -> dict[str, torch.Tensor]:
    """The vision model's steps, taken from where they happen."""
    if "pixel_values" not in oracle:
        return {}
    seen: dict[str, torch.Tensor] = {}
    tower, projector = internvl2.model.model.vision_tower, internvl2.model.model.multi_modal_projector

    def keep(name: str) -> Any:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            seen[name] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [
        tower.embeddings.register_forward_hook(keep("vit_embeddings")),
        *(
            layer.register_forward_hook(keep(f"vit_layer{number}"))
            for number, layer in enumerate(tower.encoder.layer, start=1)
        ),
        tower.layernorm.register_forward_hook(keep("vit_last_hidden")),
        projector.layer_norm.register_forward_pre_hook(lambda module, args: keep("vit_before_mlp1")(module, (), args)),
    ]
    try:
        seen["vit_after_mlp1"] = internvl2.image_features(torch.from_numpy(oracle["pixel_values"]))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _run(internvl2: InternVL2, oracle: Oracle, group: str) -> dict[str, torch.Tensor]:
    """One group's run of the language model, with every result that an oracle may hold of it."""
    ids = torch.from_numpy(oracle[f"{group}_input_ids"])
    given = oracle.get(f"{group}_attention_mask")
    mask = None if given is None else torch.from_numpy(given)
    embedded = _embedded(internvl2, ids, oracle.get("pixel_values"))
    logits = _forward(internvl2, embedded, mask).logits  # [B, T, V]
    results = {"inputs_embeds": embedded, "last_logits": logits[:, -1], "logits_every16": logits[:, ::16]}
    positions = oracle.get(f"{group}_positions")
    results["logits"] = logits if positions is None else logits[:, torch.from_numpy(positions)]
    if mask is not None:
        results["position_ids"] = _positions(mask)
        alone = embedded[:1, mask[0].bool()]
        results["row0_alone_last_logits"] = _forward(internvl2, alone, None).logits[:, -1]
    if (greedy := oracle.get(f"{group}_greedy")) is not None:
        steps = greedy.shape[1]
        results["greedy"], results["greedy_margin"] = _greedy(internvl2, embedded, mask, steps)
        if f"{group}_greedy_nocache" in oracle:
            results["greedy_nocache"], _ = _greedy(internvl2, embedded, mask, steps, cache=False)
    return {f"{group}_{name}": value for name, value in results.items()}


def _embedded(internvl2: InternVL2, ids: torch.Tensor, pixels: NDArray[Any] | None) -> torch.Tensor:
    tiles = int((ids == internvl2.image_token_id).sum()) // internvl2.tokens_per_tile
    features = internvl2.image_features(torch.from_numpy(pixels[:tiles])) if tiles and pixels is not None else None
    return internvl2.embed(ids, features)


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Positions that count real tokens only; 1 where there is padding, as the original has it."""
    return (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)


def _forward(internvl2: InternVL2, embedded: torch.Tensor, mask: torch.Tensor | None, **more: Any) -> Any:
    positions = None if mask is None else _positions(mask)[:, -embedded.shape[1] :]
    return internvl2.model(inputs_embeds=embedded, attention_mask=mask, position_ids=positions, **more)


def _greedy(
    internvl2: InternVL2, embedded: torch.Tensor, mask: torch.Tensor | None, steps: int, *, cache: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """`steps` most likely tokens, and by how much each was ahead of the second: both [B, steps]."""
    mask = torch.ones(embedded.shape[:2], dtype=torch.long) if mask is None else mask
    tokens, margins = [], []
    argument = cache_argument(internvl2.model)
    past = None
    for _ in range(steps):
        output = _forward(internvl2, embedded, mask, use_cache=cache, **{argument: past})
        best = output.logits[:, -1].topk(2)
        tokens.append(best.indices[:, :1])
        margins.append(best.values[:, :1] - best.values[:, 1:])
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        following = internvl2.embed(tokens[-1])
        past = output[argument] if cache else None
        embedded = following if cache else torch.cat([embedded, following], dim=1)
    return torch.cat(tokens, dim=1), torch.cat(margins, dim=1)


def _same_answers(found: Sequence[list[int]], expected: Sequence[list[int]], stop: int) -> bool:
    """Whether rows are equal, up to where a row of `expected` has stopped and is padded."""
    for mine, theirs in zip(found, expected, strict=True):
        end = theirs.index(stop) + 1 if stop in theirs else len(theirs)
        padded = len(set(theirs[end:])) <= 1
        if mine[: end if padded else None] != theirs[: end if padded else None]:
            return False
    return True


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float | None:
    if found.shape != expected.shape:
        return None
    largest = float(np.abs(found.astype(np.float64) - expected).max(initial=0.0))
    return largest if math.isfinite(largest) else None
