"""Import audit logs from files: the same decode, redact and append as the webhook's.

Decoding runs in worker processes where there is enough to do; this process drops what is stored
already, writes and commits. Memory is bounded by the chunks in flight, not by the file.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Protocol

import pyarrow as pa

from ingest.event import Decoded, NotAnEvent, Quarantined, decode, split
from ingest.readers import CHUNK_BYTES, Chunk, find_files, read_chunks, total_bytes
from ingest.redact import Redactor
from ingest.rows import event_table, quarantine_rows
from lake.errors import AshiatoError, UsageError

SMALL_INPUT_BYTES = 6 << 20
SOURCES = ("auto", "apiserver")


class Appended(Protocol):
    """What an append tells."""

    written: int
    duplicates: int


class Target(Protocol):
    """Where rows go: ``lake.delta.Lake``."""

    def append(self, name: str, rows: pa.Table) -> Appended: ...


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
class _Decoded:
    events: pa.Table
    quarantined: list[Quarantined]


def import_files(
    lake: Target | None,
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
    job = _Job(cluster, name, datetime.now(UTC), redactor)
    count = workers if workers is not None else (0 if total is not None and total < SMALL_INPUT_BYTES else _workers())
    done_bytes = 0

    def finish(chunk: Chunk, decoded: _Decoded) -> None:
        _store(lake, decoded, job, report)
        report.bytes_read = done_bytes + chunk.raw_bytes_read
        on_progress(Progress(report.bytes_read, total, report))

    decoded_chunks = _decode_all(_all_chunks(files, chunk_bytes, report), job, count)
    previous: Chunk | None = None
    for chunk, decoded in decoded_chunks:
        if previous is not None and previous.origin != chunk.origin:
            done_bytes += previous.raw_bytes_read
        previous = chunk
        finish(chunk, decoded)
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


def _decode_all(chunks: Iterator[Chunk], job: _Job, workers: int) -> Iterator[tuple[Chunk, _Decoded]]:
    if workers == 0:
        for chunk in chunks:
            yield chunk, _decode_chunk(chunk, job)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        waiting: deque[tuple[Chunk, Future[_Decoded]]] = deque()
        for chunk in chunks:
            waiting.append((_without_data(chunk), pool.submit(_decode_chunk, chunk, job)))
            if len(waiting) > workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _without_data(chunk: Chunk) -> Chunk:
    return Chunk(chunk.origin, b"", chunk.first_line, chunk.document, chunk.raw_bytes_read)


def _start_worker() -> None:
    # A chunk makes millions of objects and no cycles: the collector would only walk them again and again.
    gc.disable()


def _decode_chunk(chunk: Chunk, job: _Job) -> _Decoded:
    decoded: list[Decoded] = []
    quarantined: list[Quarantined] = []
    if chunk.document:
        pieces = [(piece, chunk.origin) for piece in split(chunk.data)]
        for index, (piece, origin) in enumerate(pieces):
            _decode_piece(piece, f"{origin}[{index}]", job, decoded, quarantined)
    else:
        for number, line in enumerate(chunk.data.split(b"\n"), chunk.first_line):
            if not line or line.isspace():
                continue
            try:
                item = decode(line)
            except NotAnEvent:
                origin = f"{chunk.origin}:{number}"
                for piece in split(line):
                    _decode_piece(piece, origin, job, decoded, quarantined)
                continue
            job.redactor.redact(line, item)
            decoded.append(item)
    return _Decoded(event_table(decoded, job.cluster, job.source, job.ingested_at), quarantined)


def _decode_piece(
    piece: bytes | Quarantined, origin: str, job: _Job, decoded: list[Decoded], quarantined: list[Quarantined]
) -> None:
    if isinstance(piece, Quarantined):
        quarantined.append(Quarantined(piece.code, piece.reason, piece.payload, origin))
        return
    try:
        item = decode(piece)
    except NotAnEvent as error:
        quarantined.append(Quarantined(error.code, error.reason, piece, origin))
        return
    job.redactor.redact(piece, item)
    decoded.append(item)


def _store(lake: Target | None, decoded: _Decoded, job: _Job, report: ImportReport) -> None:
    count = decoded.events.num_rows
    report.received += count + len(decoded.quarantined)
    if count:
        times = decoded.events["stage_at"]
        lowest, highest = pa.compute.min(times).as_py(), pa.compute.max(times).as_py()
        report.first = min(report.first or lowest, lowest)
        report.last = max(report.last or highest, highest)
    for item in decoded.quarantined:
        report.reasons[item.code] = report.reasons.get(item.code, 0) + 1
    if lake is None:
        report.written += count
        report.quarantined += len(decoded.quarantined)
        return
    if count:
        appended = lake.append("events", decoded.events)
        report.written += appended.written
        report.duplicates += appended.duplicates
    if decoded.quarantined:
        rows = quarantine_rows(decoded.quarantined, job.cluster, job.source, job.ingested_at, job.redactor)
        kept = lake.append("quarantine", rows)
        report.quarantined += kept.written
        report.duplicates += kept.duplicates
