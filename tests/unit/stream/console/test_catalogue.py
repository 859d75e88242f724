from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine.errors import RuntimeFault
from stream.console.catalogue import Catalogue, Filed, Wanted
from stream.console.database import NAME, open_database, open_read_only
from stream.console.marks import Mark, add_mark, feedback, marks_of
from stream.outbox import Outbox, OutboxHistory
from tests.unit.stream.feed.made import an_alert


class Bench:
    """An outbox, and a catalogue of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.outbox = Outbox(folder / "outbox.sqlite3", time.time)
        self.db = open_database(self.path, time.time())
        self._history = OutboxHistory(self.outbox)
        self.catalogue = Catalogue(self.db, self._history)

    def event(self, name: str, *said: str, end: bool = True, **changes: object) -> None:
        """Told by one alert for each sentence, and an end."""
        for place, sentence in enumerate(said):
            kind = "update" if place else "new"
            self.outbox.append(an_alert(id=name, type=kind, explanation=sentence, **changes))
        if end:
            done = {"end_time": 20.0, "explanation": said[-1]} | changes
            self.outbox.append(an_alert(id=name, type="end", **done))

    def ids(self, limit: int = 100, **wanted: object) -> list[str]:
        return [filed.latest.id for filed in self.catalogue.find(Wanted(**wanted), limit)]  # type: ignore[arg-type]

    def filed(self, event: str) -> Filed:
        found = self.catalogue.event(event)
        assert found is not None
        return found

    def close(self) -> None:
        self._history.close()
        self.db.close()
        self.outbox.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path)) as bench:
        yield bench


def test_events_come_newest_first_with_their_latest_alert(bench: Bench) -> None:
    bench.event("A", "a man")
    bench.event("B", "a dog", "two dogs", end=False)
    assert bench.ids() == ["B", "A"]
    assert (bench.filed("A").latest.type, bench.filed("B").latest.explanation) == ("end", "two dogs")
    bench.event("A2", "x")
    assert bench.ids() == ["A2", "B", "A"]


def test_pages_go_on_where_the_last_one_ended_also_when_events_go_on_meanwhile(bench: Bench) -> None:
    for name in "ABCDE":
        bench.event(name, "x", end=False)
    first = bench.catalogue.find(Wanted(), 2)
    bench.event("B", "x")
    second = bench.catalogue.find(Wanted(before_seq=first[-1].first_seq), 10)
    assert [filed.latest.id for filed in (*first, *second)] == ["E", "D", "C", "B", "A"]


def test_every_filter_keeps_what_fits_and_they_add_up(bench: Bench) -> None:
    bench.event("A", "x", camera="front", definition="fire", severity="alert", start_time=10.0, end_time=20.0)
    bench.event("B", "x", camera="yard", definition="fall", severity="detection", start_time=30.0, end_time=40.0)
    bench.event("C", "x", camera="yard", start_time=50.0, end=False)
    assert bench.ids(camera="yard") == ["C", "B"]
    assert bench.ids(definition="fire") == ["A"]
    assert bench.ids(severity="detection") == ["B"]
    assert bench.ids(since_s=40.0) == ["C", "B"]
    assert bench.ids(until_s=30.0) == ["B", "A"]
    assert bench.ids(since_s=25.0, until_s=45.0, camera="yard") == ["B"]
    assert (bench.ids(is_open=True), bench.ids(is_open=False)) == (["C"], ["B", "A"])


def test_words_are_found_in_everything_that_was_said_of_an_event(bench: Bench) -> None:
    bench.event("A", "A man climbs a ladder.", "He is on the roof.")
    bench.event("B", "Ein Mann öffnet das Tor.")
    assert bench.ids(words="ladder") == ["A"]
    assert bench.ids(words="roof man") == ["A"]
    assert bench.ids(words="LADD") == ["A"]
    assert bench.ids(words="offnet") == ["B"]
    assert bench.ids(words="man") == ["B", "A"]
    assert bench.ids(words="dragon") == []


@pytest.mark.parametrize(
    "words", ['"', "*", "a OR", "NEAR(", "text:", "-", "(", "x'; DROP TABLE events; --", "\x00", ""]
)
def test_no_search_is_taken_for_a_command(bench: Bench, words: str) -> None:
    bench.event("A", "A man climbs a ladder.")
    assert bench.ids(words=words) == []
    assert bench.ids() == ["A"]


def test_marks_add_up_and_the_latest_counts(bench: Bench) -> None:
    for name in "ABC":
        bench.event(name, "x")
    add_mark(bench.db, bench.filed("A").latest, Mark(1.0, "eve", acknowledged=True, verdict=None, note=""))
    add_mark(bench.db, bench.filed("A").latest, Mark(2.0, "bob", acknowledged=True, verdict="false", note="a cat"))
    add_mark(bench.db, bench.filed("B").latest, Mark(3.0, "eve", acknowledged=False, verdict="true", note=""))
    assert bench.filed("A").mark == Mark(2.0, "bob", acknowledged=True, verdict="false", note="a cat")
    assert [mark.by for mark in marks_of(bench.db, "A")] == ["eve", "bob"]
    assert [bench.ids(mark=mark) for mark in ("none", "acknowledged", "true", "false")] == [["C"], ["A"], ["B"], ["A"]]


def test_feedback_has_a_line_for_each_marked_event_and_outlives_the_outbox(bench: Bench) -> None:
    bench.event("A", "A man.")
    add_mark(bench.db, bench.filed("A").latest, Mark(1.0, "eve", acknowledged=True, verdict="true", note="yes\nreally"))
    bench.event("B", "x")
    bench.outbox.prune(max_age_s=1e9, max_bytes=1).result(10)
    assert bench.ids() == ["B"]
    with closing(open_read_only(bench.path)) as db:
        (line,) = feedback(db)
    told = msgspec.json.decode(line)
    assert line.count(b"\n") == 1
    assert (told["event"], told["verdict"], told["note"], told["explanation"]) == ("A", "true", "yes\nreally", "A man.")


def test_feedback_on_an_event_that_was_open_tells_its_end_once_that_is_known(bench: Bench) -> None:
    bench.event("A", "A man.", end=False)
    add_mark(bench.db, bench.filed("A").latest, Mark(1.0, "eve", acknowledged=True, verdict="true", note=""))
    (line,) = feedback(bench.db)
    assert msgspec.json.decode(line)["end_time"] is None
    bench.outbox.append(an_alert(id="A", type="end", end_time=20.0))
    bench.filed("A")
    (line,) = feedback(bench.db)
    assert msgspec.json.decode(line)["end_time"] == 20.0


def test_what_the_outbox_does_not_keep_is_not_found_any_more(bench: Bench) -> None:
    bench.event("A", "ladder")
    bench.event("B", "ladder")
    assert bench.ids(words="ladder") == ["B", "A"]
    bench.outbox.prune(max_age_s=1e9, max_bytes=1).result(10)
    assert bench.ids(words="ladder") == bench.ids() == ["B"]


def test_an_event_that_is_still_open_is_found_however_old(bench: Bench) -> None:
    bench.event("A", "x", end=False)
    bench.event("B", "x")
    bench.outbox.prune(max_age_s=1e9, max_bytes=1).result(10)
    assert bench.ids(is_open=True) == ["A"]
    bench.event("A", "x")
    bench.outbox.prune(max_age_s=1e9, max_bytes=1).result(10)
    assert bench.ids(is_open=True) == []


def test_an_index_that_is_lost_is_made_again_and_one_of_another_outbox_as_well(tmp_path: Path) -> None:
    with closing(Bench(tmp_path)) as bench:
        bench.event("A", "x")
        assert bench.ids() == ["A"]
    (tmp_path / NAME).unlink()
    with closing(Bench(tmp_path)) as bench:
        assert bench.ids() == ["A"]
        add_mark(bench.db, bench.filed("A").latest, Mark(1.0, "eve", acknowledged=True, verdict=None, note=""))
    for file in tmp_path.glob("outbox.sqlite3*"):
        file.unlink()
    with closing(Bench(tmp_path)) as bench:
        bench.event("B", "x")
        assert bench.ids() == ["B"]
        assert len(marks_of(bench.db, "A")) == 1


def test_an_older_copy_of_the_outbox_is_filed_anew(tmp_path: Path) -> None:
    with closing(Bench(tmp_path)) as bench:
        bench.event("A", "x")
    copies = {file: file.read_bytes() for file in tmp_path.glob("outbox.sqlite3*")}
    with closing(Bench(tmp_path)) as bench:
        bench.event("B", "x")
        assert bench.ids() == ["B", "A"]
    for file in tmp_path.glob("outbox.sqlite3*"):
        file.unlink()
    for file, content in copies.items():
        file.write_bytes(content)
    with closing(Bench(tmp_path)) as bench:
        assert bench.ids() == ["A"]
        bench.event("C", "x", end=False)
        assert bench.ids() == ["C", "A"]


def test_a_damaged_file_is_set_aside_and_a_strange_one_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"no database at all" * 100)
    with closing(Bench(tmp_path)) as bench:
        bench.event("A", "x")
        assert bench.ids() == ["A"]
    assert len(list(tmp_path.glob(f"{NAME}.damaged-*"))) == 1
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE something (x)")
    with pytest.raises(RuntimeFault, match="another version"):
        open_database(other, 0.0)
