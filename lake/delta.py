"""The lake's tables on Delta Lake: open, append once, list files. The only module that commits.

Several writers may work on one lake. Each commit is made against the table version that was checked
for re-deliveries; if somebody else committed in between, delta-rs refuses (no retries of its own are
allowed), the check is made again on what is new, and the commit is tried again. So a row with a given
key is stored once whoever delivers it.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from lake.errors import AshiatoError, NothingToRead, UsageError
from lake.files import Staged, WrittenFile, first_of_each, make_folder, read_files, sync, write_files
from lake.schema import TABLES, Table
from lake.timerange import TimeRange

COMMIT_TRIES = 50
# What delta-rs reads as an escape, and what readers would take for a partition of the table.
_ODD_PATH = re.compile(r"[%\\\x00-\x1f\x7f]|/(?:cluster|date)=")
_CACHED_KEYS = 4_000_000
_OPERATION = "ashiato.operation"


@dataclass(frozen=True, slots=True)
class Appended:
    """What one append did; ``version`` is the table's version that holds the rows."""

    version: int
    written: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a table's snapshot; ``since`` and ``until`` bound its rows' time (UTC, both included)."""

    path: str
    partition: dict[str, str]
    size_bytes: int
    rows: int
    since: datetime | None
    until: datetime | None

    def overlaps(self, time_range: TimeRange) -> bool:
        """Whether a row of this file can lie in *time_range*."""
        before = time_range.until is not None and self.since is not None and self.since >= time_range.until
        after = time_range.since is not None and self.until is not None and self.until < time_range.since
        return not (before or after)


class Lake:
    """A folder of Delta tables: ``events``, ``quarantine``, ``findings``. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: dict[str, DeltaTable] = {}
        self._lock = threading.RLock()
        self._keys: OrderedDict[str, pa.Array] = OrderedDict()

    @property
    def location(self) -> str:
        """Where the lake lies, as given."""
        return str(self.folder)

    @classmethod
    def open(cls, location: str | Path, create: bool = False) -> Lake:
        """The lake at *location*; with ``create`` its tables are made where they are missing.

        Raises NothingToRead ``lake-not-found`` when there is none, UsageError for an address that this
        version cannot write to.
        """
        if "://" in str(location):
            raise UsageError(
                "lake-location-unsupported",
                f"this version keeps lakes in folders, not at {str(location).split('://')[0]}://",
                "give a folder; a mounted volume works",
            )
        lake = cls(Path(location))
        odd = _ODD_PATH.search(str(lake.folder.absolute()))
        if odd:
            raise UsageError(
                "lake-location-unsupported",
                f"a lake cannot lie at {str(location)!r}: {odd.group()!r} in a path means something else to readers",
                "choose a folder without %, backslash and control characters, not below cluster=... or date=...",
            )
        if create:
            for table in TABLES.values():
                lake._create(table)
        elif not (lake.folder / "events" / "_delta_log").is_dir():
            raise NothingToRead(
                "lake-not-found",
                f"there is no lake at {location}",
                "import events first: ashiato import FILE --lake PATH, or name the lake: --lake PATH",
            )
        return lake

    def _create(self, table: Table) -> None:
        folder = self.folder / table.name
        if (folder / "_delta_log").is_dir():
            return
        try:
            make_folder(folder.absolute())
            self._tables[table.name] = DeltaTable.create(
                str(folder),
                DeltaSchema.from_arrow(table.schema),
                mode="ignore",
                partition_by=list(table.partition_by),
                configuration={
                    "delta.dataSkippingStatsColumns": ",".join(table.statistics),
                    "delta.logRetentionDuration": "interval 30 days",
                    "delta.deletedFileRetentionDuration": "interval 7 days",
                },
            )
            sync(folder / "_delta_log")
        except OSError as error:
            raise AshiatoError(
                "lake-not-writable",
                f"cannot make a lake at {self.folder}: {error}",
                "check the path and its permissions",
            ) from None

    def delta(self, name: str) -> DeltaTable:
        """The Delta table called *name*, at its newest version."""
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                try:
                    table = DeltaTable(str(self.folder / name))
                except TableNotFoundError:
                    raise NothingToRead(
                        "lake-not-found", f"there is no table {name} at {self.folder}", "is this path a lake?"
                    ) from None
                self._tables[name] = table
            else:
                table.update_incremental()
            return table

    def version(self, name: str = "events") -> int:
        """The newest version of a table."""
        return int(self.delta(name).version())

    def files(
        self,
        name: str = "events",
        time_range: TimeRange = TimeRange(),
        clusters: Sequence[str] | None = None,
        version: int | None = None,
    ) -> list[DataFile]:
        """The files of a table that can hold rows of *time_range* and *clusters*, oldest first.

        Pruned by partition and by the log's min/max, without opening a file.
        """
        if version is None:
            snapshot = self.delta(name)
        else:
            try:
                snapshot = DeltaTable(str(self.folder / name), version=version)
            except Exception as error:  # noqa: BLE001 - delta-rs raises many kinds for an unknown version
                raise NothingToRead(
                    "lake-version-unknown",
                    f"the lake has no version {version} of {name}: {error}",
                    "see ashiato doctor",
                ) from None
        found = [
            file
            for file in _data_files(snapshot, TABLES[name])
            if file.overlaps(time_range) and (clusters is None or file.partition["cluster"] in clusters)
        ]
        return sorted(found, key=lambda file: (file.since or datetime.min.replace(tzinfo=UTC), file.path))

    def append(self, name: str, rows: pa.Table) -> Appended:
        """Add *rows* (the table's schema) durably and once.

        Rows whose key is stored already, or stands twice in *rows*, are dropped and counted as
        duplicates. On return files, folders and the log entry are on disk. Raises AshiatoError
        ``lake-busy`` when other writers win every time, OSError when the disk refuses.
        """
        table = TABLES[name]
        given = rows.num_rows
        with self._lock:
            rows = first_of_each(rows, table)
            written: list[WrittenFile] | None = None
            checked: set[str] = set()
            for attempt in range(COMMIT_TRIES):
                delta = self.delta(name)
                kept = self._drop_stored(delta, table, rows, checked)
                if kept.num_rows < rows.num_rows:
                    rows = kept
                    _discard(self.folder / name, written or ())
                    written = None
                if rows.num_rows == 0:
                    return Appended(int(delta.version()), 0, given)
                if written is None:
                    written = write_files(self.folder / name, table, rows, "part")
                if self._commit(delta, table, "append", written):
                    if table.key and len(written) == 1:
                        self._remember(written[0].path, rows[table.key].combine_chunks())
                    return Appended(int(delta.version()), rows.num_rows, given - rows.num_rows)
                _pause(attempt)
        raise AshiatoError("lake-busy", f"{COMMIT_TRIES} commits to {name} lost the race", "try again in a moment")

    def append_staged(self, staged: Staged) -> Appended:
        """Add rows that ``lake.files.stage`` wrote, as ``append`` would: once, durably, atomically."""
        table = TABLES[staged.table]
        folder = self.folder / table.name
        given = staged.index.num_rows + staged.repeated
        checked: set[str] = set()
        with self._lock:
            for attempt in range(COMMIT_TRIES):
                delta = self.delta(table.name)
                if not staged.files:
                    return Appended(int(delta.version()), 0, given)
                kept = self._drop_stored(delta, table, staged.index, checked)
                if kept.num_rows < staged.index.num_rows:
                    rows = read_files(folder, table, staged.files) if kept.num_rows else table.schema.empty_table()
                    _discard(folder, staged.files)
                    appended = self.append(table.name, rows)
                    return Appended(appended.version, appended.written, given - appended.written)
                if self._commit(delta, table, "append", staged.files):
                    if table.key and len(staged.files) == 1:
                        self._remember(staged.files[0].path, staged.index[table.key].combine_chunks())
                    return Appended(int(delta.version()), staged.index.num_rows, staged.repeated)
                _pause(attempt)
        raise AshiatoError(
            "lake-busy", f"{COMMIT_TRIES} commits to {table.name} lost the race", "try again in a moment"
        )

    def _commit(
        self,
        delta: DeltaTable,
        table: Table,
        operation: str,
        added: Sequence[WrittenFile],
        removed: Sequence[DataFile] = (),
        data_change: bool = True,
    ) -> bool:
        """One atomic commit on the version *delta* stands at; False when somebody else was first."""
        now_ms = int(time.time() * 1000)
        version = int(delta.version()) + 1
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.path, file.size_bytes, file.partition, now_ms, data_change, file.statistics)
            for file in added
        ]
        actions += [
            RemoveAction(
                path=file.path,
                data_change=data_change,
                deletion_timestamp=now_ms,
                size=file.size_bytes,
                partition_values=dict(file.partition),
            )
            for file in removed
        ]
        try:
            delta.create_write_transaction(
                actions,
                "append",
                DeltaSchema.from_arrow(table.schema),
                list(table.partition_by),
                commit_properties=CommitProperties(custom_metadata={_OPERATION: operation}, max_commit_retries=0),
            )
        except CommitFailedError:
            return False
        # This commit's own entry: by now the newest one may be somebody else's.
        log = self.folder / table.name / "_delta_log"
        for entry in (log / f"{version:020d}.json", *log.glob(f"{version:020d}.checkpoint*"), log / "_last_checkpoint"):
            with contextlib.suppress(FileNotFoundError):
                sync(entry)
        sync(log)
        delta.update_incremental()
        return True

    def replace(
        self, name: str, added: Sequence[WrittenFile], removed: Sequence[DataFile], operation: str, data_change: bool
    ) -> int | None:
        """Swap files in one commit; None when one of *removed* is no longer part of the table.

        Readers keep the version they opened: removed files stay on disk until they are vacuumed.
        """
        table = TABLES[name]
        gone = {file.path for file in removed}
        with self._lock:
            for attempt in range(COMMIT_TRIES):
                delta = self.delta(name)
                if not gone <= {file.path for file in _data_files(delta, table)}:
                    return None
                if self._commit(delta, table, operation, added, removed, data_change):
                    return int(delta.version())
                _pause(attempt)
        raise AshiatoError("lake-busy", f"{COMMIT_TRIES} commits to {name} lost the race", "try again in a moment")

    def added_since(self, version: int, name: str = "events") -> list[TimeRange]:
        """Where in time the rows lie that were committed after *version*: disjoint ranges, oldest first.

        Compaction moves rows but adds none, so it does not count; late events do.
        """
        table = TABLES[name]
        newest = self.delta(name)
        if version >= newest.version():
            return []
        old = {file.path for file in _data_files(DeltaTable(str(self.folder / name), version=version), table)}
        fresh = {file.path: file for file in _data_files(newest, table) if file.path not in old}
        if any(not Path(path).name.startswith("part-") for path in fresh):
            # Some were compacted since: find the files as they were when they were added.
            fresh = {}
            for step in range(version + 1, int(newest.version()) + 1):
                for file in _data_files(DeltaTable(str(self.folder / name), version=step), table):
                    if file.path not in old and Path(file.path).name.startswith("part-"):
                        fresh[file.path] = file
        return _merge(TimeRange(file.since, _just_after(file.until)) for file in fresh.values())

    # --- re-deliveries -----------------------------------------------------------------------------

    def _drop_stored(self, delta: DeltaTable, table: Table, rows: pa.Table, checked: set[str]) -> pa.Table:
        """*rows* without those whose key stands in a file of the snapshot that is not in *checked* yet."""
        if table.key is None or rows.num_rows == 0:
            return rows
        span = TimeRange()
        if table.name == "events":
            # Equal content has an equal stage_at, so only files that overlap in time can hold it.
            bounds = pc.min_max(rows[table.time])
            lowest, highest = bounds["min"].as_py(), bounds["max"].as_py()
            span = TimeRange(lowest, None)
        clusters = set(pc.unique(rows["cluster"]).to_pylist())
        for file in _data_files(delta, table):
            if file.path in checked or file.partition["cluster"] not in clusters or not file.overlaps(span):
                continue
            if table.name == "events" and file.since is not None and file.since > highest:
                continue
            checked.add(file.path)
            for keys in self._stored_keys(table, file, rows):
                stored = pc.is_in(rows[table.key], value_set=keys)
                if pc.any(stored).as_py():
                    rows = rows.filter(pc.invert(stored))
                    if rows.num_rows == 0:
                        return rows
        return rows

    def _stored_keys(self, table: Table, file: DataFile, rows: pa.Table) -> Iterable[pa.Array]:
        if table.key is None:
            return
        cached = self._keys.get(file.path)
        if cached is not None:
            self._keys.move_to_end(file.path)
            yield cached
            return
        data = pq.ParquetFile(self.folder / table.name / file.path)
        if file.rows <= _CACHED_KEYS // 4:
            keys = data.read(columns=[table.key])[table.key].combine_chunks()
            self._remember(file.path, keys)
            yield keys
            return
        bounds = pc.min_max(rows[table.time])
        for batch in data.iter_batches(batch_size=500_000, columns=[table.key, table.time]):
            keys = batch.column(table.key)
            if table.name == "events":
                times = batch.column(table.time)
                keys = keys.filter(pc.and_(pc.greater_equal(times, bounds["min"]), pc.less_equal(times, bounds["max"])))
            if len(keys):
                yield keys

    def _remember(self, path: str, keys: pa.Array) -> None:
        self._keys[path] = keys
        total = sum(len(array) for array in self._keys.values())
        while total > _CACHED_KEYS and len(self._keys) > 1:
            _, oldest = self._keys.popitem(last=False)
            total -= len(oldest)


def _just_after(moment: datetime | None) -> datetime | None:
    """A microsecond later; None (open) where there is no later, or the moment is not known."""
    try:
        return moment + timedelta(microseconds=1) if moment else None
    except OverflowError:
        return None


def _pause(attempt: int) -> None:
    """Let the other writer finish; random, so that two do not meet again and again."""
    time.sleep(random.uniform(0, min(0.5, 0.01 * 2**attempt)))  # noqa: S311 - no secret


def _discard(folder: Path, files: Iterable[WrittenFile]) -> None:
    for file in files:
        (folder / file.path).unlink(missing_ok=True)


def _data_files(delta: DeltaTable, table: Table) -> list[DataFile]:
    actions = pa.table(delta.get_add_actions(flatten=True))
    names = set(actions.column_names)

    def column(name: str) -> list[Any]:
        return actions[name].to_pylist() if name in names else [None] * actions.num_rows

    partitions = zip(*(column(f"partition.{key}") for key in table.partition_by), strict=True)
    return [
        DataFile(
            path=path,
            partition={key: _plain(value) for key, value in zip(table.partition_by, values, strict=True)},
            size_bytes=size,
            rows=count,
            since=since,
            until=until,
        )
        for path, values, size, count, since, until in zip(
            column("path"),
            partitions,
            column("size_bytes"),
            column("num_records"),
            column(f"min.{table.time}"),
            column(f"max.{table.time}"),
            strict=True,
        )
    ]


_plain: Callable[[Any], str] = str


def _merge(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    first = datetime.min.replace(tzinfo=UTC)
    merged: list[TimeRange] = []
    for part in sorted(ranges, key=lambda r: r.since or first):
        last = merged[-1] if merged else None
        if last is None or (last.until is not None and last.until < (part.since or first)):
            merged.append(part)
        elif last.until is not None and (part.until is None or part.until > last.until):
            merged[-1] = TimeRange(last.since, part.until)
    return merged
