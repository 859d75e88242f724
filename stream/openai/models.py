"""Whether a server has the model that it will be asked for."""

from __future__ import annotations

from difflib import get_close_matches

from stream.openai.server import Server, ServerFault
from stream.openai.wire import Models
from stream.printable import printable

CHECK_S = 5.0
_LONGEST_NAME = 100
_MOST_NAMES = 3


class UnknownModel(ServerFault):
    """The server has other models."""


async def problem_of(server: Server, model: str) -> ServerFault | None:
    """Why a server can't be asked, or None. One that lists no model at all may still have it."""
    try:
        offered = [each.id for each in (await server.ask("/models", Models, None, CHECK_S)).data]
    except ServerFault as fault:
        return fault
    if model in offered or not offered:
        return None
    nearest = get_close_matches(model, offered, _MOST_NAMES, cutoff=0.0)
    names = ", ".join(printable(name[:_LONGEST_NAME]) for name in nearest)
    return UnknownModel(f"{server.name} has no model {model!r}", advice=f"it has {names}")
