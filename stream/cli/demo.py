"""`vigil demo`: a simulated camera, the motion scorer, and a subscriber in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import RuntimeFault
from stream.config import from_mapping

CAMERA = "forecourt"
LAST_WORDS_S = 0.5  # for what is still in the subscriber's socket
STOP_S = 5.0
# A quiet street, a fight and a vehicle on the pavement; the first seconds are the scorer's warm-up.
SCENE = "synthetic://?seed=7&duration=48&events=fight@13,vehicle@32&traffic=0.4"

_BEFORE = """\
A simulated street is watched for 48 seconds by the motion scorer, which learns
the scene for 8 and then tells what is unusual for it. It knows nothing of
people or crime. A subscriber in another process prints what it is told; the
first alert comes after about 16 seconds.
"""
_AFTER = """
Next:
  .venv/bin/vigil watch rtsp://USER:PASSWORD@ADDRESS/PATH    your own camera
  .venv/bin/vigil watch VIDEO.mp4                            a file; 0 is a webcam
  .venv/bin/vigil listen                                     in another terminal
  .venv/bin/vigil doctor                                     is all well here?
  --scorer internvl2 --model DIR_OR_ID                       InternVL2 as the judge: see README.md"""


def command(
    data: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the outbox, snapshots and clips.")] = Path(
        "vigil-demo"
    ),
) -> int:
    """Show alerts of a simulated camera, in 48 seconds.

    They are printed as a subscriber in another process receives them.
    """
    import cv2

    from engine.motion import MotionScorer
    from stream.watch import Watch

    cv2.setNumThreads(1)
    logging.getLogger("stream").setLevel(logging.ERROR)  # the subscriber does the talking
    config = from_mapping(
        {
            "cameras": {CAMERA: {"source": SCENE}},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "data": {"dir": str(data)},
        }
    )
    typer.echo(_BEFORE)
    watch = Watch(config, MotionScorer({CAMERA: config.cameras[CAMERA].motion_settings()}))
    listener: subprocess.Popen[bytes] | None = None

    def listen(feed: str, _http: str | None) -> None:
        nonlocal listener
        command = [sys.executable, "-m", "stream.cli", "listen", feed]
        listener = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # it would report that the demo ended

    try:
        asyncio.run(watch.run(asyncio.Event(), exit_at_end=True, started=listen))
        heard = listener is not None and listener.poll() is None
    finally:
        if listener is not None:
            _stop(listener)
    if not heard or not watch.alerts_told:
        raise RuntimeFault("no alert reached the subscriber", advice="run `vigil doctor`, and report this")
    _say_what_is_there(data, watch.alerts_told)
    return 0


def _stop(listener: subprocess.Popen[bytes]) -> None:
    """Let it print what is still on its way, then end it as Ctrl-C would."""
    time.sleep(LAST_WORDS_S)
    listener.send_signal(signal.SIGINT)
    try:
        listener.wait(STOP_S)
    except subprocess.TimeoutExpired:
        listener.kill()
        listener.wait()


def _say_what_is_there(data: Path, messages: int) -> None:
    typer.echo(f"\n{messages} messages were sent, and are kept in {data / 'outbox.sqlite3'}. Snapshots and clips:")
    for snapshot in sorted(data.glob("events/*/*/*.jpg"))[-2:]:
        typer.echo(f"  {snapshot}\n  {snapshot.with_suffix('.mp4')}")
    typer.echo(_AFTER)
