"""`vigil watch`: the command line on one side, `stream.watch` on the other."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import RuntimeFault, UsageError
from stream.cli.options import cameras_of, duration
from stream.config import WatchConfig, from_mapping, load
from stream.session import Pace

log = logging.getLogger(__name__)


class ScorerKind(StrEnum):
    MOTION = "motion"
    RECORDED = "recorded"
    INTERNVL2 = "internvl2"


def command(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="rtsp://…, http(s)://…, a file, a webcam (0 or /dev/video0) or synthetic://…; "
            "NAME=SOURCE names the camera.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="A YAML file; options here win over it.")
    ] = None,
    scorer: Annotated[ScorerKind | None, typer.Option(help="What judges the pictures.")] = None,
    responses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file that --scorer recorded answers from.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR_OR_ID",
            help="What --scorer internvl2 looks with: a checkpoint's folder, or a name such as OpenGVLab/InternVL2-8B.",
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every judgement to this new file, as --scorer recorded reads it."),
    ] = None,
    feed: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to publish alerts, such as tcp://127.0.0.1:5557.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to serve health and metrics, or off.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder for the outbox, snapshots and clips.")
    ] = None,
    lasting: Annotated[
        float | None, typer.Option("--for", parser=duration, metavar="DURATION", help="Stop after this long: 60s, 2h.")
    ] = None,
    pace: Annotated[
        Pace | None, typer.Option(help="Play files like a camera, or as fast as they can be scored.")
    ] = None,
    exit_at_end: Annotated[
        bool, typer.Option("--exit-at-end", help="Stop when every source is a file that is over.")
    ] = False,
) -> int:
    """Watch cameras and publish alerts until Ctrl-C.

    --feed, --http and --data have the defaults of a configuration file: tcp://127.0.0.1:5557, 127.0.0.1:8787
    and vigil-data.
    """
    overrides = _overrides(sources or [], scorer, responses, model, feed, http, data, pace)
    settings = load(config, overrides=overrides) if config else from_mapping(overrides)
    if not any(camera.enabled for camera in settings.cameras.values()):
        raise UsageError("nothing to watch", advice="name a source, such as synthetic://, or a file with -c")
    return watch(settings, record=record, lasting_s=lasting, exit_at_end=exit_at_end)


def watch(
    config: WatchConfig, *, record: Path | None = None, lasting_s: float | None = None, exit_at_end: bool = False
) -> int:
    """Run until a signal, the time or the end. The second Ctrl-C ends the process at once."""
    # Heavy imports: `vigil --help` and `vigil listen` do without them.
    import cv2

    from stream.watch import Watch
    from stream.wiring import make_scorer

    cv2.setNumThreads(1)  # many cameras share the cores already
    scorer = make_scorer(config)

    async def run() -> Watch:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            for number in signals:  # the next one ends the process, whatever the loop is doing then
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)
            log.info("stopping; once more to force")
            stop.set()

        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, on_signal)
        if lasting_s is not None:
            loop.call_later(lasting_s, stop.set)
        running = Watch(config, scorer, record=record)
        await running.run(stop, exit_at_end=exit_at_end, started=_say_where)
        return running

    try:
        finished = asyncio.run(run())
    finally:
        scorer.close()
    log.info("stopped after %d alert messages; evidence and outbox are in %s", finished.alerts_told, config.data.dir)
    if finished.failed:
        raise RuntimeFault("; ".join(finished.failed))
    return 0


def _say_where(feed: str, http: str | None) -> None:
    log.info("alerts at %s%s", feed, f", health and metrics at {http}" if http else "")


def _overrides(
    sources: list[str],
    scorer: ScorerKind | None,
    responses: Path | None,
    model: str | None,
    feed: str | None,
    http: str | None,
    data: Path | None,
    pace: Pace | None,
) -> Mapping[str, Any]:
    """The options in the shape of a configuration file."""
    tree: dict[str, Any] = {}
    if sources:
        tree["cameras"] = cameras_of(sources)
    given = {"responses": str(responses) if responses else None, "model": model}
    if scorer or any(given.values()):
        kind = scorer or (ScorerKind.RECORDED if responses else ScorerKind.INTERNVL2)
        tree["scorer"] = {"kind": kind.value} | {key: value for key, value in given.items() if value}
    if feed:
        tree["feed"] = {"bind": feed}
    if http:
        tree["http"] = {"bind": http}
    if data:
        tree["data"] = {"dir": str(data)}
    if pace:
        tree["defaults"] = {"pace": pace.value}
    return tree
