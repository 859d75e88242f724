"""Who may do what: tokens, sessions, roles, and how often somebody may guess. Knows no request.

Tokens are compared in constant time and never kept in a form that could be shown. Sessions are in memory: a restart
asks everybody to sign in again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stream.config.models import TokenConfig

MOST_FAILURES, WITHIN_S = 5, 60.0
MOST_ADDRESSES = 1024  # that are remembered for having failed
MOST_SESSIONS = 1024
SESSION_IDLE_S = 7 * 86_400.0


class Role(StrEnum):
    """In rising order: each may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        order = tuple(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, as marks and changes name them."""

    name: str
    role: Role


EVERYBODY = Account("local", Role.ADMIN)  # where there are no tokens


@dataclass(slots=True)
class Session:
    """Somebody who has signed in from a browser. `csrf` has to come with everything that changes something."""

    account: Account
    csrf: str
    used_s: float  # monotonic

    def vouches_for(self, csrf: str | None) -> bool:
        return csrf is not None and hmac.compare_digest(self.csrf.encode(), csrf.encode())


class TooManyFailuresError(Exception):
    """Wait for `retry_s` before the next try."""

    def __init__(self, retry_s: float) -> None:
        super().__init__("too many wrong tokens")
        self.retry_s = retry_s


class Gate:
    """For one thread."""

    def __init__(self, tokens: Sequence[TokenConfig], monotonic: Callable[[], float]) -> None:
        self._accounts = [
            (_digest(each.token.get_secret_value()), Account(each.name, Role(each.role))) for each in tokens
        ]
        self._monotonic = monotonic
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # least recently used first
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()  # by where they came from

    @property
    def is_open(self) -> bool:
        """Whether there are no tokens, so that everybody is an admin."""
        return not self._accounts

    def account(self, token: str, where: str) -> Account | None:
        """Whose token this is; None for nobody's. Raises TooManyFailuresError when too many from there were nobody's,
        whatever this one is: a guess is not told to be right.
        """
        now_s = self._monotonic()
        failures = self._failures.get(where, deque())
        while failures and now_s - failures[0] >= WITHIN_S:
            failures.popleft()
        if len(failures) >= MOST_FAILURES:
            raise TooManyFailuresError(WITHIN_S - (now_s - failures[0]))
        given = _digest(token)
        matching = [account for digest, account in self._accounts if hmac.compare_digest(digest, given)]
        if matching:
            return matching[0]
        failures.append(now_s)
        self._failures[where] = failures
        self._failures.move_to_end(where)
        while len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)
        return None

    def open_session(self, account: Account) -> tuple[str, Session]:
        """The secret that names it, and the session."""
        key, session = secrets.token_urlsafe(32), Session(account, secrets.token_urlsafe(32), self._monotonic())
        self._sessions[_digest(key).hex()] = session
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return key, session

    def session(self, key: str) -> Session | None:
        name, now_s = _digest(key).hex(), self._monotonic()
        session = self._sessions.get(name)
        if session is None:
            return None
        if now_s - session.used_s > SESSION_IDLE_S:
            del self._sessions[name]
            return None
        session.used_s = now_s
        self._sessions.move_to_end(name)
        return session

    def close_session(self, key: str) -> None:
        self._sessions.pop(_digest(key).hex(), None)


def _digest(secret: str) -> bytes:
    """Of one length, whatever the secret's; and finding one by it tells nothing of the secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
