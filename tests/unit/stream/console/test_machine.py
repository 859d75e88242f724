from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")

from stream.clock import ManualClock
from stream.console import machine


def test_what_a_folder_takes_is_measured_once_a_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    storage = machine.Storage(tmp_path, clock.monotonic)
    (tmp_path / "a").write_bytes(bytes(1000))
    assert storage.look().used_bytes == 1000
    (tmp_path / "b").write_bytes(bytes(500))
    clock.advance(machine.MEASURED_EVERY_S - 1)
    assert storage.look().used_bytes == 1000
    clock.advance(1)
    assert storage.look().used_bytes == 1500


@pytest.mark.parametrize("busy", [0.25, None])
def test_a_gpu_is_as_busy_as_its_driver_tells_or_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, busy: float | None
) -> None:
    def utilization(_index: int) -> int:
        if busy is None:
            raise ModuleNotFoundError("pynvml is not there")
        return round(100 * busy)

    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        mem_get_info=lambda _index: (30, 100),
        get_device_name=lambda _index: "H200",
        utilization=utilization,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    (gpu,) = machine.gpus()
    assert (gpu.name, gpu.used_bytes, gpu.total_bytes, gpu.busy) == ("H200", 70, 100, busy)
