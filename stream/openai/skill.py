"""What servers can do as a rule, and which of them can't: found out anew now and then. Knows no request."""

from __future__ import annotations

import logging
import time

from engine.errors import ScorerError
from stream.openai.server import Server

log = logging.getLogger(__name__)

AGAIN_S = 600.0  # a server may have been started otherwise meanwhile


class Skill:
    """`instead` says what has to be done with servers that lack it. Used on one event loop only."""

    def __init__(self, instead: str) -> None:
        self._instead = instead
        self._lacking: dict[Server, float] = {}  # and when to find out again

    @property
    def is_lacking(self) -> bool:
        """Whether any server that is up is known to lack it. May be asked from any thread."""
        return any(not server.doubtful for server in tuple(self._lacking))

    def expected_of(self, server: Server) -> bool:
        """Whether to ask it of a server: of one that lacks it a single request, now and then, and when it was down."""
        again_s = self._lacking.get(server)
        if again_s is None:
            return True
        if server.doubtful:
            del self._lacking[server]
            return True
        now_s = time.monotonic()
        if now_s < again_s:
            return False
        self._lacking[server] = now_s + AGAIN_S
        return True

    def lacks(self, server: Server, why: ScorerError) -> None:
        if server not in self._lacking:
            log.warning("%s: %s: %s", server.name, self._instead, why.message)
            self._lacking[server] = time.monotonic() + AGAIN_S

    def has(self, server: Server) -> None:
        if self._lacking.pop(server, None) is not None:
            log.warning("%s: no longer: %s", server.name, self._instead)
