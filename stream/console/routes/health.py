"""How the watch and its machine are."""

from __future__ import annotations

from collections import Counter

import anyio.to_thread
from fastapi import APIRouter

from engine.scorer import LanguageScorer
from stream.console import machine
from stream.console.models import BridgeHealth, Health, OutboxHealth, ScorerHealth, Windows
from stream.console.services import Here, Viewer

router = APIRouter()


@router.get("/health")
async def health(_account: Viewer, here: Here) -> Health:
    view = here.view
    counts = view.batcher.counts().values()
    return Health(
        version=view.version,
        uptime_s=max(0.0, view.clock.time() - view.started_s),
        scorer=ScorerHealth(
            scorer=view.scorer.info.scorer,
            name=view.scorer.info.name,
            understands_words=isinstance(view.scorer, LanguageScorer),
            hung_for_s=view.worker.hung_for_s,
        ),
        queue_age_s=view.batcher.waiting_s,
        windows=Windows(
            scored=sum(count.scored for count in counts),
            unknown=sum(count.unknown for count in counts),
            dropped=dict(sum((count.dropped for count in counts), Counter())),
        ),
        outbox=OutboxHealth(last_seq=here.hub.last_seq, pending=view.outbox.pending),
        bridges=[
            BridgeHealth(name=each.name, waiting=max(0, here.hub.last_seq - each.seq), failing=each.failing)
            for each in view.bridges
        ],
        disk=await anyio.to_thread.run_sync(here.storage.look),
        gpu=await anyio.to_thread.run_sync(machine.gpus),
        cpu=machine.processor(),
        memory=machine.memory(),
    )
