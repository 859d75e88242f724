from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from engine.errors import ScorerError
from engine.memory import Floats
from engine.remembering import RememberingEncoder
from tests.unit.engine.sentences import DIMENSIONS, WordEncoder

LIMIT_S = 20


class Slow(WordEncoder):
    """Notes what it is asked; waits for `go` first."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked.append(list(texts))
        self.entered.set()
        assert self.go.wait(LIMIT_S)
        if self.error:
            raise self.error
        return super().embed(texts)


def test_vectors_are_the_encoders_own_in_the_order_of_the_sentences() -> None:
    texts = ["a man runs", "a car stops", "a man runs", "a dog barks"]
    remembering = RememberingEncoder(Slow())
    for _ in range(2):
        assert np.array_equal(remembering.embed(texts), WordEncoder().embed(texts))
    assert remembering.embed([]).shape == (0, DIMENSIONS)


def test_a_sentence_is_asked_for_once_and_new_ones_together() -> None:
    slow = Slow()
    remembering = RememberingEncoder(slow)
    remembering.embed(["a", "b", "a"])
    remembering.embed(["b", "c", "d"])
    remembering.embed(["a", "b", "c", "d"])
    assert slow.asked == [["a", "b"], ["c", "d"]]


def test_it_remembers_the_sentences_asked_for_last_and_no_more() -> None:
    slow = Slow()
    remembering = RememberingEncoder(slow, limit=3)
    remembering.embed(["a", "b", "c"])
    remembering.embed(["a"])
    remembering.embed(["d"])  # b is the one not asked for longest
    assert len(remembering) == 3
    slow.asked.clear()
    remembering.embed(["a", "c", "d"])
    assert slow.asked == []
    remembering.embed(["b"])
    assert slow.asked == [["b"]]
    many = [f"word{number}" for number in range(50)]
    assert np.array_equal(remembering.embed(many), WordEncoder().embed(many))
    assert len(remembering) == 3


def test_what_is_remembered_does_not_wait_for_another_thread_and_nothing_is_asked_twice() -> None:
    slow = Slow()
    remembering = RememberingEncoder(slow)
    remembering.embed(["known"])
    slow.go.clear()
    slow.entered.clear()
    found: list[Floats] = []
    threads = [
        threading.Thread(target=lambda: found.append(remembering.embed(["known", "new"])), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert slow.entered.wait(LIMIT_S)
    assert remembering.embed(["known"]).shape == (1, DIMENSIONS)  # while the others wait
    slow.go.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert slow.asked == [["known"], ["new"]]
    assert len(found) == 3
    assert all(np.array_equal(each, WordEncoder().embed(["known", "new"])) for each in found)


def test_a_failure_is_told_and_not_remembered() -> None:
    slow = Slow()
    remembering = RememberingEncoder(slow)
    slow.error = ScorerError("no memory")
    with pytest.raises(ScorerError, match="no memory"):
        remembering.embed(["a"])
    slow.error = None
    assert remembering.embed(["a"]).shape == (1, DIMENSIONS)


def test_a_vector_holds_no_more_memory_than_its_own() -> None:
    remembering = RememberingEncoder(WordEncoder())
    remembering.embed(["a", "b", "c"])
    assert all(vector.base is None for vector in remembering._vectors.values())
