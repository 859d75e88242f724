from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the vlm extra")

import torch

from engine.internvl2.seen import ROOM, Seen, joined


def follow(seen: Seen, tokens: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What both layers get to see when these [B, L] follow; values are a hundred times the keys."""
    states = tokens[:, None, :, None].float()  # [B, 1, L, 1]
    found = [seen.update(states + layer, 100 * states, layer) for layer in range(2)]
    seen.length += tokens.shape[1]
    return found


def rows(states: torch.Tensor) -> list[list[int]]:
    return [[int(token) for token in row] for row in states[:, 0, :, 0]]


def begun(*tokens: int) -> Seen:
    seen = Seen([], 0)
    follow(seen, torch.tensor([tokens]))
    return seen


def test_each_layer_sees_what_was_there_and_what_follows() -> None:
    seen = begun(1, 2).copies(2, 4)
    (keys, values), (other, _) = follow(seen, torch.tensor([[3], [4]]))
    assert rows(keys) == [[1, 2, 3], [1, 2, 4]]
    assert rows(values) == [[100, 200, 300], [100, 200, 400]]
    assert rows(other) == [[2, 3, 4], [2, 3, 5]]
    assert (seen.windows, seen.length) == (2, 3)


def test_nothing_is_copied_while_there_is_room_and_room_is_made_where_there_is_none() -> None:
    seen = begun(1).copies(1, 2)
    places = [follow(seen, torch.tensor([[token]]))[0][0].data_ptr() for token in (2, 3, 4, 5)]
    assert places[0] == places[1] != places[2] == places[3]
    for token in range(6, 6 + 2 * ROOM):
        keys = follow(seen, torch.tensor([[token]]))[0][0]
    assert rows(keys) == [list(range(1, 6 + 2 * ROOM))]


def test_neighbours_are_picked_without_a_copy_and_others_with_one() -> None:
    seen = begun(1).copies(4, 8)
    (keys, _), _ = follow(seen, torch.tensor([[2], [3], [4], [5]]))
    neighbours, others = seen.pick([1, 2]), seen.pick([3, 1])
    (near, _), _ = follow(neighbours, torch.tensor([[6], [7]]))
    (far, _), _ = follow(others, torch.tensor([[8], [9]]))
    assert (rows(near), rows(far)) == ([[1, 3, 6], [1, 4, 7]], [[1, 5, 8], [1, 3, 9]])
    assert near.data_ptr() == keys[1].data_ptr()
    assert rows(keys) == [[1, 2], [1, 3], [1, 4], [1, 5]]
    assert seen.length == 2


def test_what_was_read_apart_can_be_joined() -> None:
    parts = [begun(1).copies(count, 3) for count in (1, 2)]
    follow(parts[0], torch.tensor([[2]]))
    follow(parts[1], torch.tensor([[3], [4]]))
    seen = joined(parts)
    assert (seen.windows, seen.length) == (3, 2)
    (keys, values), _ = follow(seen, torch.tensor([[5], [6], [7]]))
    assert rows(keys) == [[1, 2, 5], [1, 3, 6], [1, 4, 7]]
    assert rows(values)[2] == [100, 400, 700]
