"""What packaging/ promises, as far as it can be told without an engine that runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.config import load

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
UNIT = PACKAGING / "vigil.service"


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile's, with what follows them."""
    text = re.sub(r"\\\n\s*", "", (PACKAGING / "Dockerfile").read_text())
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest


def instruction(name: str) -> list[str]:
    return [rest for each, rest in instructions() if each == name]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((PACKAGING / "compose.yaml").read_text())
    return composed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def pinned(image: str) -> bool:
    _, _, tag = image.rpartition("/")[2].partition(":")
    return bool(tag) and tag != "latest"


def test_the_image_runs_as_nobody_special_with_health_and_a_place_for_data() -> None:
    (user,) = instruction("USER")
    assert int(user.partition(":")[0]) > 0
    assert instruction("VOLUME") == ["/data"]
    assert instruction("STOPSIGNAL") == ["SIGTERM"]
    (health,) = instruction("HEALTHCHECK")
    assert "/healthz" in health


def test_the_image_is_made_of_what_is_there() -> None:
    assert all(pinned(base.split()[0]) for base in instruction("FROM"))
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [source for rest in instruction("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_composed_services_are_confined_and_let_in_this_machine_only(services: dict[str, Any]) -> None:
    for service in services.values():
        assert pinned(service["image"])
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_composed_secrets_and_volumes_are_declared_and_files_are_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service["secrets"]) <= compose["secrets"].keys()
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (PACKAGING / source).exists() if source.startswith(".") else source in compose["volumes"]


def test_the_composed_configuration_holds_with_the_secrets_that_compose_names(services: dict[str, Any]) -> None:
    secrets = {name.upper(): "p@ss/word" for name in services["vigil"]["secrets"]}
    config = load(PACKAGING / "etc" / "vigil.yaml", environ=secrets)
    assert config.cameras
    assert config.mqtt is not None
    assert config.feed.keys is not None
    assert config.feed.keys.is_relative_to("/data")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_understands_every_line_of_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    unit = tmp_path / "vigil.service"
    program = sys.executable  # stands in for an installed vigil, which systemd looks for
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}", UNIT.read_text()))
    for arguments in (
        ["verify"],
        ["security", "--offline=yes", "--threshold=20"],
    ):  # of 100; 92 without any confinement
        done = subprocess.run(
            ["systemd-analyze", "--no-pager", *arguments, str(unit)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "vigil.service:" not in done.stderr
