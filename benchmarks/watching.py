"""Runs a real `vigil watch` in a process of its own, and reads what it says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Vigil:
    """One that is running. `feed` and `http` are the addresses of its alerts and of its metrics."""

    process: subprocess.Popen[bytes]
    feed: str
    http: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def total(self, *names: str) -> float:
        """The sum of these metrics over all their labels."""
        with urllib.request.urlopen(f"{self.http}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        values = [line.rpartition(" ")[::2] for line in lines if not line.startswith("#")]
        return sum(float(value) for name, value in values if name.partition("{")[0] in names)


def watch_command(config: Path) -> list[str]:
    return [sys.executable, "-m", "stream.cli", "watch", "-c", str(config)]


def write_config(folder: Path, settings: Mapping[str, Any]) -> Path:
    config = folder / "vigil.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    return config


@contextmanager
def watching(folder: Path, settings: Mapping[str, Any]) -> Iterator[Vigil]:
    """`vigil watch` with these settings; its log is in `folder`."""
    config = write_config(folder, settings)
    log_path = folder / "log"
    with log_path.open("wb") as log, subprocess.Popen(watch_command(config), stdout=log, stderr=log) as process:
        try:
            deadline_s = time.monotonic() + START_LIMIT_S
            while not (found := re.search(r"alerts at (\S+), health and metrics at (\S+)", log_path.read_text())):
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise SystemExit(f"vigil watch did not start:\n{log_path.read_text()}")
                time.sleep(0.05)
            yield Vigil(process, found[1], found[2])
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
