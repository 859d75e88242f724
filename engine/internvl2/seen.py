"""What the language model keeps of what it read: the keys and values of some windows. Knows no prompt.

transformers' models take a `Seen` where they would take a cache of their own. Theirs copies all it holds for each token
that follows; this one has room, and what follows is written behind what is there.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

ROOM = 256  # tokens that may follow before more room has to be made: most questions with the replies to them

States = tuple[torch.Tensor, torch.Tensor]  # one layer's keys and values, each [B, H, length and room, D]


class Seen:
    """Of each of B windows the first `length` tokens. What lies behind them is room, whatever it holds."""

    def __init__(self, layers: list[States], length: int) -> None:
        self._layers = layers
        self.length = length

    @property
    def windows(self) -> int:
        return len(self._layers[0][0])

    def pick(self, rows: Sequence[int]) -> Seen:
        """Some of the windows, in this order, to be followed by something of their own.

        Neighbours are not copied: they share their room, so only one of both at a time may be followed by anything.
        """
        chosen: slice | torch.Tensor = slice(rows[0], rows[0] + len(rows))
        if list(rows) != list(range(rows[0], rows[0] + len(rows))):
            chosen = torch.tensor(rows, device=self._layers[0][0].device)
        return Seen([(keys[chosen], values[chosen]) for keys, values in self._layers], self.length)

    def copies(self, windows: int, room: int) -> Seen:
        """The same for so many windows instead of one, with room for so many tokens."""
        return Seen([self._roomy(states, windows, room) for states in self._layers], self.length)

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer: int, **_: Any) -> States:
        """What a layer makes of tokens that follow, [B, H, L, D], is put behind what is there: [B, H, length + L, D].

        transformers calls this for each layer in turn, from 5.24 on with more than is needed here. Whoever has it do so
        adds to `length` afterwards.
        """
        if layer == len(self._layers):  # the very first tokens
            self._layers.append((keys, values))
            return keys, values
        end = self.length + keys.shape[2]
        if end > self._layers[layer][0].shape[2]:
            self._layers[layer] = self._roomy(self._layers[layer], len(keys), keys.shape[2] + ROOM)
        own_keys, own_values = (states[:, :, :end] for states in self._layers[layer])
        own_keys[:, :, self.length :] = keys
        own_values[:, :, self.length :] = values
        return own_keys, own_values

    def _roomy(self, states: States, windows: int, room: int) -> States:
        keys, values = (each.new_empty(windows, each.shape[1], self.length + room, each.shape[3]) for each in states)
        for new, old in zip((keys, values), states, strict=True):
            new[:, :, : self.length] = old[:, :, : self.length]
        return keys, values


def joined(parts: list[Seen]) -> Seen:
    """The windows of all parts, which were read alike. Empties the parts: memory does not hold everything twice."""
    layers: list[States] = []
    while parts[0]._layers:
        keys, values = zip(*(part._layers.pop(0) for part in parts), strict=True)
        layers.append((torch.cat(keys), torch.cat(values)))
    return Seen(layers, parts[0].length)


def cache_argument(model: torch.nn.Module) -> str:
    """What a model of transformers calls the cache that it takes and gives back: 5.24 has renamed it."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
