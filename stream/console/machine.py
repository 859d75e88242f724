"""How the machine is: disk, memory, processors, GPUs. Starts no program and loads no library for it."""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from stream.console.models import Disk, Gpu, Memory, Processor

MEASURED_EVERY_S = 60.0  # tens of thousands of files take most of a second


class Storage:
    """How full the disk is. What a folder takes is measured now and then: every file is looked at for it."""

    def __init__(self, data: Path, monotonic: Callable[[], float]) -> None:
        self._data = data
        self._monotonic = monotonic
        self._measuring = threading.Lock()
        self._used_bytes = 0
        self._due_s = -math.inf

    def look(self) -> Disk:
        """From any thread, but not on an event loop."""
        with self._measuring:
            if self._monotonic() >= self._due_s:
                self._used_bytes = _size(self._data)
                self._due_s = self._monotonic() + MEASURED_EVERY_S
            return Disk(free_bytes=shutil.disk_usage(self._data).free, used_bytes=self._used_bytes)


def processor() -> Processor:
    return Processor(cores=os.cpu_count() or 1, load=os.getloadavg()[0], used_s=time.process_time())


def memory() -> Memory:
    """Nothing where there is no /proc."""
    return Memory(
        used_bytes=_kilobytes("/proc/self/status", "VmRSS"), available_bytes=_kilobytes("/proc/meminfo", "MemAvailable")
    )


def gpus() -> list[Gpu]:
    """Those that a scorer in this process uses."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        free_bytes, total_bytes = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        used_bytes = total_bytes - free_bytes
        found.append(Gpu(name=name, used_bytes=used_bytes, total_bytes=total_bytes, busy=_busy(torch, index)))
    return found


def _busy(torch: Any, index: int) -> float | None:
    try:
        return float(torch.cuda.utilization(index)) / 100
    except Exception:  # noqa: BLE001 - nvidia-ml is not there, or does not tell: each in an error of its own
        return None


def _size(data: Path) -> int:
    used_bytes = 0
    for folder, _, names in os.walk(data):
        for name in names:
            with suppress(OSError):  # it was deleted meanwhile
                used_bytes += (Path(folder) / name).lstat().st_size
    return used_bytes


def _kilobytes(file: str, name: str) -> int | None:
    with suppress(OSError):
        match = re.search(rf"^{name}:\s*(\d+) kB", Path(file).read_text(encoding="ascii"), re.MULTILINE)
        return int(match[1]) * 1024 if match else None
    return None
