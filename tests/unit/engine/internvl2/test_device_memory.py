from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the vlm extra")

import torch

from engine.errors import ScorerError
from engine.internvl2 import device_memory

CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GiB available and no container."""
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n")
    monkeypatch.setattr(device_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(device_memory, "_CGROUP", tmp_path)
    return tmp_path


def _limit(machine: Path, limit: str) -> None:
    (machine / "memory.max").write_text(f"{limit}\n")
    (machine / "memory.current").write_text(f"{3 * 2**30}\n")
    (machine / "memory.stat").write_text(f"anon 1\ninactive_file {2**30}\n")


def test_what_the_system_has_available_is_left(machine: Path) -> None:
    assert device_memory.available_bytes(CPU) == 8 * 2**30


def test_a_containers_limit_counts_and_its_cache_does_not(machine: Path) -> None:
    _limit(machine, str(4 * 2**30))
    assert device_memory.available_bytes(CPU) == 2 * 2**30


def test_a_container_without_a_limit_leaves_what_the_system_has(machine: Path) -> None:
    _limit(machine, "max")
    assert device_memory.available_bytes(CPU) == 8 * 2**30


def test_a_system_that_does_not_say_is_not_asked(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert device_memory.available_bytes(CPU) is None
    device_memory.require(2**60, CPU, "a model")


def test_too_much_is_refused_with_both_numbers(machine: Path) -> None:
    device_memory.require(8 * 2**30, CPU, "a model")
    with pytest.raises(ScorerError, match=r"a model needs 16\.0 GiB of memory and cpu has 8\.0 GiB left"):
        device_memory.require(16 * 2**30, CPU, "a model")
