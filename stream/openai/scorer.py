"""The `openai` scorer: a model behind OpenAI-compatible servers, as the rest of Vigil sees it. Knows no prompt."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait

import httpx2
import numpy as np

from engine.errors import UsageError
from engine.frame_cache import FrameCache
from engine.scorer import Explanation, Request
from engine.scoring import USUAL
from engine.types import Definition, Frame, Judgement, ModelInfo, Window
from stream.openai.background import Background
from stream.openai.chat import Chat
from stream.openai.judging import Judging, OpenAISettings
from stream.openai.models import UnknownModel, problem_of
from stream.openai.pool import Pool
from stream.openai.server import Denied, Server, ServerFault
from stream.openai.wire import data_url

log = logging.getLogger(__name__)

KEPT_FRAMES = 1024  # some 40 kB each
STEP_S = 0.05  # for which explaining may hold up scoring
_SHARE = 0.9  # of the time for a batch: what has no answer by then is unknown by itself, not with the whole batch
_IDLE_S = 4.0  # vLLM's web server hangs up after 5


class OpenAIScorer:
    """A `LanguageScorer`. The servers at `urls`, such as http://127.0.0.1:8000/v1, have the model `model` alike."""

    max_batch = 64

    def __init__(
        self, urls: Sequence[str], model: str, settings: OpenAISettings | None = None, *, key: str | None = None
    ) -> None:
        self._settings = settings = settings or OpenAISettings()
        self._model = model
        self._definitions: dict[str, tuple[Definition, ...]] = {}  # each use is a single look or change
        self._known: dict[str, float] = {}  # when a window of a camera last had its score
        self._frames = FrameCache[str](KEPT_FRAMES)
        self._client = _client(settings.concurrency, key)
        rng = random.Random()
        servers = [Server(url, self._client, rng, key=key) for url in urls]
        self._time_s = _SHARE * settings.timeout_s
        self._pool = Pool(servers, settings.concurrency, self._time_s, rng)
        self._judging = Judging(self._pool, Chat(model), settings)
        self._background = Background("vigil-openai", self._client.aclose)

    @property
    def frame_size(self) -> tuple[int, int]:
        return self._settings.frame_size

    @property
    def info(self) -> ModelInfo:
        return self.info_for(USUAL)

    def info_for(self, definition: Definition) -> ModelInfo:
        """Where verdicts have to be written out although likelihoods are wanted, the name says so."""
        scoring = self._judging.scoring
        name = self._model if scoring is self._settings.scoring else f"{self._model} (written verdicts)"
        said = "\0".join([scoring.value, *self._judging.texts(definition)])
        return ModelInfo("openai", name, prompt_sha256=hashlib.sha256(said.encode()).hexdigest())

    def problems(self) -> Mapping[str, ServerFault]:
        """What is wrong with each server that is not as it should be, by its address. Takes seconds at most."""
        return self._background.submit(self._problems()).result()

    def check(self) -> None:
        """Find out, before the first window, whether the servers have the model and how they can be asked.

        Raises ServerFault for what does not mend by itself, a wrong key or model, and warns of the rest: a server that
        is down now is asked again when there are windows.
        """
        problems = self.problems()
        for fault in problems.values():
            if isinstance(fault, Denied | UnknownModel):
                raise fault
            log.warning("%s; going on without it for now", fault)
        if len(problems) == len(self._pool.servers):
            return
        grey = np.full((*reversed(self.frame_size), 3), 127, np.uint8)
        frame = data_url(Frame("", 0, 0, 0.0, 0.0, 0.0, grey))
        judgement = _outcome(self._background.submit(self._judging.judge([frame], (USUAL,), self._deadline_s())))
        if judgement.score is None:
            log.warning("a first question about a grey picture was not answered: %s", judgement.reason)

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        if not definitions or len({each.name for each in definitions}) < len(definitions):
            raise UsageError(f"camera {camera} needs a definition, and no two of one name")
        for definition in definitions:
            self._judging.texts(definition)  # raises what is wrong with it
        self._definitions[camera] = tuple(definitions)

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        deadline_s = self._deadline_s()
        judging: dict[int, Future[Judgement]] = {}
        # Where the servers can't do all, each camera has its turn.
        for place in sorted(range(len(windows)), key=lambda place: self._known.get(windows[place].camera, 0.0)):
            window = windows[place]  # one is on its way while the next one's frames are encoded
            (frames,) = self._frames.of([window], lambda missing: [data_url(frame) for frame in missing])
            definitions = self._definitions.get(window.camera, (USUAL,))
            judging[place] = self._background.submit(self._judging.judge(frames, definitions, deadline_s))
        judgements = [_outcome(judging[place]) for place in range(len(windows))]
        for window, judgement in zip(windows, judgements, strict=True):
            if judgement.score is not None:
                self._known[window.camera] = deadline_s
        return judgements

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        asked: dict[Future[Explanation], int] = {}
        try:
            for place, request in enumerate(requests):
                asked[self._background.submit(self._judging.explain(request, self._deadline_s()))] = place
            while asked:
                done, _ = wait(asked, STEP_S, FIRST_COMPLETED)
                yield {asked.pop(future): future.result() for future in done}
        finally:
            for future in asked:
                future.cancel()

    def forget(self, camera: str) -> None:
        self._definitions.pop(camera, None)
        self._known.pop(camera, None)
        self._frames.forget(camera)

    def close(self) -> None:
        self._background.close()
        self._frames.clear()

    def _deadline_s(self) -> float:
        return time.monotonic() + self._time_s

    async def _problems(self) -> dict[str, ServerFault]:
        servers = self._pool.servers
        faults = await asyncio.gather(*(problem_of(server, self._model) for server in servers))
        return {server.name: fault for server, fault in zip(servers, faults, strict=True) if fault}


def _client(connections: int, key: str | None) -> httpx2.AsyncClient:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=connections, keepalive_expiry=_IDLE_S)
    return httpx2.AsyncClient(headers=headers, timeout=None, limits=limits)  # servers bound the whole exchange


def _outcome(judging: Future[Judgement]) -> Judgement:
    try:
        return judging.result()
    except CancelledError:
        return Judgement.unknown("the scorer was closed")
