from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator, Sequence

import pytest

pytest.importorskip("torch", reason="needs the vlm extra")

import torch

from engine.errors import ScorerError
from engine.internvl2.budget import GROW_AFTER, TokenBudget


class Device:
    """Squares numbers; has memory for so many at once."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.batches: list[int] = []

    def square(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(len(numbers))
        if len(numbers) > self.memory:
            raise torch.OutOfMemoryError("tried to allocate too much")
        return [number**2 for number in numbers]


def test_batches_take_up_the_budget_and_results_keep_their_order() -> None:
    device = Device(100)
    assert TokenBudget(10).spend(range(8), 3, device.square) == [number**2 for number in range(8)]
    assert device.batches == [3, 3, 2]


def test_a_single_item_may_cost_more_than_the_budget() -> None:
    device = Device(100)
    assert TokenBudget(10).spend([2, 3], 50, device.square) == [4, 9]
    assert device.batches == [1, 1]


def test_nothing_costs_nothing() -> None:
    device = Device(1)
    assert TokenBudget(10).spend([], 1, device.square) == []
    assert device.batches == []


def test_out_of_memory_halves_the_batch_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    device, budget = Device(3), TokenBudget(12)
    with caplog.at_level(logging.WARNING):
        assert budget.spend(range(13), 1, device.square) == [number**2 for number in range(13)]
    assert device.batches == [12, 6, 3, 3, 3, 3, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory with 12 windows at once: going on with 6",
        "out of memory with 6 windows at once: going on with 3",
    ]


def test_the_budget_grows_back_when_memory_is_there_again() -> None:
    device, budget = Device(1), TokenBudget(8)
    budget.spend(range(2), 1, device.square)  # fails once, then goes well twice
    device.memory = 100
    sizes = []
    for _ in range(3 * GROW_AFTER):
        budget.spend([1], 1, device.square)
        sizes.append(budget.now)
    assert sizes == [1] * (GROW_AFTER - 3) + [2] * GROW_AFTER + [4] * GROW_AFTER + [8] * 3
    budget.spend(range(20), 1, device.square)
    assert device.batches[-3:] == [8, 8, 4]


class InSteps(Device):
    """Gives half of a batch's results in its second step and the others in its third, where memory may run out."""

    def squares(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        yield ()
        half = len(numbers) // 2
        yield [number**2 for number in numbers[:half]]
        yield self.square(numbers)[half:]


@pytest.mark.parametrize(("memory", "batches"), [(3, [4, 4]), (2, [4, 4, 2, 2])])
def test_what_is_kept_for_later_is_given_up_before_a_batch_is_halved(memory: int, batches: list[int]) -> None:
    device = Device(memory)

    def make_room() -> bool:
        device.memory += 1
        return True  # each batch brings something to be kept

    assert TokenBudget(4, make_room).spend(range(4), 1, device.square) == [0, 1, 4, 9]
    assert device.batches == batches  # given up once, then halved


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_is_known_whoever_says_it_and_room_is_made_for_one_window_too(error: RuntimeError) -> None:
    kept = [1]

    def work(numbers: Sequence[int]) -> list[int]:
        if kept:
            raise error
        return list(numbers)

    assert TokenBudget(1, lambda: bool(kept and kept.pop())).spend([5], 1, work) == [5]
    kept.append(1)
    with pytest.raises(ScorerError, match="single window"):
        TokenBudget(1).spend([5], 1, work)


def test_work_in_steps_gives_each_result_when_it_is_finished_and_once() -> None:
    device = InSteps(100)
    steps = list(TokenBudget(4).in_steps(range(6), 1, device.squares))
    assert steps == [(), [0, 1], [4, 9], (), [16], [25]]


def test_work_in_steps_that_runs_out_of_memory_goes_on_after_what_was_finished() -> None:
    device = InSteps(3)
    steps = list(TokenBudget(8).in_steps(range(8), 1, device.squares))
    assert [result for results in steps for result in results] == [number**2 for number in range(8)]
    assert device.batches[0] == 8
    assert max(device.batches[1:]) == 4


def test_when_memory_does_not_suffice_for_one_it_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ScorerError, match="single window: give windows fewer frames"):
        TokenBudget(8).spend(range(4), 1, Device(0).square)


def test_what_the_failed_batch_held_is_given_up_before_the_next_one() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def work(numbers: Sequence[int]) -> list[int]:
        assert all(reference() is None for reference in held)
        tensor = torch.zeros(len(numbers))
        held.append(weakref.ref(tensor))
        if len(numbers) > 1:
            raise torch.OutOfMemoryError("tried to allocate too much")
        return list(numbers)

    assert TokenBudget(4).spend(range(4), 1, work) == [0, 1, 2, 3]


def test_other_errors_are_left_alone() -> None:
    def work(_numbers: Sequence[int]) -> list[int]:
        raise ValueError("no memory is not the matter")

    with pytest.raises(ValueError, match="not the matter"):
        TokenBudget(4).spend(range(4), 1, work)
