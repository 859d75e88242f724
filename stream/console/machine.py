"""How the machine is: disk, memory, processors, GPUs. Starts no program and loads no library for it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from stream.console.models import Disk, Gpu, Memory, Processor


def disk(data: Path) -> Disk:
    """Looks at every file below `data`, so not on an event loop."""
    used_bytes = 0
    for folder, _, names in os.walk(data):
        for name in names:
            with suppress(OSError):  # it was deleted meanwhile
                used_bytes += (Path(folder) / name).lstat().st_size
    return Disk(free_bytes=shutil.disk_usage(data).free, used_bytes=used_bytes)


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
        found.append(Gpu(name=name, used_bytes=total_bytes - free_bytes, total_bytes=total_bytes))
    return found


def _kilobytes(file: str, name: str) -> int | None:
    with suppress(OSError):
        match = re.search(rf"^{name}:\s*(\d+) kB", Path(file).read_text(encoding="ascii"), re.MULTILINE)
        return int(match[1]) * 1024 if match else None
    return None
