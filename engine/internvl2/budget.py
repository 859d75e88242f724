"""How much is done at once: as many tokens as a budget allows, and fewer for a while when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from engine.errors import ScorerError
from engine.internvl2.device import is_out_of_memory

_log = logging.getLogger(__name__)

GROW_AFTER = 16  # batches in a row that went well

Item = TypeVar("Item")
Result = TypeVar("Result")


class TokenBudget:
    """Cuts work into batches of at most `most` tokens, but of at least one item.

    A batch that memory does not suffice for is done again once `make_room` has given up what is only kept for later,
    and says so. Else it is halved and done again, and the budget with it; after some batches that went well it doubles,
    up to `most`.
    """

    def __init__(self, most: int, make_room: Callable[[], bool] = lambda: False) -> None:
        self._most = most
        self._make_room = make_room
        self._went_well = 0
        self.now = most

    def spend(
        self, items: Sequence[Item], tokens_each: int, work: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> list[Result]:
        """`work` over all items, in order. Raises ScorerError when memory does not even suffice for one."""
        steps = self.in_steps(items, tokens_each, lambda batch: iter([work(batch)]))
        return [result for results in steps for result in results]

    def in_steps(
        self, items: Sequence[Item], tokens_each: int, work: Callable[[Sequence[Item]], Iterator[Sequence[Result]]]
    ) -> Iterator[Sequence[Result]]:
        """The same with work that takes steps, each of which gives the results that it finished: none, or some."""
        done, made_room = 0, False
        while done < len(items):
            batch = items[done : done + max(1, self.now // tokens_each)]
            try:
                for results in work(batch):
                    done += len(results)
                    yield results
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if not made_room and self._make_room():
                    made_room = True
                elif len(batch) == 1:
                    raise ScorerError(
                        "the model runs out of memory on a single window",
                        advice="give windows fewer frames, or use a smaller checkpoint",
                    ) from error
                else:
                    self._shrink(len(batch), tokens_each)
            else:
                made_room = False
                self._recover()
                continue
            torch.cuda.empty_cache()  # here the error, which holds on to the batch's memory, is gone

    def _shrink(self, count: int, tokens_each: int) -> None:
        self._went_well = 0
        self.now = count // 2 * tokens_each
        _log.warning("out of memory with %d windows at once: going on with %d", count, count // 2)

    def _recover(self) -> None:
        self._went_well += 1
        if self.now < self._most and self._went_well >= GROW_AFTER:
            self._went_well = 0
            self.now = min(self._most, self.now * 2)
            _log.info("memory sufficed for %d batches: the next may have %d tokens", GROW_AFTER, self.now)
