"""Which file systems lie on another machine. Knows Linux's table of mounts; elsewhere it knows nothing and says so."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "orangefs",
    "smb3",
    "smbfs",
}
_NETWORK |= {
    f"fuse.{kind}"
    for kind in (
        "blobfuse2", "ceph", "curlftpfs", "davfs2", "gcsfuse", "glusterfs", "goofys", "juicefs", "rclone", "s3fs",
        "smbnetfs", "sshfs",
    )
}  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")  # how the table writes spaces and backslashes


def network_filesystem(folder: Path) -> str | None:
    """The kind of network file system that the folder lies on, such as nfs4; None for a local or unknown one."""
    try:
        table = MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return None
    kind = kind_of_mount(folder.resolve(), table)
    return kind if kind in _NETWORK else None


def kind_of_mount(folder: Path, table: str) -> str | None:
    """The file system's kind by a table of mounts as /proc/self/mountinfo has it; `folder` is absolute."""
    found: tuple[int, str] | None = None
    for line in table.splitlines():
        mount, _, filesystem = line.partition(" - ")
        fields = mount.split()
        if len(fields) < 5 or not filesystem:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        depth = len(point.parts)
        if folder.is_relative_to(point) and (found is None or depth >= found[0]):  # a later mount hides an earlier
            found = depth, filesystem.split()[0]
    return found[1] if found else None
