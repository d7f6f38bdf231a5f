"""The lake holds each row once, whoever delivers it, and shows no row that was not committed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.event import Quarantined
from ingest.redact import Redactor
from ingest.rows import quarantine_rows, rows
from lake.delta import Appended, Lake
from lake.errors import NothingToRead, UsageError
from lake.files import stage
from lake.maintenance import compact, expire
from lake.query import connect, select
from lake.schema import EVENTS, TABLES
from lake.timerange import TimeRange
from tests.builders import NOON, audit_event, audit_events, line, timestamp

REDACTOR = Redactor(b"\x07" * 32)


def table(count: int, start: int = 0, cluster: str = "prod", **fields: Any) -> pa.Table:
    return rows([line(event) for event in audit_events(count, start, **fields)], cluster, "apiserver", NOON)


def at(moment: datetime, number: int = 0, cluster: str = "prod") -> pa.Table:
    return rows([line(audit_event(number, stageTimestamp=timestamp(moment)))], cluster, "apiserver", NOON)


def ids(lake: Lake, **options: Any) -> list[str]:
    with connect(lake, **options) as con:
        return sorted(select(con, "SELECT event_id FROM events")["event_id"].to_pylist())


# --- once -------------------------------------------------------------------------------------------


def test_append_is_idempotent(lake: Lake) -> None:
    """The same rows appended again, in part or twice in one batch, are counted and not stored."""
    assert lake.append("events", table(10)) == Appended(1, 10, 0)
    assert lake.append("events", table(10)) == Appended(1, 0, 10)
    assert lake.append("events", table(10, start=5)) == Appended(2, 5, 5)
    doubled = pa.concat_tables([table(3, start=20), table(3, start=20)])
    assert lake.append("events", doubled) == Appended(3, 3, 3)
    assert lake.append("events", table(0)) == Appended(3, 0, 0)

    assert len(ids(lake)) == len(set(ids(lake))) == 18


def test_a_cold_cache_knows_what_is_stored(tmp_path: Path) -> None:
    """Another process, or the same after a restart, finds the re-deliveries as well."""
    Lake.open(tmp_path / "lake", create=True).append("events", table(10))

    assert Lake.open(tmp_path / "lake").append("events", table(12)) == Appended(2, 2, 10)


def test_duplicates_are_found_across_files_and_after_compaction(lake: Lake) -> None:
    """A re-delivery of rows that lie in many files, or in the one they were compacted to, adds nothing."""
    for start in range(0, 20, 5):
        lake.append("events", table(5, start=start))
    assert lake.append("events", table(20)).duplicates == 20

    done = compact(lake)

    assert [(d.files, d.rows, d.duplicates) for d in done] == [(4, 20, 0)]
    assert lake.append("events", table(20)).duplicates == 20
    assert Lake.open(lake.location).append("events", table(21)) == Appended(6, 1, 20)
    assert len(ids(lake)) == 21


def test_a_small_key_cache_forgets_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys that do not fit into the cache, re-deliveries are found in the files."""
    from lake import delta

    monkeypatch.setattr(delta, "_CACHED_KEYS", 8)
    for start in range(0, 20, 5):
        lake.append("events", table(5, start=start))

    assert lake.append("events", table(20)) == Appended(4, 0, 20)
    assert lake.append("events", table(22)) == Appended(5, 2, 20)
    assert Lake.open(lake.location).append("events", table(22)) == Appended(5, 0, 22)


def test_one_audit_id_is_not_one_event(lake: Lake) -> None:
    """Two different events with one auditID and stage are two rows: a client cannot make events vanish."""
    mine = line(audit_event(0, auditID="chosen"))
    other = line(audit_event(0, auditID="chosen", verb="delete"))

    appended = lake.append("events", rows([mine, other, mine], "prod", "apiserver", NOON))

    assert (appended.written, appended.duplicates) == (2, 1)


def test_equal_events_of_two_clusters_are_two(lake: Lake) -> None:
    """The same event sent for two clusters is stored for both."""
    assert lake.append("events", table(2, cluster="one")).written == 2
    assert lake.append("events", table(2, cluster="two")).written == 2
    both = pa.concat_tables([table(2, cluster="one"), table(2, cluster="three")])
    assert lake.append("events", both) == Appended(3, 2, 2)


def test_duplicates_are_found_at_the_edges_of_files(lake: Lake) -> None:
    """First and last row of a file, alone or with others, are recognised: bounds are included."""
    lake.append("events", table(5))
    for number in range(5):
        assert lake.append("events", table(1, start=number)).duplicates == 1
    mixed = pa.concat_tables([table(1, start=100), table(1, start=4), at(NOON - timedelta(days=400), 101)])

    assert lake.append("events", mixed) == Appended(2, 2, 1)


def test_duplicates_are_found_after_a_checkpoint(tmp_path: Path) -> None:
    """A table read from its checkpoint keeps time bounds to the microsecond, so re-deliveries are found."""
    lake = Lake.open(tmp_path / "lake", create=True)
    moments = [NOON.replace(microsecond=n) for n in (0, 1, 999, 1000, 999_999)]
    for number, moment in enumerate(moments):
        lake.append("events", at(moment, number))
    lake.delta("events").create_checkpoint()

    cold = Lake.open(tmp_path / "lake")

    assert [file.since for file in cold.files()] == moments
    for number, moment in enumerate(moments):
        assert cold.append("events", at(moment, number)).duplicates == 1


def test_quarantine_is_kept_once(lake: Lake) -> None:
    """The same bytes quarantined again, also on another day, are one row."""
    items = [Quarantined("json-invalid", "not JSON", b"x"), Quarantined("json-invalid", "not JSON", b"y")]

    first = lake.append("quarantine", quarantine_rows(items, "prod", "s", NOON, REDACTOR))
    again = lake.append("quarantine", quarantine_rows(items, "prod", "s", NOON + timedelta(days=3), REDACTOR))

    assert (first.written, again.written, again.duplicates) == (2, 0, 2)


def test_findings_have_revisions(lake: Lake) -> None:
    """Findings have no key: each append adds a revision."""
    finding = {column.name: None for column in TABLES["findings"].columns} | {
        "cluster": "prod",
        "finding_id": "f",
        "first_seen": NOON,
        "last_seen": NOON,
        "date": NOON.date(),
    }
    revision = pa.Table.from_pylist([finding], schema=TABLES["findings"].schema)

    assert [lake.append("findings", revision).written for _ in range(2)] == [1, 1]


def test_staged_files_are_committed_once(lake: Lake) -> None:
    """Rows written beforehand are appended like others: duplicates within and in the lake are dropped."""
    folder = lake.folder / "events"
    lake.append("events", table(3))

    fresh = stage(folder, EVENTS, pa.concat_tables([table(4, start=10), table(4, start=10)]))
    partly = stage(folder, EVENTS, table(4, start=1))
    stored = stage(folder, EVENTS, table(3))

    assert lake.append_staged(fresh) == Appended(2, 4, 4)
    assert lake.append_staged(partly) == Appended(3, 2, 2)
    assert lake.append_staged(stored) == Appended(3, 0, 3)
    assert lake.append_staged(stage(folder, EVENTS, table(0))) == Appended(3, 0, 0)
    assert len(ids(lake)) == 9
    assert len(list(folder.rglob("*.parquet"))) == len(lake.files())


# --- several writers --------------------------------------------------------------------------------


def test_four_threads_share_a_lake(lake: Lake) -> None:
    """Four threads that deliver overlapping batches at once store every row once, and the counts add up."""
    appended: list[Appended] = []

    def write(offset: int) -> None:
        appended.extend(lake.append("events", table(10, start=step * 10 + offset * 5)) for step in range(6))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(appended) == 24
    assert sum(a.written for a in appended) == len(ids(lake)) == len(set(ids(lake))) == 75
    assert sum(a.written + a.duplicates for a in appended) == 240


def deliver(folder: str, start: Any, offset: int, results: Any) -> None:
    """One writing process: opens the lake by itself and delivers overlapping batches."""
    start.wait()
    lake = Lake.open(folder, create=True)
    counts = [lake.append("events", table(10, start=step * 10 + offset * 5)) for step in range(8)]
    results.put([(a.written, a.duplicates) for a in counts])


def test_two_processes_share_a_lake(tmp_path: Path) -> None:
    """Two processes that make a lake and deliver overlapping batches at once lose and repeat nothing."""
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Event()
    folder = str(tmp_path / "lake")
    writers = [context.Process(target=deliver, args=(folder, start, n, results)) for n in range(2)]
    for writer in writers:
        writer.start()
    time.sleep(2)
    start.set()

    counts = [count for _ in writers for count in results.get(timeout=60)]
    for writer in writers:
        writer.join()

    found = ids(Lake.open(folder))
    assert len(found) == len(set(found)) == 85
    assert sum(written for written, _ in counts) == 85
    assert sum(written + duplicates for written, duplicates in counts) == 160


def test_two_lake_objects_interleave(tmp_path: Path) -> None:
    """Writers that took turns see what the other wrote, whatever they hold in memory."""
    one = Lake.open(tmp_path / "lake", create=True)
    other = Lake.open(tmp_path / "lake")
    for step in range(5):
        assert one.append("events", table(4, start=step * 4)).written == 4
        assert other.append("events", table(4, start=step * 4)).duplicates == 4
        assert other.append("events", table(1, start=1000 + step)).written == 1
        assert one.append("events", table(1, start=1000 + step)).duplicates == 1

    assert len(ids(one)) == 25


def test_compaction_and_a_writer_do_not_disturb_each_other(tmp_path: Path) -> None:
    """While one compacts, another appends and re-delivers: every row is there once."""
    lake = Lake.open(tmp_path / "lake", create=True)
    for start in range(0, 40, 4):
        lake.append("events", table(4, start=start))
    other = Lake.open(tmp_path / "lake")
    worker = threading.Thread(target=lambda: [compact(other) for _ in range(4)])
    worker.start()

    for start in range(0, 80, 8):
        lake.append("events", table(8, start=start))
    worker.join()

    assert len(ids(lake)) == len(set(ids(lake))) == 80


# --- crashes ----------------------------------------------------------------------------------------


def test_files_without_a_commit_are_invisible(lake: Lake) -> None:
    """A crash between writing a file and committing it shows no row, and the re-delivery stores it."""
    lake.append("events", table(3))
    stage(lake.folder / "events", EVENTS, table(3, start=10))
    (lake.folder / "events" / "cluster=prod" / "date=2026-11-23" / "part-torn.parquet").write_bytes(b"PAR1 torn")

    cold = Lake.open(lake.location)

    assert len(ids(cold)) == 3
    assert cold.append("events", table(3, start=10)) == Appended(2, 3, 0)
    assert len(ids(cold)) == 6


def test_kill_9_leaves_a_lake(tmp_path: Path) -> None:
    """A writer killed at any moment leaves a lake that reads and takes the same rows once."""
    script = (
        "import sys; from tests.lake.test_delta import Lake, table\n"
        "lake = Lake.open(sys.argv[1], create=True)\n"
        "for start in range(0, 100000, 3):\n"
        "    lake.append('events', table(3, start=start)); print(start, flush=True)\n"
    )
    acknowledged = 0
    for wait in (0.0, 0.013, 0.031):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "lake")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout
        for _ in range(3):
            acknowledged = max(acknowledged, int(writer.stdout.readline()) + 3)
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        rest = [int(text) for text in writer.stdout.read().splitlines()]
        writer.wait()
        acknowledged = max([acknowledged, *(start + 3 for start in rest)])

    lake = Lake.open(tmp_path / "lake")
    before = ids(lake)
    again = lake.append("events", table(acknowledged))

    assert again.duplicates == acknowledged
    assert len(before) == len(set(before)) >= acknowledged


def test_a_failing_disk_is_said_and_repeated(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, append raises OSError, nothing is visible, and a second try stores all."""
    from lake import files

    real = files.sync
    monkeypatch.setattr(files, "sync", lambda path: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        lake.append("events", table(3))
    assert ids(lake) == []

    monkeypatch.setattr(files, "sync", real)
    assert lake.append("events", table(3)) == Appended(1, 3, 0)


def test_every_commit_is_synced(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data files, their folders, the log entry of this very commit and the log's folder are fsynced, in that order."""
    synced: list[str] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - /proc names an open file only so
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    lake.append("events", table(3))

    file = lake.folder / "events" / lake.files()[0].path
    log = lake.folder / "events" / "_delta_log"
    wanted = [str(path) for path in (file, file.parent, log / f"{1:020d}.json", log)]
    assert [path for path in synced if path in wanted] == wanted


def test_a_checkpoint_is_synced(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint that delta-rs writes every hundredth commit is on disk when append returns."""
    synced: set[str] = set()
    real = os.fsync
    for number in range(98):
        lake.append("events", table(1, start=number))
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (synced.add(Path(os.readlink(f"/proc/self/fd/{fd}")).name), real(fd))[1],  # noqa: PTH115 - /proc names an open file only so
    )

    for number in range(98, 102):
        lake.append("events", table(1, start=number))

    checkpoints = {path.name for path in (lake.folder / "events" / "_delta_log").glob("*checkpoint*")}
    assert any(name.endswith(".parquet") for name in checkpoints)
    assert checkpoints <= synced
    assert Lake.open(lake.location).append("events", table(102)).duplicates == 102


# --- where rows lie ---------------------------------------------------------------------------------


def test_rows_lie_by_cluster_and_utc_day(lake: Lake) -> None:
    """Files are partitioned by cluster and the UTC day of stage_at, to the microsecond."""
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    parts = [
        at(midnight - timedelta(microseconds=1)),
        at(midnight),
        at(midnight, cluster="a.b_c-D"),
        at(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)),
        at(datetime(1, 1, 1, tzinfo=UTC)),
        at(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
    ]
    lake.append("events", pa.concat_tables(parts))

    found = {(f.partition["cluster"], f.partition["date"]) for f in lake.files()}

    assert found == {
        ("prod", "2026-11-23"),
        ("prod", "2026-11-24"),
        ("a.b_c-D", "2026-11-24"),
        ("prod", "1969-12-31"),
        ("prod", "0001-01-01"),
        ("prod", "9999-12-31"),
    }
    for file in lake.files():
        assert file.path.startswith(f"cluster={file.partition['cluster']}/date={file.partition['date']}/part-")
        assert file.since == file.until
        assert file.rows == 1
    read = select(connect(lake), "SELECT cluster, date, stage_at FROM events ORDER BY stage_at, cluster")
    assert read["date"].to_pylist()[0] == date(1, 1, 1)
    assert read["stage_at"].to_pylist()[-1] == datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)


def test_other_readers_see_the_same_table(lake: Lake) -> None:
    """What was written is a Delta table that delta-rs itself reads, columns and rows."""
    lake.append("events", table(5))

    found = DeltaTable(str(lake.folder / "events")).to_pyarrow_table()

    assert set(found.column_names) == set(EVENTS.schema.names)
    assert sorted(found["event_id"].to_pylist()) == ids(lake)
    assert found["date"].to_pylist() == [date(2026, 11, 23)] * 5


def test_the_log_holds_no_bodies(lake: Lake) -> None:
    """Statistics in the log name only the schema's few columns; bodies and URIs are not copied there."""
    event = audit_event(
        0, requestObject={"note": "in-the-body"}, requestURI="/in-the-uri", userAgent="in-the-agent", verb="v" * 5000
    )
    lake.append("events", rows([line(event)], "prod", "s", NOON))
    compact(lake)
    lake.append("events", table(2, start=5))
    compact(lake)
    lake.delta("events").create_checkpoint()

    for path in (lake.folder / "events" / "_delta_log").iterdir():
        text = path.read_bytes()
        assert b"in-the-" not in text
        assert b"v" * 100 not in text
    entries = [json.loads(text) for text in (lake.folder / "events" / "_delta_log" / f"{1:020d}.json").open()]
    statistics = json.loads(next(entry["add"]["stats"] for entry in entries if "add" in entry))
    assert set(statistics["minValues"]) <= set(EVENTS.statistics)
    assert statistics["numRecords"] == 1


# --- pruning ----------------------------------------------------------------------------------------

# Each example makes a lake of its own.
few = settings(max_examples=max(12, settings().max_examples // 4))
seconds = st.integers(-3, 3).map(lambda n: NOON + timedelta(hours=12 * n))
moments = st.builds(lambda base, micros: base + timedelta(microseconds=micros), seconds, st.integers(-2, 2))


@few
@given(
    st.lists(st.lists(st.tuples(moments, st.sampled_from(["a", "b"])), min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.tuples(st.one_of(st.none(), moments), st.one_of(st.none(), moments)), min_size=1, max_size=6),
    st.one_of(st.none(), st.just(["a"]), st.just(["a", "b"]), st.just(["c"])),
    st.booleans(),
)
def test_pruning_hides_no_row(
    batches: list[list[tuple[datetime, str]]],
    bounds: list[tuple[datetime | None, datetime | None]],
    clusters: list[str] | None,
    compacted: bool,
) -> None:
    """For any range and clusters, files and view give exactly the rows that looking at all of them gives."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(folder, create=True)
        for number, batch in enumerate(batches):
            parts = [at(moment, number * 10 + n, cluster) for n, (moment, cluster) in enumerate(batch)]
            lake.append("events", pa.concat_tables(parts))
        if compacted:
            compact(lake)
        everything = [row for batch in batches for row in batch]
        for one, other in bounds:
            since, until = sorted((one, other)) if one and other else (one, other)
            expected = sorted(
                (moment, cluster)
                for moment, cluster in everything
                if (since is None or moment >= since)
                and (until is None or moment < until)
                and (clusters is None or cluster in clusters)
            )
            span = TimeRange(since, until)
            in_files = [
                row
                for file in lake.files("events", span, clusters)
                for row in pq.ParquetFile(lake.folder / "events" / file.path).read(["stage_at"])["stage_at"].to_pylist()
            ]
            for moment, _ in expected:
                assert moment in in_files
            with connect(lake, span, clusters=clusters) as con:
                found = select(con, "SELECT stage_at, cluster FROM events")
            assert sorted(zip(found["stage_at"].to_pylist(), found["cluster"].to_pylist(), strict=True)) == expected


def test_pruning_opens_few_files(lake: Lake) -> None:
    """A range of one day opens that day's files only, and one cluster's files only."""
    for day in range(5):
        lake.append("events", at(NOON + timedelta(days=day), day))
        lake.append("events", at(NOON + timedelta(days=day), day, "other"))

    span = TimeRange(NOON + timedelta(days=2), NOON + timedelta(days=3))

    assert len(lake.files()) == 10
    assert [f.partition["date"] for f in lake.files("events", span, ["prod"])] == ["2026-11-25"]


# --- what is new ------------------------------------------------------------------------------------


def covered(ranges: list[TimeRange], moment: datetime) -> bool:
    return any((r.since is None or r.since <= moment) and (r.until is None or moment < r.until) for r in ranges)


@few
@given(
    st.lists(st.lists(moments, min_size=1, max_size=3), min_size=1, max_size=4),
    st.integers(0, 4),
    st.booleans(),
)
def test_added_since_covers_the_new_rows(batches: list[list[datetime]], seen: int, compacted: bool) -> None:
    """The ranges begin and end at new rows, hold all of them, are disjoint and in order; compaction adds none."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(folder, create=True)
        versions = [0]
        for number, batch in enumerate(batches):
            parts = [at(moment, number * 10 + n) for n, moment in enumerate(batch)]
            versions.append(lake.append("events", pa.concat_tables(parts)).version)
            if compacted and number == 1:
                compact(lake)
        if compacted:
            compact(lake)
        seen = min(seen, len(batches))
        fresh = [moment for batch in batches[seen:] for moment in batch]

        ranges = lake.added_since(versions[seen])

        assert all(covered(ranges, moment) for moment in fresh)
        assert bool(ranges) == bool(fresh)
        for one, following in pairwise(ranges):
            assert one.until is not None
            assert following.since is not None
            assert one.until < following.since
        step = timedelta(microseconds=1)
        assert all(r.since in fresh and r.until is not None and r.until - step in fresh for r in ranges)


def test_late_and_extreme_rows_are_new(lake: Lake) -> None:
    """Late events, and events at the ends of time, count as new."""
    lake.append("events", table(3))
    version = lake.version()
    late, last = NOON - timedelta(days=30), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
    lake.append("events", pa.concat_tables([at(late, 8), at(datetime(1, 1, 1, tzinfo=UTC), 9), at(last, 10)]))

    ranges = lake.added_since(version)

    assert len(ranges) == 3
    assert all(covered(ranges, moment) for moment in (late, last, datetime(1, 1, 1, tzinfo=UTC)))
    assert not covered(ranges, NOON)
    assert lake.added_since(lake.version()) == []


def test_compaction_alone_adds_nothing(lake: Lake) -> None:
    """After compaction there is nothing new; what came with it is still new."""
    for start in (0, 5):
        lake.append("events", table(5, start=start))
    version = lake.version()
    compact(lake)
    assert lake.version() > version
    assert lake.added_since(version) == []

    lake.append("events", at(NOON + timedelta(days=1), 99))
    compact(lake)
    assert [r.since for r in lake.added_since(version)] == [NOON + timedelta(days=1)]


# --- snapshots --------------------------------------------------------------------------------------


def test_a_reader_keeps_its_snapshot(lake: Lake) -> None:
    """A connection opened before keeps its rows through appends, compaction and expiry."""
    for start in (0, 5):
        lake.append("events", table(5, start=start))
    reader = connect(lake)

    lake.append("events", table(5, start=10))
    compact(lake)
    expire(lake, 1, today=date(2027, 1, 1))

    assert select(reader, "SELECT count(*) AS n FROM events")["n"].to_pylist() == [10]
    assert len(ids(lake)) == 0


def test_an_older_version_can_be_read(lake: Lake) -> None:
    """A connection to an older version shows the rows of then."""
    versions = [lake.append("events", table(5, start=start)).version for start in (0, 5)]
    compact(lake)

    assert [len(ids(lake, version=version)) for version in (0, *versions, lake.version())] == [0, 5, 10, 10]
    with pytest.raises(NothingToRead) as caught:
        connect(lake, version=99)
    assert caught.value.code == "lake-version-unknown"


# --- places -----------------------------------------------------------------------------------------


def test_a_missing_lake_says_so(tmp_path: Path) -> None:
    """Opening a folder that is no lake, without making one, is NothingToRead with a way on."""
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(NothingToRead) as caught:
            Lake.open(place)
        assert caught.value.code == "lake-not-found"
        assert "import" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["sp ace", "ünï", "it's", "a[b]", "x*y", "q?", "k=v", "a{b,c}", "semi;colon", "#x", "+"]
)
def test_odd_paths_work(tmp_path: Path, name: str) -> None:
    """A lake may lie in a folder of any ordinary name, also one that a glob or SQL would read otherwise."""
    lake = Lake.open(tmp_path / name, create=True)
    lake.append("events", table(3))
    lake.append("events", table(3, start=3))
    compact(lake)

    assert len(ids(Lake.open(tmp_path / name))) == 6


@pytest.mark.parametrize("name", ["per%20cent", "new\nline", "back\\slash", "cluster=x/lake", "date=2026-01-01/lake"])
def test_misleading_paths_are_refused(tmp_path: Path, name: str) -> None:
    """A path that readers would take for something else is refused before anything is made."""
    with pytest.raises(UsageError) as caught:
        Lake.open(tmp_path / name, create=True)

    assert caught.value.code == "lake-location-unsupported"
    assert list(tmp_path.iterdir()) == []


def test_addresses_are_refused(tmp_path: Path) -> None:
    """An address of a store this version cannot write to is a usage error."""
    with pytest.raises(UsageError) as caught:
        Lake.open("s3://bucket/lake", create=True)
    assert caught.value.code == "lake-location-unsupported"


def test_a_relative_lake_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake opened by a relative path works where it was opened."""
    monkeypatch.chdir(tmp_path)
    lake = Lake.open("lake", create=True)
    lake.append("events", table(3))

    assert len(ids(lake)) == 3
    assert len(ids(Lake.open(tmp_path / "lake"))) == 3
