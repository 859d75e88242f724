"""Asks another program, in bounded time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def ask(command: Sequence[str], limit_s: float) -> str | None:
    """What a program writes; None when there is none, or it fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
