"""Starts openai_server.py and talks to it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("openai_server.py")
MODEL = "some/model"


class OpenAIServer:
    """One that is running, with the options of openai_server.py."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), "--model", MODEL, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # empty when it could not start: pytest's timeout bounds the wait
        assert line, "the server did not start"
        self.port = int(line)
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def asked(self) -> list[dict[str, Any]]:
        """What it was asked so far, oldest first."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/asked", timeout=5) as response:
            return [json.loads(line) for line in response.read().decode().splitlines()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait(10)
