from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from stream.transaction import transaction


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("CREATE TABLE a (number INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE b (a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
        yield db


def test_all_is_kept_or_nothing(db: sqlite3.Connection) -> None:
    with transaction(db):
        db.execute("INSERT INTO a VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        db.executemany("INSERT INTO a VALUES (?)", [(2,), (1,)])
    assert db.execute("SELECT number FROM a").fetchall() == [(1,)]


def test_one_that_is_refused_at_its_end_is_over_as_well(db: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        db.execute("INSERT INTO b VALUES (7)")  # which is noticed at COMMIT, as a full disk is
    assert not db.in_transaction
    with transaction(db):
        db.execute("INSERT INTO a VALUES (1)")
    assert db.execute("SELECT count(*) FROM b").fetchone() == (0,)
