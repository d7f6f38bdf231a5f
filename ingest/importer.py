"""Import audit logs from files: the same decode, redact and append as the webhook's.

Decoding runs in worker processes where there is enough to do; this process drops what is stored
already, writes and commits. Memory is bounded by the chunks in flight, not by the file.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from ingest.event import Decoded, NotAnEvent, Quarantined, decode, split
from ingest.readers import CHUNK_BYTES, Chunk, find_files, read_chunks, total_bytes
from ingest.redact import Redactor
from ingest.rows import event_table, quarantine_rows
from lake.errors import AshiatoError, UsageError
from lake.files import Staged, stage
from lake.schema import EVENTS

if TYPE_CHECKING:
    from lake.delta import Lake  # imports delta-rs, which workers do not need

SMALL_INPUT_BYTES = 6 << 20
SOURCES = ("auto", "apiserver")


@dataclass(slots=True)
class ImportReport:
    """What an import did. ``received`` = ``written`` + ``duplicates`` + ``quarantined``, always."""

    files: int = 0
    received: int = 0
    written: int = 0
    duplicates: int = 0
    quarantined: int = 0
    bytes_read: int = 0
    first: datetime | None = None
    last: datetime | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    errors: list[AshiatoError] = field(default_factory=list)
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: bytes on disk read so far, and of how many (None: unknown)."""

    bytes_read: int
    bytes_total: int | None
    report: ImportReport


@dataclass(frozen=True, slots=True)
class _Result:
    """What one chunk held.

    ``staged`` are files of events (None in a dry run); quarantined items come with the number of their
    line or item within the chunk, counted from 0.
    """

    received: int
    lines: int
    staged: Staged | None
    first: datetime | None
    last: datetime | None
    quarantined: list[tuple[int, Quarantined]]


def import_files(
    lake: Lake | None,
    paths: Sequence[str],
    cluster: str,
    redactor: Redactor,
    *,
    source: str = "auto",
    workers: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ImportReport:
    """Bring the audit events of *paths* into *lake*; with ``lake=None`` only count (a dry run).

    Importing what is stored already adds nothing. A file that cannot be read to its end is named in
    ``errors``; the others go on. Raises NothingToRead when no path names a file, UsageError for an
    unknown source.
    """
    if source not in SOURCES:
        raise UsageError("source-unknown", f"unknown source {source!r}", f"one of: {', '.join(SOURCES)}")
    name = "apiserver" if source == "auto" else source
    files = find_files(paths)
    total = total_bytes(files)
    report = ImportReport(files=len(files), dry_run=lake is None)
    folder = None if lake is None else lake.folder / EVENTS.name
    job = _Job(cluster, name, datetime.now(UTC), redactor, folder)
    little = total is not None and total < SMALL_INPUT_BYTES
    count = workers if workers is not None else 0 if little else _workers()
    done_bytes = line = 0
    previous: Chunk | None = None
    for chunk, result in _process_all(_all_chunks(files, chunk_bytes, report), job, count):
        if previous is None or previous.origin != chunk.origin:
            done_bytes += previous.raw_bytes_read if previous else 0
            line = 1
        previous = chunk
        _commit(lake, chunk, line, result, job, report)
        line += result.lines
        report.bytes_read = done_bytes + chunk.raw_bytes_read
        on_progress(Progress(report.bytes_read, total, report))
    return report


def _workers() -> int:
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def _all_chunks(files: Sequence[str], chunk_bytes: int, report: ImportReport) -> Iterator[Chunk]:
    for file in files:
        try:
            yield from read_chunks(file, chunk_bytes)
        except AshiatoError as error:
            report.errors.append(error)


@dataclass(frozen=True, slots=True)
class _Job:
    cluster: str
    source: str
    ingested_at: datetime
    redactor: Redactor
    folder: Path | None


def _process_all(chunks: Iterator[Chunk], job: _Job, workers: int) -> Iterator[tuple[Chunk, _Result]]:
    if workers == 0:
        for chunk in chunks:
            yield chunk, _process(chunk, job)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        waiting: deque[tuple[Chunk, Future[_Result]]] = deque()
        for chunk in chunks:
            waiting.append((_without_data(chunk), pool.submit(_process, chunk, job)))
            if len(waiting) > workers + 1:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _without_data(chunk: Chunk) -> Chunk:
    return Chunk(chunk.origin, b"", chunk.document, chunk.raw_bytes_read)


def _start_worker() -> None:
    # A chunk makes millions of objects and no cycles: the collector would only walk them again and again.
    gc.disable()


def _process(chunk: Chunk, job: _Job) -> _Result:
    """Decode, redact and stage one chunk; runs in a worker process where there is one."""
    decoded: list[Decoded] = []
    quarantined: list[tuple[int, Quarantined]] = []
    data = chunk.load()
    pieces: Iterable[bytes | Quarantined] = split(data) if chunk.document else data.split(b"\n")
    number = -1
    for number, piece in enumerate(pieces):
        if isinstance(piece, Quarantined):
            quarantined.append((number, piece))
            continue
        if not chunk.document and (not piece or piece.isspace()):
            continue
        try:
            item = decode(piece)
        except NotAnEvent as error:
            if chunk.document:
                quarantined.append((number, Quarantined(error.code, error.reason, piece)))
            else:
                _decode_line(piece, number, job, decoded, quarantined)
            continue
        job.redactor.redact(piece, item)
        decoded.append(item)
    table = event_table(decoded, job.cluster, job.source, job.ingested_at)
    bounds = pc.min_max(table["stage_at"])
    return _Result(
        received=len(decoded) + len(quarantined),
        lines=number,
        staged=None if job.folder is None else stage(job.folder, EVENTS, table),
        first=bounds["min"].as_py(),
        last=bounds["max"].as_py(),
        quarantined=quarantined,
    )


def _decode_line(
    line: bytes, number: int, job: _Job, decoded: list[Decoded], quarantined: list[tuple[int, Quarantined]]
) -> None:
    """A line that is no event by itself: an EventList of its own, or something to quarantine."""
    for piece in split(line):
        if isinstance(piece, Quarantined):
            quarantined.append((number, piece))
            continue
        try:
            item = decode(piece)
        except NotAnEvent as error:
            quarantined.append((number, Quarantined(error.code, error.reason, piece)))
            continue
        job.redactor.redact(piece, item)
        decoded.append(item)


def _commit(lake: Lake | None, chunk: Chunk, line: int, result: _Result, job: _Job, report: ImportReport) -> None:
    report.received += result.received
    if result.first and result.last:
        report.first = min(report.first or result.first, result.first)
        report.last = max(report.last or result.last, result.last)
    quarantined = []
    for number, item in result.quarantined:
        report.reasons[item.code] = report.reasons.get(item.code, 0) + 1
        origin = f"{chunk.origin}[{number}]" if chunk.document else f"{chunk.origin}:{line + number}"
        quarantined.append(Quarantined(item.code, item.reason, item.payload, origin))
    if lake is None or result.staged is None:
        report.written += result.received - len(quarantined)
        report.quarantined += len(quarantined)
        return
    appended = lake.append_staged(result.staged)
    report.written += appended.written
    report.duplicates += appended.duplicates
    if quarantined:
        rows = quarantine_rows(quarantined, job.cluster, job.source, job.ingested_at, job.redactor)
        kept = lake.append("quarantine", rows)
        report.quarantined += kept.written
        report.duplicates += kept.duplicates
