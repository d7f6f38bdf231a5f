"""Keep the lake quick and bounded: compact small files, expire old days, remove what nobody can read.

None of it disturbs a reader: a commit swaps files, the old ones stay on disk until ``vacuum`` removes
those that left the table long ago.
"""

from __future__ import annotations

import tempfile
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from lake.delta import DataFile, Lake
from lake.errors import AshiatoError
from lake.files import COMPRESSION_LEVEL, ROW_GROUP_ROWS, WrittenFile, statistics, sync
from lake.schema import TABLES, Table

TARGET_BYTES = 256 << 20
SMALL_BYTES = TARGET_BYTES // 2
TOMBSTONE_HOURS = 7 * 24


@dataclass(frozen=True, slots=True)
class Compacted:
    """One group of files that became (or, in a dry run, would become) one."""

    table: str
    partition: dict[str, str]
    files: int
    rows: int
    bytes_before: int
    bytes_after: int | None
    duplicates: int = 0


def compact(
    lake: Lake,
    name: str = "events",
    *,
    target_bytes: int = TARGET_BYTES,
    memory_limit: str = "1GB",
    dry_run: bool = False,
    on_progress: Callable[[Compacted], None] = lambda done: None,
) -> list[Compacted]:
    """Merge small files of each partition, in time order, into sorted files of about *target_bytes*.

    Rows are the same before and after, save that a key which two writers stored twice is kept once.
    Raises AshiatoError ``compaction-mismatch`` (and changes nothing) if the rows would not add up.
    """
    table = TABLES[name]
    done = []
    for group in _groups(lake.files(name), target_bytes):
        size = sum(file.size_bytes for file in group)
        count = sum(file.rows for file in group)
        result = Compacted(name, group[0].partition, len(group), count, size, None)
        if not dry_run:
            written = _merge(lake, table, group, memory_limit)
            missing = count - written.rows
            if lake.replace(name, [written], group, "compact", data_change=False) is None:
                # Somebody else compacted or expired these meanwhile: theirs stands.
                (lake.folder / name / written.path).unlink(missing_ok=True)
                continue
            result = Compacted(name, group[0].partition, len(group), count, size, written.size_bytes, missing)
        on_progress(result)
        done.append(result)
    return done


def _groups(files: Sequence[DataFile], target_bytes: int) -> Iterator[list[DataFile]]:
    """Neighbours in time of one partition that are small and together stay near the target."""
    partitions: dict[tuple[tuple[str, str], ...], list[DataFile]] = defaultdict(list)
    for file in files:
        if file.size_bytes < target_bytes // 2:
            partitions[tuple(file.partition.items())].append(file)
    for small in partitions.values():
        group: list[DataFile] = []
        for file in small:
            if group and sum(f.size_bytes for f in group) + file.size_bytes > target_bytes:
                if len(group) > 1:
                    yield group
                group = []
            group.append(file)
        if len(group) > 1:
            yield group


def _merge(lake: Lake, table: Table, group: Sequence[DataFile], memory_limit: str) -> WrittenFile:
    folder = (lake.folder / table.name).absolute()
    partition = group[0].partition
    relative = "/".join([*(f"{k}={v}" for k, v in partition.items()), f"compacted-{uuid.uuid4().hex}.parquet"])
    target = folder / relative
    sources = ", ".join("'" + str(folder / file.path).replace("'", "''") + "'" for file in group)
    columns = ", ".join(f'"{column}"' for column in table.file_schema.names)
    order = ", ".join(f'"{key}"' for key in table.sort_by)
    quoted = str(target).replace("'", "''")
    with tempfile.TemporaryDirectory(prefix="ashiato-compact-") as spill, duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET memory_limit = '{memory_limit}'")
        con.execute(f"SET temp_directory = '{spill}'")
        con.execute("SET preserve_insertion_order = false")
        distinct = f"count(DISTINCT {table.key})" if table.key else "count(*)"
        source = f"read_parquet([{sources}], hive_partitioning = false)"
        check = con.execute(f"SELECT count(*) AS total, {distinct} AS rows FROM {source}").to_arrow_table()
        # A key stored twice (two writers racing on a store without atomic commits) is kept once.
        repeated = check["total"][0].as_py() != check["rows"][0].as_py()
        once = f"QUALIFY row_number() OVER (PARTITION BY {table.key}) = 1" if repeated else ""
        con.execute(
            f"COPY (SELECT {columns} FROM {source} {once} ORDER BY {order}) TO '{quoted}' (FORMAT parquet, "
            f"COMPRESSION zstd, COMPRESSION_LEVEL {COMPRESSION_LEVEL}, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
        )
    expected = check["rows"][0].as_py()
    facts = pq.ParquetFile(target).read(columns=list(table.statistics))
    if facts.num_rows != expected:
        target.unlink(missing_ok=True)
        raise AshiatoError(
            "compaction-mismatch",
            f"{facts.num_rows} rows came out of {expected} in {relative}; nothing was changed",
            "please report this; the lake is as it was",
        )
    sync(target)
    sync(target.parent)
    return WrittenFile(relative, target.stat().st_size, partition, statistics(table, facts), facts.num_rows)


def expire(
    lake: Lake, keep_days: int, name: str = "events", *, dry_run: bool = False, today: date | None = None
) -> list[DataFile]:
    """Take the days that ended more than *keep_days* days ago out of the table; the files that went.

    Whole days only, so that no file is rewritten. ``vacuum`` frees the disk later.
    """
    if keep_days < 1:
        raise AshiatoError("retention-invalid", f"cannot keep {keep_days} days", "keep at least 1 day")
    first_kept = ((today or datetime.now(UTC).date()) - timedelta(days=keep_days)).isoformat()
    old = [file for file in lake.files(name) if file.partition["date"] < first_kept]
    if old and not dry_run:
        lake.replace(name, [], old, "expire", data_change=True)
    return old


def vacuum(
    lake: Lake, name: str = "events", *, tombstone_hours: int = TOMBSTONE_HOURS, dry_run: bool = False
) -> list[str]:
    """Remove files from disk that left the table more than *tombstone_hours* ago; their paths.

    Keep it above the longest time a reader holds one version open.
    """
    return list(
        lake.delta(name).vacuum(
            retention_hours=tombstone_hours, dry_run=dry_run, enforce_retention_duration=False, full=False
        )
    )


def disk_bytes(lake: Lake, name: str = "events") -> int:
    """Bytes on disk under a table, log and files that readers of old versions may still need included."""
    return sum(path.stat().st_size for path in Path(lake.folder / name).rglob("*") if path.is_file())
