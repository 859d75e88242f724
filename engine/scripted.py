"""Scorers that say what they are told to: the shipped fakes of the seams in `engine.scorer`. They look at no pixel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from engine.scorer import Explanation, Request
from engine.types import Definition, Judgement, ModelInfo, Window

Answer = Judgement | float | None
"""A judgement, or its score alone; None is unknown."""


class ScriptedScorer:
    """Answers from a function of the window, or from a list that each camera goes through from its start.

    After the end of the list a camera's windows are unknown. What the function raises, `score` raises.
    """

    def __init__(
        self,
        answers: Callable[[Window], Answer] | Sequence[Answer],
        *,
        name: str = "scripted",
        frame_size: tuple[int, int] = (64, 36),
        max_batch: int = 16,
    ) -> None:
        self.info = ModelInfo("scripted", name)
        self.frame_size = frame_size
        self.max_batch = max_batch
        self.closed = False
        self._answers = answers
        self._asked: Counter[str] = Counter()  # windows so far, per camera

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        return [self._judge(window) for window in windows]

    def forget(self, camera: str) -> None:
        self._asked.pop(camera, None)

    def close(self) -> None:
        self.closed = True

    def _judge(self, window: Window) -> Judgement:
        if callable(self._answers):
            answer = self._answers(window)
        else:
            at = self._asked[window.camera]
            self._asked[window.camera] += 1
            if at >= len(self._answers):
                return Judgement.unknown(f"the script is over after {at} windows")
            answer = self._answers[at]
        if answer is None:
            return Judgement.unknown("scripted as unknown")
        return answer if isinstance(answer, Judgement) else Judgement(answer)


class ScriptedLanguageScorer(ScriptedScorer):
    """Explains with a function of the request, one request a step. What the function raises, `explain` raises."""

    def __init__(
        self,
        answers: Callable[[Window], Answer] | Sequence[Answer],
        explanations: Callable[[Request], Explanation],
        **options: Any,
    ) -> None:
        super().__init__(answers, **options)
        self.definitions: dict[str, tuple[Definition, ...]] = {}  # as they were told
        self.requests: list[Request] = []  # as they came
        self._explanations = explanations

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        self.definitions[camera] = tuple(definitions)

    def forget(self, camera: str) -> None:
        super().forget(camera)
        self.definitions.pop(camera, None)

    def info_for(self, definition: Definition) -> ModelInfo:
        return replace(self.info, prompt_sha256=sha256(repr(definition).encode()).hexdigest())

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        for place, request in enumerate(requests):
            self.requests.append(request)
            yield {place: self._explanations(request)}
