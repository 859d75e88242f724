"""Replaces `${NAME}` in a configuration's values by secrets. Knows nothing of what the values are for.

A secret NAME is looked up in this order, and an empty one counts as missing:
  1. the environment variable NAME
  2. the file NAME, then the file name in lower case, in $CREDENTIALS_DIRECTORY (systemd's LoadCredential)
  3. the same two files in /run/secrets (Docker's and Podman's secrets)

A file's line end is not part of the secret. `$${` stands for a plain `${`. In the user and password of a
URL a secret is percent-encoded, so it may hold any character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

RUN_SECRETS = Path("/run/secrets")

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")
_USER_AND_PASSWORD = re.compile(r"://([^/?#]*)@")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where secrets come from: an environment, then directories of files."""

    environ: Mapping[str, str] = field(repr=False)
    directories: tuple[Path, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The usual places, given an environment."""
        named = environ.get("CREDENTIALS_DIRECTORY")
        return cls(environ, (Path(named), RUN_SECRETS) if named else (RUN_SECRETS,))

    def expand(self, text: str) -> tuple[str, list[str]]:
        """`text` with its secrets filled in, and what is wrong with them; a missing one is left as it stands."""
        problems: list[str] = []
        quoted = match.span(1) if (match := _USER_AND_PASSWORD.search(text)) else (0, 0)

        def fill(reference: re.Match[str]) -> str:
            if reference[0] == "$${":
                return "${"
            if reference[1] is None:
                problems.append("a secret is written ${NAME}, with letters, digits and _; for a plain ${ write $${")
                return reference[0]
            try:
                secret = self.look_up(reference[1])
            except LookupError as error:
                problems.append(str(error.args[0]))
                return reference[0]
            return quote(secret, safe="") if quoted[0] <= reference.start() < quoted[1] else secret

        return _REFERENCE.sub(fill, text), problems

    def look_up(self, name: str) -> str:
        """The secret `name`. Raises LookupError with the reason, never with the secret."""
        if secret := self.environ.get(name):
            return secret
        for directory in self.directories:
            for file in (directory / name, directory / name.lower()):
                try:
                    secret = file.read_text(encoding="utf-8").rstrip("\r\n")
                except FileNotFoundError:
                    continue
                except (OSError, UnicodeDecodeError) as error:
                    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                    raise LookupError(f"secret {name}: cannot read {file}: {reason}") from None
                if secret:
                    return secret
        places = ", ".join(str(directory) for directory in self.directories)
        raise LookupError(
            f"secret {name} is not set: set the environment variable {name}, or make a file of it in {places}"
        )
