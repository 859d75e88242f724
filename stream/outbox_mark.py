"""The newest number that an outbox told, noted beside its database. Knows no database.

A note needs no sync to outlive the process, so it can be made while the database's own writing hangs.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Mark:
    """A small file that is only ever written in place, which works on a full disk too.

    It begins with `last_seq`, or with what it says of this epoch if that is more. Any thread may write.
    """

    def __init__(self, path: Path, epoch: str, last_seq: int) -> None:
        self._epoch = epoch
        self._lock = threading.Lock()
        self.seq = -1  # nothing is written yet
        path.touch(0o600)
        self._file = path.open("r+b", buffering=0)
        try:
            marked_epoch, _, marked = self._file.read(100).decode("ascii", "replace").partition(" ")
            is_ours = marked_epoch == epoch and marked.strip().isdecimal()
            self.write(max(last_seq, int(marked)) if is_ours else last_seq, sync=True)
        except BaseException:
            self.close()
            raise

    def write(self, seq: int, *, sync: bool) -> None:
        """It never goes back: who was held up and comes late changes nothing."""
        with self._lock:
            if seq > self.seq:
                self._file.seek(0)
                self._file.write(f"{self._epoch} {seq:020d}\n".encode())
                self.seq = seq
        if sync:  # without the lock: a sync that hangs holds up no other thread's note
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
