"""Write rows as sorted, fsynced Parquet files, and describe them for the Delta log.

Neither pyarrow nor delta-rs calls fsync: what a kube-apiserver was told is stored must survive a power
cut, so files, folders and log entries are synced here before anybody relies on them.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.schema import Table

COMPRESSION_LEVEL = 3
ROW_GROUP_ROWS = 120_000
_STATISTIC_CHARACTERS = 64
# Columns whose values repeat within a file; the others (bodies, ids) only cost a dictionary page.
_NOT_REPEATING = frozenset(
    "event_id audit_id request_object response_object stage_at request_received_at quarantine_id sealed finding_id".split()
)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A data file on disk, not yet in the table: ``path`` is relative to the table's folder."""

    path: str
    size_bytes: int
    partition: dict[str, str]
    statistics: str
    rows: int


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows that lie in files but not yet in the table; made by ``stage``, also in another process.

    ``index`` holds their keys, times and clusters (columns of the table), one row each.
    """

    table: str
    files: list[WrittenFile]
    index: pa.Table
    repeated: int
    """How many rows were dropped because their key stood twice among the rows given."""


def stage(folder: Path, table: Table, rows: pa.Table) -> Staged:
    """Write *rows* (``table.schema``) below *folder* for ``Lake.append_staged`` to commit.

    If that never happens, the files are invisible and ``vacuum`` finds them.
    """
    kept = first_of_each(rows, table)
    files = write_files(folder, table, kept, "part") if kept.num_rows else []
    names = [name for name in (table.key, table.time, "cluster") if name]
    return Staged(table.name, files, kept.select(names), rows.num_rows - kept.num_rows)


def first_of_each(rows: pa.Table, table: Table) -> pa.Table:
    """*rows* with the first of each key, in the order given."""
    if table.key is None:
        return rows
    keys = rows[table.key]
    if pc.count_distinct(keys).as_py() == rows.num_rows:
        return rows
    numbered = pa.table({"key": keys, "row": pa.array(range(rows.num_rows), pa.int64())})
    first = numbered.group_by("key").aggregate([("row", "min")])["row_min"]
    return rows.take(first.take(pc.sort_indices(first)))


def read_files(folder: Path, table: Table, files: Sequence[WrittenFile]) -> pa.Table:
    """The rows of written files, partition columns included (``table.schema``)."""
    parts = []
    for file in files:
        part = pq.ParquetFile(folder / file.path).read()
        for name in table.partition_by:
            kind = table.schema.field(name).type
            part = part.append_column(name, pa.repeat(pa.scalar(file.partition[name]).cast(kind), part.num_rows))
        parts.append(part.select(table.schema.names).cast(table.schema))
    return pa.concat_tables(parts)


def write_files(folder: Path, table: Table, rows: pa.Table, prefix: str) -> list[WrittenFile]:
    """Write *rows* (``table.schema``) as one sorted file per partition, fsynced with its folders."""
    written = []
    for values, part in _partitions(table, rows):
        name = f"{prefix}-{uuid.uuid4().hex}.parquet"
        relative = "/".join([*(f"{key}={value}" for key, value in values.items()), name])
        path = folder / relative
        make_folder(path.parent)
        sorted_rows = part.select(table.file_schema.names).sort_by([(key, "ascending") for key in table.sort_by])
        pq.write_table(
            sorted_rows,
            path,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=[n for n in sorted_rows.schema.names if n not in _NOT_REPEATING],
            row_group_size=ROW_GROUP_ROWS,
            write_statistics=True,
        )
        sync(path)
        sync(path.parent)
        written.append(WrittenFile(relative, path.stat().st_size, values, statistics(table, part), part.num_rows))
    return written


def _partitions(table: Table, rows: pa.Table) -> list[tuple[dict[str, str], pa.Table]]:
    keys = rows.select(list(table.partition_by)).group_by(list(table.partition_by)).aggregate([])
    parts = []
    for values in keys.to_pylist():
        mask = None
        for name, value in values.items():
            equal = pc.equal(rows[name], pa.scalar(value, rows.schema.field(name).type))
            mask = equal if mask is None else pc.and_(mask, equal)
        part = rows if keys.num_rows == 1 else rows.filter(mask)
        parts.append(({name: _text(value) for name, value in values.items()}, part))
    return parts


def statistics(table: Table, rows: pa.Table) -> str:
    """The Delta log's statistics of a file: numRecords, and min, max and nulls of ``table.statistics``."""
    lowest: dict[str, str] = {}
    highest: dict[str, str] = {}
    nulls: dict[str, int] = {}
    for name in table.statistics:
        column = rows[name]
        nulls[name] = column.null_count
        bounds = pc.min_max(column).as_py()
        if bounds["min"] is None or (isinstance(bounds["max"], str) and len(bounds["max"]) > _STATISTIC_CHARACTERS):
            continue
        lowest[name] = _text(bounds["min"])[:_STATISTIC_CHARACTERS]
        highest[name] = _text(bounds["max"])
    return json.dumps({"numRecords": rows.num_rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls})


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        # Not strftime: its %Y writes the year 1 as "1", which no reader of the log understands.
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def make_folder(folder: Path) -> None:
    """Make *folder* and its parents, each entry synced in the folder above it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Fsync a file or folder by name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
