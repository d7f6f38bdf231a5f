"""Data files: sorted, complete, described to the log without copying what is long."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.rows import rows
from lake.files import first_of_each, make_folder, read_files, stage, statistics, write_files
from lake.schema import EVENTS, FINDINGS
from tests.builders import NOON, audit_event, audit_events, line


def table(*events: dict[str, Any], cluster: str = "prod") -> pa.Table:
    return rows([line(event) for event in events], cluster, "apiserver", NOON)


def test_files_are_sorted_and_complete(tmp_path: Path) -> None:
    """A file holds its partition's rows in the schema's sort order, without the partition columns."""
    verbs = ["update", "get", "list", "get"]
    given = table(*(audit_event(n, verb=verbs[n % 4], objectRef={"resource": "rs"[n % 2]}) for n in range(9)))

    (written,) = write_files(tmp_path, EVENTS, given, "part")

    file = pq.ParquetFile(tmp_path / written.path)
    found = file.read()
    assert found.schema.names == EVENTS.file_schema.names
    keys = list(zip(*(found[name].to_pylist() for name in ("resource", "verb", "stage_at")), strict=True))
    assert keys == sorted(keys)
    assert sorted(found["event_id"].to_pylist()) == sorted(given["event_id"].to_pylist())
    assert written.rows == 9
    assert written.size_bytes == (tmp_path / written.path).stat().st_size
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_each_partition_has_its_file(tmp_path: Path) -> None:
    """Rows of two clusters and two days go to four files, and come back as they were."""
    late = "2026-11-24T00:00:00.000000Z"
    given = pa.concat_tables(
        table(audit_event(0), audit_event(1, stageTimestamp=late), cluster=cluster) for cluster in ("one", "two")
    )

    written = write_files(tmp_path, EVENTS, given, "part")

    assert sorted("/".join(file.path.split("/")[:2]) for file in written) == [
        f"cluster={cluster}/date=2026-11-{day}" for cluster in ("one", "two") for day in (23, 24)
    ]
    back = read_files(tmp_path, EVENTS, written)
    assert back.schema == EVENTS.schema
    assert sorted(map(str, back.to_pylist())) == sorted(map(str, given.to_pylist()))


def test_statistics_are_bounds() -> None:
    """The log is told numbers of rows and nulls, and true bounds; long texts are left out, not cut."""
    given = table(
        audit_event(0, verb="a" * 100),
        audit_event(1, verb="watch", objectRef={"resource": "x" * 65}),
        audit_event(2, stageTimestamp="0001-01-01T00:00:00.000001Z", objectRef=None),
    )

    found = json.loads(statistics(EVENTS, given))

    assert found["numRecords"] == 3
    assert found["minValues"]["stage_at"] == "0001-01-01T00:00:00.000001Z"
    assert found["maxValues"]["stage_at"] == "2026-11-23T12:00:01.001000Z"
    assert found["minValues"]["verb"] <= "a" * 100
    assert found["maxValues"]["verb"] == "watch"
    assert "resource" not in found["maxValues"]
    assert found["nullCount"]["resource"] == 1
    assert set(found["nullCount"]) == set(EVENTS.statistics)
    assert json.loads(statistics(EVENTS, given.slice(0, 0)))["minValues"] == {}
    assert json.loads(statistics(FINDINGS, FINDINGS.schema.empty_table()))["numRecords"] == 0


def test_times_in_statistics_have_four_digit_years() -> None:
    """Bounds before the year 1000 are written so that a reader of the log understands them."""
    given = table(audit_event(0, stageTimestamp="0999-12-31T00:00:00Z"))

    assert json.loads(statistics(EVENTS, given))["minValues"]["stage_at"] == "0999-12-31T00:00:00.000000Z"
    assert datetime(999, 12, 31, tzinfo=UTC) == given["stage_at"][0].as_py()


def test_the_first_of_each_stays() -> None:
    """Of rows with one key the first stays, in the order given; tables without a key keep all."""
    given = table(*audit_events(3))
    doubled = pa.concat_tables([given, given.slice(1, 1), table(audit_event(9)), given])

    kept = first_of_each(doubled, EVENTS)

    assert kept["audit_id"].to_pylist() == [*given["audit_id"].to_pylist(), audit_event(9)["auditID"]]
    empty = FINDINGS.schema.empty_table()
    assert first_of_each(empty, FINDINGS) is empty


def test_staging_counts_repetitions(tmp_path: Path) -> None:
    """Staged rows lie in files, and their keys, times and clusters are at hand for the commit."""
    given = table(*audit_events(3))

    staged = stage(tmp_path, EVENTS, pa.concat_tables([given, given]))

    assert (staged.repeated, staged.index.num_rows, len(staged.files)) == (3, 3, 1)
    assert staged.index.column_names == ["event_id", "stage_at", "cluster"]
    assert stage(tmp_path, EVENTS, given.slice(0, 0)).files == []


def test_folders_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    """New folders are closed to others; making one that is there does nothing."""
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    make_folder(folder)

    assert folder.stat().st_mode & 0o077 == 0
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
