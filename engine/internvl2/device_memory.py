"""How many bytes a device has left, so that a model that can't fit is refused before any of it is read."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.errors import ScorerError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def require(bytes_needed: int, device: torch.device, what: str) -> None:
    """Raise ScorerError when `device` has fewer than `bytes_needed` bytes left. Passes where that is not known."""
    left = available_bytes(device)
    if left is not None and bytes_needed > left:
        raise ScorerError(
            f"{what} needs {bytes_needed / 2**30:.1f} GiB of memory and {device} has {left / 2**30:.1f} GiB left",
            advice="use a smaller checkpoint or bfloat16, or free memory",
        )


def available_bytes(device: torch.device) -> int | None:
    """The bytes that can still be taken on `device`, or None where that can't be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    limits = [left for left in (_system_bytes(), _cgroup_bytes()) if left is not None]
    return min(limits, default=None)


def _system_bytes() -> int | None:
    if not _MEMINFO.exists():
        return None
    for line in _MEMINFO.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _cgroup_bytes() -> int | None:
    """What a container's limit leaves; its page cache counts as free, for it can be dropped."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        cached = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    if limit == "max":
        return None
    inactive = next((int(line.split()[1]) for line in cached if line.startswith("inactive_file ")), 0)
    return int(limit) - used + inactive
