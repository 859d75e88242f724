"""Is the machine fit: disk, keys, ports, webcams, clock, limits? Changes nothing and opens no camera."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import UsageError
from stream.config.durations import format_size
from stream.config.fields import HostPort
from stream.config.models import DataConfig
from stream.doctor.asking import ask
from stream.doctor.findings import Finding, ok, problem, warning
from stream.feed.endpoint import parse
from stream.keys import KeyFolder

FEW_FILES = 1024
SPARE_BYTES = 200_000_000  # less free space is none
CLOCK_LIMIT_S = 5.0

MOUNTS = Path("/proc/self/mounts")
DEVICES = Path("/dev")
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "glusterfs", "lustre", "fuse.sshfs", "davfs"}
_IN_MEMORY = {"tmpfs", "ramfs"}
_VIDEO_NAMES = Path("/sys/class/video4linux")
_ASK_SYNCHRONISED = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
_DAY_S = 86400.0


def disk(data: DataConfig) -> Iterator[Finding]:
    """Where the outbox and the evidence go: writable, local, lasting and with room."""
    try:
        folder = data.dir.absolute()
        while not folder.exists():  # it will be made in the nearest one that exists
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        system = file_system(folder.resolve())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        advice = "give this user the right to write there, or choose another folder with --data"
        yield problem("disk", f"{data.dir}: can't be written ({error.strerror})", advice, dir=str(data.dir))
        return
    say, advice = ok, ""
    if system in _NETWORK:
        say, advice = problem, "the outbox is a database and needs a local disk: choose one with --data"
    elif free < SPARE_BYTES:
        say, advice = problem, "make room, or choose another disk with --data"
    elif system in _IN_MEMORY:
        say, advice = warning, "this is memory: alerts and evidence are gone after a restart; see --data"
    elif free < data.retention.size_bytes:
        kept = format_size(data.retention.size_bytes)
        say, advice = warning, f"evidence may grow to {kept}: make room, or lower data.retention.size"
    message = f"{data.dir}: {format_bytes(free)} free" + (f" on {system}" if system else "")
    yield say("disk", message, advice, dir=str(data.dir), free_bytes=free, file_system=system)


def feed_keys(folder: Path | None) -> Iterator[Finding]:
    """Who may hear the feed."""
    if folder is None:
        yield ok("feed keys", "none: everybody on this machine hears the feed")
        return
    try:
        _, guests = KeyFolder(folder).open()
    except UsageError as error:
        yield problem("feed keys", error.message, error.advice)
        return
    for text in guests.problems:
        yield warning("feed keys", text)
    if count := len(guests.names):
        yield ok("feed keys", f"{folder} lets in {count} client{'s' * (count != 1)}", clients=count)


def feed_port(endpoint: str) -> Iterator[Finding]:
    address = parse(endpoint)
    if address is None:
        yield ok("feed port", f"{endpoint} needs no port")
    else:
        host, number = address
        yield _port("feed port", host, 0 if number == "*" else int(number))


def port(check: str, bind: HostPort | None) -> Iterator[Finding]:
    yield ok(check, "off") if bind is None else _port(check, bind.host, bind.port)


def _port(check: str, host: str, number: int) -> Finding:
    """Whether it could be bound. Nothing listens on it, so whoever waits for Vigil there notices nothing."""
    address, bare = f"{host}:{number}", host.strip("[]*")
    try:
        with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the real ones do
            tried.bind((bare, number))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return warning(check, f"{address} is taken", "fine if by a Vigil that runs already; else choose another")
        return problem(check, f"{address} can't be used ({error.strerror})", "choose another address")
    return ok(check, f"{address} is free")


def webcams() -> Iterator[Finding]:
    devices = sorted(DEVICES.glob("video[0-9]*"))
    if not devices:
        yield ok("webcams", "none")
    for device in devices:
        try:
            name = (_VIDEO_NAMES / device.name / "name").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            name = "unnamed"
        if os.access(device, os.R_OK | os.W_OK):
            yield ok("webcams", f"{device} ({name})")
        else:
            advice = "sudo usermod -aG video $USER, then log in again; in a container, pass the device in"
            yield warning("webcams", f"{device} ({name}) may not be opened by this user", advice)


def clock(now_s: float) -> Iterator[Finding]:
    """Alerts carry the machine's time: it must be roughly right, and should be kept right."""
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    installed_s = Path(__file__).stat().st_mtime
    if now_s < installed_s - _DAY_S:
        yield problem("clock", f"{shown} is before Vigil was installed", "set the clock, or turn NTP on")
        return
    synchronised = "yes" if SYNCHRONISED.exists() else ask(_ASK_SYNCHRONISED, CLOCK_LIMIT_S)
    match synchronised:
        case "yes":
            yield ok("clock", f"{shown}, kept by NTP")
        case "no":
            yield warning("clock", f"{shown}, not kept by NTP", "turn it on: sudo timedatectl set-ntp true")
        case _:
            yield ok("clock", f"{shown}; whether NTP keeps it can't be told here")


def limits() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    message = f"{cores} core{'s' * (cores != 1)}, {format_bytes(memory)} of memory"
    yield ok("machine", message, cores=cores, memory_bytes=memory)
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        yield ok("open files", "no limit")
    elif files >= FEW_FILES:
        yield ok("open files", f"at most {files}", limit=files)
    else:
        advice = f"ulimit -n {FEW_FILES}, or LimitNOFILE={FEW_FILES} in the service's unit"
        yield warning("open files", f"at most {files}, up to {most} if asked for", advice, limit=files)


def format_bytes(count: float) -> str:
    """To three digits, for people."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while round(count) >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"


def file_system(path: Path) -> str | None:
    """The type of the file system that holds an absolute path; None where the system does not say."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    longest, found = -1, None
    for line in lines:
        _device, where, kind, *_rest = line.split(" ")
        where = re.sub(r"\\([0-7]{3})", lambda escaped: chr(int(escaped[1], 8)), where)
        if path.is_relative_to(where) and len(where) >= longest:  # of two in one place the later one is on top
            longest, found = len(where), kind
    return found
