"""The keys of the feed: one pair for the server, one for each client, in a folder. Knows files, and no socket.

    DIR/server.key_secret    the server's pair
    DIR/clients/NAME.key     the public key of a client that is let in: taken away, it is let in no more
    DIR/NAME.key_secret      what the client gets: its pair, and the server's public key

They are ZeroMQ certificates, text that other programs can read too. Whoever reads a secret one is its owner, so those
are for their user alone from the moment they exist, and are not taken when others can read them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from engine.errors import RuntimeFault, UsageError

SERVER = "server"
LARGEST_BYTES = 10_000

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_Z85 = r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Keys are Z85 text."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientKey:
    """What a client connects with."""

    public: str
    secret: str = field(repr=False)
    server: str  # the public key of the only server that it is for


@dataclass(frozen=True, slots=True)
class Guests:
    """Who is let in, by public key; and what is wrong with the files of others."""

    names: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def load_client_key(path: Path) -> ClientKey:
    """Raises UsageError for what can't be read, others can read as well, or is no client's key."""
    text = _read(path, secret=True)
    pair, server = _pair_in(text), _value(text, "server-key")
    if not (pair and server):
        raise UsageError(f"{path} is no client's key", advice="take the file that `vigil keys new NAME` made")
    return ClientKey(pair.public, pair.secret, server)


class KeyFolder:
    """Makes keys, and says which are let in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clients = path / "clients"
        self._server = self._secret_file(SERVER)

    def open(self) -> tuple[KeyPair, Guests]:
        """What a feed begins with: its own key, and who is let in. Raises UsageError when it must not begin."""
        return self.server(), self.guests()

    def server(self) -> KeyPair:
        """Raises UsageError when there is none, or what there is can't be used."""
        try:
            pair = _pair_in(_read(self._server, secret=True))
        except UsageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                advice = f"make it: vigil keys new server --dir {self.path}"
                raise UsageError(f"{self.path} has no key for the server", advice=advice) from error
            raise
        if not pair:
            raise UsageError(f"{self._server} is no server's key", advice="put back the right one, or make another")
        return pair

    def new_server(self) -> Path:
        """The new file. Raises UsageError when there is one already."""
        self._make(self._clients)
        return _write(self._server, _certificate("The secret key of Vigil's feed. It stays here.", {}, _new_pair()))

    def new_client(self, name: str) -> Path:
        """The file to hand over. Raises UsageError for a name that is taken or makes no sense."""
        server = self.server().public
        pair = _new_pair()
        handed, allowed = self._secret_file(_checked(name)), self._public_file(name)
        if allowed.exists():
            raise UsageError(f"there is a key called {name}", advice="choose another name, or revoke that one first")
        self._make(self._clients)
        comment = "The key of a client of Vigil's feed: who has this file hears the feed. Keep it secret."
        _write(handed, _certificate(comment, {"name": name, "server-key": server}, pair))
        public = KeyPair(pair.public, "")
        _write(allowed, _certificate("Who has the secret key to this one hears the feed.", {"name": name}, public))
        return handed

    def revoke(self, name: str) -> None:
        """Raises UsageError when there is no such client."""
        allowed = self._public_file(_checked(name))
        try:
            allowed.unlink()
            self._secret_file(name).unlink(missing_ok=True)
        except FileNotFoundError:
            raise UsageError(f"no client is called {name}", advice=f"vigil keys list --dir {self.path}") from None
        except OSError as error:
            raise RuntimeFault(f"{allowed} can't be removed ({error.strerror})") from error

    def guests(self) -> Guests:
        """Who is let in. Raises UsageError when that can't be told, or others could change it."""
        names: dict[str, str] = {}
        problems = []
        try:
            for folder in (self.path, self._clients):
                if _is_open(folder.stat(), stat.S_IWGRP | stat.S_IWOTH):
                    raise UsageError(f"others can write to {folder}", advice=f"chmod go-w {folder}")
            files = sorted(self._clients.glob("*.key"))
        except OSError as error:
            raise _unreadable(self._clients, error) from error
        for file in files:
            try:
                public = _value(_read(file, secret=False), "public-key")
                if public is None:
                    raise UsageError(f"{file} holds no public key", advice="take it away")
                names[public] = file.stem
            except UsageError as error:
                problems.append(str(error))
        if not names:
            nobody = UsageError(
                f"{self.path} lets in no client", advice=f"make a key: vigil keys new NAME --dir {self.path}"
            )
            problems.append(str(nobody))
        return Guests(names, tuple(problems))

    def _secret_file(self, name: str) -> Path:
        return self.path / f"{name}.key_secret"

    def _public_file(self, name: str) -> Path:
        return self._clients / f"{name}.key"

    def _make(self, folder: Path) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise RuntimeFault(f"{folder} can't be made ({error.strerror})", advice="choose another --dir") from error


def _new_pair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def _pair_in(text: str) -> KeyPair | None:
    public, secret = _value(text, "public-key"), _value(text, "secret-key")
    try:
        matches = secret is not None and zmq.curve_public(secret.encode()).decode() == public
    except zmq.ZMQError:
        matches = False
    return KeyPair(public, secret) if public and secret and matches else None


def _checked(name: str) -> str:
    if name == SERVER or not _NAME.fullmatch(name):
        advice = f"use 1 to 64 letters, digits, - or _, but not `{SERVER}`"
        raise UsageError(f"{name!r} is no name for a client's key", advice=advice)
    return name


def _certificate(comment: str, metadata: dict[str, str], pair: KeyPair) -> str:
    lines = [f"#   {comment}", "metadata", *(f'    {name} = "{value}"' for name, value in metadata.items()), "curve"]
    lines.append(f'    public-key = "{pair.public}"')
    if pair.secret:
        lines.append(f'    secret-key = "{pair.secret}"')
    return "\n".join(lines) + "\n"


def _value(text: str, name: str) -> str | None:
    match = re.search(rf"^\s*{name}\s*=\s*([\"']?)({_Z85})\1\s*$", text, re.MULTILINE)
    return match[2] if match else None


def _write(path: Path, text: str) -> Path:
    """A new file that nobody else can read, not even for a moment."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already", advice="remove it first, if nobody needs it") from None
    except OSError as error:
        raise RuntimeFault(f"{path} can't be written ({error.strerror})", advice="choose another --dir") from error
    try:
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise RuntimeFault(f"{path} can't be written ({error.strerror})", advice="is the disk full?") from error
    return path


def _read(path: Path, *, secret: bool) -> str:
    """Raises UsageError when it can't be read, or others may do with it what only its owner should."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if secret and _is_open(status, stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"others can read {path}, so it is no secret any more", advice=f"chmod 600 {path}")
    if _is_open(status, stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(f"others can write to {path}", advice=f"chmod go-w {path}")
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"{path} is too large for a key")
    return data.decode("utf-8", "replace")


def _is_open(status: os.stat_result, bits: int) -> bool:
    return os.name != "nt" and bool(status.st_mode & bits)


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} can't be read ({error.strerror})", advice="check the path, and that this user may read it"
    )
