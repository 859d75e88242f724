from pathlib import Path

import pytest

from stream import filesystem
from stream.filesystem import kind_of_mount, network_filesystem

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /home rw - nfs4 server:/home rw,vers=4.2
24 22 0:6 / /mnt/with\040space rw - cifs //server/share rw
25 22 0:7 / /data rw master:2 - fuse.sshfs user@host:/ rw
26 22 8:2 / /data rw - xfs /dev/sdb1 rw
not a line of this table
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/vigil", "ext4"),
        ("/home/user/data", "nfs4"),
        ("/homes", "ext4"),
        ("/mnt/with space/data", "cifs"),
        ("/data", "xfs"),  # mounted over what was there
    ],
)
def test_the_deepest_mount_over_a_folder_says_its_kind(folder: str, kind: str) -> None:
    assert kind_of_mount(Path(folder), TABLE) == kind


def test_only_file_systems_on_other_machines_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    monkeypatch.setattr(filesystem, "MOUNTS", table)
    assert network_filesystem(tmp_path) is None  # no such table here
    for kind, named in (("ext4", None), ("nfs", "nfs"), ("9p", "9p"), ("fuse.sshfs", "fuse.sshfs"), ("tmpfs", None)):
        table.write_text(f"1 0 0:1 / {tmp_path} rw - {kind} x rw\n")
        assert network_filesystem(tmp_path / "data") == named
