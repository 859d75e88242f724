"""`vigil watch`: the command line on one side, `stream.watch` on the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import RuntimeFault, UsageError
from stream.cli.options import ConsoleAt, ScorerKind, cameras_of, duration, scorer_of
from stream.config import WatchConfig, from_mapping
from stream.ending import force_end
from stream.notify import Supervisor
from stream.reload import ConfigFile
from stream.session import Pace
from stream.side_thread import SideThread

if TYPE_CHECKING:
    from stream.watch import Watch

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0  # for a change of the configuration file


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
            help="What --scorer internvl2 looks with: a checkpoint's folder, or a name such as OpenGVLab/InternVL2-8B; "
            "for --scorer openai what the server calls it.",
        ),
    ] = None,
    urls: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="A server for --scorer openai, such as http://127.0.0.1:8000/v1; may be repeated.",
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every judgement to this new file, as --scorer recorded reads it."),
    ] = None,
    feed: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to publish alerts, such as tcp://127.0.0.1:5557.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Who may hear the feed: a folder that `vigil keys` made.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to serve health and metrics, or off.")
    ] = None,
    console: ConsoleAt = None,
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
    overrides = _overrides(sources or [], scorer, responses, model, urls, feed, keys, http, console, data, pace)
    file = ConfigFile(config, overrides) if config else None
    settings = file.load() if file else from_mapping(overrides)
    if not any(camera.enabled for camera in settings.cameras.values()):
        raise UsageError("nothing to watch", advice="name a source, such as synthetic://, or a file with -c")
    return watch(settings, file=file, record=record, lasting_s=lasting, exit_at_end=exit_at_end)


def watch(
    config: WatchConfig,
    *,
    file: ConfigFile | None = None,
    record: Path | None = None,
    lasting_s: float | None = None,
    exit_at_end: bool = False,
) -> int:
    """Run until a signal, the time or the end. A signal ends the process within seconds, a second one at once.

    When `file` changes, or at SIGHUP, it is read again; one that does not hold changes nothing. SIGHUP ends nothing.
    """
    hung_up: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: hung_up.append(number))  # loading a scorer may take minutes
    # Heavy imports: `vigil --help` and `vigil listen` do without them.
    import cv2

    from stream.watch import Watch
    from stream.wiring.scorers import make_scorer, with_cleaning

    cv2.setNumThreads(1)  # many cameras share the cores already
    supervisor = Supervisor.of(os.environ)
    supervisor.status("loading the scorer")
    scorer, sentences = with_cleaning(make_scorer(config), config)

    async def run() -> Watch:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            for number in signals:  # the next one ends the process, whatever the loop is doing then
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)
            log.info("stopping; once more to force")
            force_end()
            stop.set()

        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, on_signal)
        if lasting_s is not None:
            loop.call_later(lasting_s, stop.set)
        asked = asyncio.Event()  # to read the file again
        on_hang_up = asked.set if file else _say_nothing_to_read
        loop.add_signal_handler(signal.SIGHUP, on_hang_up)
        if hung_up:
            on_hang_up()
        running = Watch(config, scorer, sentences=sentences, record=record, file=file, supervisor=supervisor)
        following: list[asyncio.Task[None]] = []

        def started(feed: str, http: str | None) -> None:
            _say_where(feed, http)
            supervisor.ready()
            if file:
                following.append(asyncio.create_task(_follow(file, asked, running, supervisor)))

        try:
            await running.run(stop, exit_at_end=exit_at_end, started=started)
        finally:
            for task in following:
                task.cancel()
        return running

    try:
        finished = asyncio.run(run())
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the loop gave it back its usual meaning
        scorer.close()
    log.info(
        "stopped after %d alert messages; %s; evidence and outbox are in %s",
        finished.alerts_told,
        finished.windows,
        config.data.dir,
    )
    if finished.failed:
        raise RuntimeFault("; ".join(finished.failed))
    return 0


async def _follow(file: ConfigFile, asked: asyncio.Event, running: Watch, supervisor: Supervisor) -> None:
    """Apply what the file says whenever that changes, and when it is asked for."""
    disk = SideThread("vigil-config")
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), LOOK_EVERY_S)
            with contextlib.suppress(RuntimeFault):  # its disk does not answer: it is looked at again
                if asked.is_set() or await disk.do(file.changed):
                    asked.clear()
                    await _reload(file, disk, running, supervisor)
    finally:
        disk.close(within_s=0)


async def _reload(file: ConfigFile, disk: SideThread, running: Watch, supervisor: Supervisor) -> None:
    supervisor.reloading()
    try:
        await running.apply(await disk.do(file.load))
    except (UsageError, RuntimeFault) as error:
        log.error("the configuration stays as it is: %s", error)
    except Exception:  # the next one may do better
        log.exception("the configuration could not be followed")
    else:
        log.info("the configuration was read again")
    finally:
        supervisor.ready()


def _say_nothing_to_read() -> None:
    log.info("SIGHUP: there is no configuration file to read again; SIGTERM stops")


def _say_where(feed: str, http: str | None) -> None:
    log.info("alerts at %s%s", feed, f", health and metrics at {http}" if http else "")


def _overrides(
    sources: list[str],
    scorer: ScorerKind | None,
    responses: Path | None,
    model: str | None,
    urls: list[str] | None,
    feed: str | None,
    keys: Path | None,
    http: str | None,
    console: str | None,
    data: Path | None,
    pace: Pace | None,
) -> Mapping[str, Any]:
    """The options in the shape of a configuration file."""
    tree: dict[str, Any] = {}
    if sources:
        tree["cameras"] = cameras_of(sources)
    if section := scorer_of(scorer, responses, model, urls):
        tree["scorer"] = section
    if feed or keys:
        tree["feed"] = ({"bind": feed} if feed else {}) | ({"keys": str(keys)} if keys else {})
    if http:
        tree["http"] = {"bind": http}
    if console:
        tree["console"] = {"bind": console}
    if data:
        tree["data"] = {"dir": str(data)}
    if pace:
        tree["defaults"] = {"pace": pace.value}
    return tree
