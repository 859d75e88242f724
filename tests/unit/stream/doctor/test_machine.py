"""What the doctor says of disks, ports, webcams, the clock and limits."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from engine.errors import UsageError
from stream.config.fields import HostPort
from stream.config.models import DataConfig
from stream.doctor import machine
from stream.doctor.findings import Finding, Verdict
from stream.feed.publisher import FeedPublisher
from stream.keys import KeyFolder

OK, WARNING, PROBLEM = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM
NOW_S = 4_000_000_000.0  # after any installation


def only(found: Iterable[Finding]) -> Finding:
    (finding,) = found
    return finding


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says that `tmp_path` lies on a file system of this kind."""

    def mounted(kind: str, where: Path = tmp_path) -> None:
        mounts = tmp_path / "mounts"
        escaped = str(where).replace(" ", "\\040")
        mounts.write_text(f"/dev/sda1 / ext4 rw,relatime 0 0\nserver:/share {escaped} {kind} rw 0 0\n")
        monkeypatch.setattr(machine, "MOUNTS", mounts)

    mounted("ext4")
    return mounted


def data(folder: Path, size: str = "1kB") -> DataConfig:
    return DataConfig.model_validate({"dir": str(folder), "retention": {"size": size}})


@pytest.mark.usefixtures("mount")
def test_a_folder_that_can_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    found = only(machine.disk(data(tmp_path / "new" / "folder")))
    assert (found.verdict, found.values["file_system"]) == (OK, "ext4")
    assert "free on ext4" in found.message
    assert [path.name for path in tmp_path.iterdir()] == ["mounts"]


@pytest.mark.usefixtures("mount")
def test_a_folder_that_cant_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = only(machine.disk(data(tmp_path / "file" / "folder")))
    assert found.verdict is PROBLEM
    assert "can't be written" in found.message


@pytest.mark.parametrize(
    ("kind", "verdict", "advice"),
    [("nfs4", PROBLEM, "local disk"), ("cifs", PROBLEM, "local disk"), ("tmpfs", WARNING, "memory"), ("xfs", OK, "")],
)
def test_the_outbox_needs_a_disk_that_is_local_and_lasts(
    tmp_path: Path, mount: Callable[..., None], kind: str, verdict: Verdict, advice: str
) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    mount(kind, folder)
    found = only(machine.disk(data(folder)))
    assert found.verdict is verdict
    assert advice in found.advice
    assert found.values["file_system"] == kind


@pytest.mark.usefixtures("mount")
def test_a_disk_with_less_room_than_evidence_may_take_is_a_warning(tmp_path: Path) -> None:
    found = only(machine.disk(data(tmp_path, size="999999TB")))
    assert found.verdict is WARNING
    assert "999999TB" in found.advice


def test_without_mounts_the_file_system_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOUNTS", tmp_path / "none")
    assert machine.file_system(tmp_path) is None


def test_a_port_is_free_or_taken() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number = listening.getsockname()[1]
        taken = [
            only(machine.feed_port(f"tcp://127.0.0.1:{number}")),
            only(machine.port("http port", HostPort("127.0.0.1", number))),
        ]
    free = only(machine.feed_port(f"tcp://127.0.0.1:{number}"))
    assert [finding.verdict for finding in taken] == [WARNING, WARNING]
    assert all("is taken" in finding.message for finding in taken)
    assert free.verdict is OK


def test_any_free_port_a_local_socket_and_no_http_are_fine() -> None:
    found = [
        *machine.feed_port("tcp://localhost:*"),
        *machine.feed_port("ipc:///run/vigil/feed"),
        *machine.port("http port", None),
    ]
    assert [finding.verdict for finding in found] == [OK, OK, OK]


def test_an_address_that_others_could_reach_is_tried_as_any_other() -> None:
    """Whether it is locked is the configuration's to say."""
    found = [*machine.feed_port("tcp://*:*"), *machine.port("http port", HostPort("0.0.0.0", 0))]
    assert [finding.verdict for finding in found] == [OK, OK]


def test_the_keys_of_the_feed_are_judged_as_the_feed_itself_does(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    assert only(machine.feed_keys(None)).verdict is OK
    assert said(machine.feed_keys(keys.path)) == (PROBLEM, refusal(keys.path))
    keys.new_server()
    assert said(machine.feed_keys(keys.path))[0] is WARNING
    assert "lets in no client: make a key: vigil keys new NAME" in said(machine.feed_keys(keys.path))[1]
    keys.new_client("office")
    assert said(machine.feed_keys(keys.path)) == (OK, f"{keys.path} lets in 1 client")
    for name, bits in (("server.key_secret", 0o640), ("clients", 0o770)):
        before = (keys.path / name).stat().st_mode
        (keys.path / name).chmod(bits)
        assert said(machine.feed_keys(keys.path)) == (PROBLEM, refusal(keys.path))
        (keys.path / name).chmod(before)


def said(found: Iterable[Finding]) -> tuple[Verdict, str]:
    finding = only(found)
    return finding.verdict, f"{finding.message}: {finding.advice}" if finding.advice else finding.message


def refusal(folder: Path) -> str:
    """What `vigil watch` says when it refuses to open its feed."""
    with pytest.raises(UsageError) as caught:
        FeedPublisher("tcp://127.0.0.1:*", keys=folder)
    return str(caught.value)


def test_webcams_are_listed_and_a_forbidden_one_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    assert only(machine.webcams()).message == "none"
    for name in ("video0", "video2", "videos"):
        (tmp_path / name).write_text("")
    forbidden = str(tmp_path / "video2")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != forbidden)
    assert [(finding.verdict, finding.message.split(" ")[0]) for finding in machine.webcams()] == [
        (OK, str(tmp_path / "video0")),
        (WARNING, forbidden),
    ]


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [("yes", OK, "kept by NTP"), ("no", WARNING, "not kept"), (None, OK, "can't be told"), ("", OK, "can't be told")],
)
def test_whether_the_clock_is_kept_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, verdict: Verdict, words: str
) -> None:
    monkeypatch.setattr(machine, "SYNCHRONISED", tmp_path / "none")
    monkeypatch.setattr(machine, "ask", lambda command, limit_s: said)
    found = only(machine.clock(NOW_S))
    assert found.verdict is verdict
    assert words in found.message


def test_a_clock_before_the_installation_is_a_problem() -> None:
    found = only(machine.clock(0.0))
    assert found.verdict is PROBLEM
    assert "1970" in found.message


@pytest.mark.parametrize(("limit", "verdict"), [(256, WARNING), (machine.FEW_FILES, OK), (resource.RLIM_INFINITY, OK)])
def test_a_low_limit_of_open_files_is_a_warning(monkeypatch: pytest.MonkeyPatch, limit: int, verdict: Verdict) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (limit, 4096))
    about = {finding.check: finding.verdict for finding in machine.limits()}
    assert about == {"machine": OK, "open files": verdict}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (77_400_000_000, "77.4 GB"), (999_999.9, "1 MB")],
)
def test_bytes_are_written_for_people(count: float, text: str) -> None:
    assert machine.format_bytes(count) == text
