from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from stream.console.database import NAME, open_database, open_read_only
from stream.console.marks import feedback


def test_a_database_of_the_format_before_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with closing(open_database(path, 0.0)) as db:
        db.execute("INSERT INTO changes (camera, time, by, definitions, undone) VALUES ('hall', 1.0, 'ann', '[]', 1)")
        for column in ("was", "undone_by", "undone_time"):
            db.execute(f"ALTER TABLE changes DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
    with closing(open_read_only(path)) as db:
        assert list(feedback(db)) == []
    with closing(open_database(path, 0.0)) as db:
        rows = db.execute("SELECT by, undone, undone_by, was FROM changes").fetchall()
    assert rows == [("ann", 1, None, None)]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
