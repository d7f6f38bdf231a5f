"""From the spool into the lake: a process of its own, so that an acknowledgement never waits for it.

``python -m ingest.committer`` is started by the sink. It reads commands as lines on standard input:
first its settings as JSON, then ``sealed`` (look for work) or ``stop`` (finish what is there, then exit).
End of input means that the sink died: it finishes the commit at hand and exits. On standard output it
reports as JSON lines (``Report``), on standard error it logs.

A segment is removed only after ``Lake.append`` returned, which means after the lake's own fsync. Dying
in between delivers it again, and append drops rows it has already.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa

from ingest.event import Quarantined
from ingest.intake import Post, decode_post, unseal
from ingest.redact import Redactor, load_redactor
from ingest.report import CommitterSettings, Counts, Report
from ingest.rows import quarantine_rows, rows
from ingest.spool import keep_damaged, locked, read_segment, sealed_segments, sync_folder
from ingest.telemetry import Log
from lake.delta import Lake
from lake.errors import AshiatoError, UsageError
from lake.schema import TIMESTAMP

SLICE_BYTES = 8 << 20
COMMIT_BYTES = 48 << 20
LONGEST_PAUSE_SECONDS = 30.0
ORPHAN_SECONDS = 20.0


@dataclass(slots=True)
class _Batch:
    """Posts on their way into the lake, by cluster."""

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    quarantined: dict[str, list[pa.Table]] = field(default_factory=dict)
    bytes: int = 0


class Committer:
    """Turns sealed segments into rows of the lake, and removes them."""

    def __init__(self, lake: Lake, folder: Path, redactor: Redactor, log: Log) -> None:
        self._lake = lake
        self._folder = folder
        self._redactor = redactor
        self._log = log

    def commit(self, segments: list[Path]) -> Report:
        """Bring whole *segments* into the lake; says what became of their items."""
        began = time.monotonic()
        counts: dict[str, Counts] = {}
        damaged: set[Path] = set()
        batch = _Batch()
        total = 0
        for segment in segments:
            total += segment.stat().st_size
            for group in _slices(segment, damaged):
                self._add(batch, group)
                if batch.bytes >= COMMIT_BYTES:
                    self._append(batch, counts)
                    batch = _Batch()
        self._append(batch, counts)
        names = [segment.name for segment in segments]
        seconds = time.monotonic() - began
        for cluster, count in counts.items():
            # Before the segments go: an account of every segment is in the log, whenever this process dies.
            self._log(
                "info",
                "committed",
                cluster=cluster,
                received=count.received,
                written=count.written,
                duplicates=count.duplicates,
                quarantined=count.quarantined,
                segments=names,
                seconds=round(seconds, 3),
            )
        return Report("committed", names, sorted(path.name for path in damaged), counts, total, seconds)

    def finish(self, segments: list[Path], damaged: set[Path]) -> None:
        """Remove segments that the lake holds; damaged ones are kept aside."""
        for segment in segments:
            if segment in damaged:
                keep_damaged(segment)
                self._log("error", "segment_damaged", kept=segment.with_suffix(".corrupt").name)
            else:
                segment.unlink(missing_ok=True)
        sync_folder(self._folder)

    def _add(self, batch: _Batch, posts: list[Post]) -> None:
        by_cluster: dict[tuple[str, str], list[Post]] = {}
        for post in posts:
            by_cluster.setdefault((post.cluster, post.source), []).append(post)
            batch.bytes += sum(map(len, post.events))
        for (cluster, source), group in by_cluster.items():
            table, strange = self._rows(group, cluster, source)
            batch.tables.setdefault(cluster, []).append(table)
            for post in group:
                items = unseal(post, self._redactor)
                if items:
                    table = quarantine_rows(items, cluster, source, _moment(post.received_at), self._redactor)
                    batch.quarantined.setdefault(cluster, []).append(table)
            if strange:
                table = quarantine_rows(strange, cluster, source, _moment(group[0].received_at), self._redactor)
                batch.quarantined.setdefault(cluster, []).append(table)

    def _rows(self, posts: list[Post], cluster: str, source: str) -> tuple[pa.Table, list[Quarantined]]:
        events = [event for post in posts for event in post.events]
        received = [post.received_at for post in posts for _ in post.events]
        strange: list[Quarantined] = []
        try:
            table = rows(events, cluster, source, _moment(posts[0].received_at))
        except Exception as error:  # noqa: BLE001 - find the events it stumbles over, keep all others
            self._log("error", "rows_failed", cluster=cluster, error=repr(error))
            good = [_works(event, cluster, source) for event in events]
            for event, reason in zip(events, good, strict=True):
                if reason is not None:
                    strange.append(Quarantined("internal-error", reason, event, "webhook"))
            events = [event for event, reason in zip(events, good, strict=True) if reason is None]
            received = [moment for moment, reason in zip(received, good, strict=True) if reason is None]
            table = rows(events, cluster, source, _moment(posts[0].received_at))
        # Every row says when its own post arrived.
        column = pa.array(received, pa.int64()).cast(TIMESTAMP)
        return table.set_column(table.schema.get_field_index("ingested_at"), "ingested_at", column), strange

    def _append(self, batch: _Batch, counts: dict[str, Counts]) -> None:
        for cluster, tables in batch.tables.items():
            count = counts.setdefault(cluster, Counts())
            table = pa.concat_tables(tables)
            if table.num_rows:
                appended = self._lake.append("events", table)
                count.received += table.num_rows
                count.written += appended.written
                count.duplicates += appended.duplicates
        for cluster, tables in batch.quarantined.items():
            count = counts.setdefault(cluster, Counts())
            table = pa.concat_tables(tables)
            kept = self._lake.append("quarantine", table)
            count.received += table.num_rows
            count.quarantined += kept.written
            count.duplicates += kept.duplicates


def _slices(segment: Path, damaged: set[Path]) -> Iterator[list[Post]]:
    """A segment's posts in groups of about SLICE_BYTES, which bounds the memory of building columns."""
    group: list[Post] = []
    size = 0
    for payload in read_segment(segment, lambda: damaged.add(segment)):
        try:
            group.append(decode_post(payload))
        except msgspec.DecodeError:
            # Whole, yet not ours to read: kept for a person, like any other damage.
            damaged.add(segment)
            continue
        size += len(payload)
        if size >= SLICE_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _works(event: bytes, cluster: str, source: str) -> str | None:
    try:
        rows([event], cluster, source, datetime.now(UTC))
    except Exception as error:  # noqa: BLE001 - its words become the reason
        return f"building its row stumbled: {type(error).__name__}"
    return None


def _moment(microseconds: int) -> datetime:
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


# --- the process -----------------------------------------------------------------------------------


class _Control:
    """What the sink says on standard input, read by a thread."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.orphaned = threading.Event()
        self._work = threading.Event()
        line = sys.stdin.readline()
        if not line:
            raise SystemExit(0)
        self.settings = msgspec.json.decode(line, type=CommitterSettings)
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == "stop":
                self.stop.set()
            self._work.set()
        self.orphaned.set()
        self.stop.set()
        self._work.set()
        # The commit at hand may end; should it hang, the next committer must not wait for ever.
        time.sleep(ORPHAN_SECONDS)
        os._exit(0)

    def wait(self, seconds: float) -> None:
        """Sleep until there may be work."""
        self._work.wait(seconds)
        self._work.clear()


def _report(report: Report) -> None:
    # The sink may be gone; the commit counts all the same.
    with suppress(OSError, ValueError):
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        sys.stdout.flush()


def main() -> int:
    """Run until told to stop."""
    # Ctrl-C reaches the whole process group; stopping is the sink's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = _Control()
    with suppress(OSError):
        # Acknowledgements come first; what waits here is on disk.
        os.nice(5)
    log = Log()
    folder = Path(control.settings.spool)

    def wait_for_lock() -> bool:
        control.wait(0.05)
        return not control.orphaned.is_set()

    try:
        with locked(folder, "committer.lock", wait_for_lock):
            return _run(control, folder, log)
    except AshiatoError as error:
        if not control.orphaned.is_set():
            _report(Report("fatal", code=error.code, message=error.message, hint=error.hint))
        return 1


def _run(control: _Control, folder: Path, log: Log) -> int:
    committer: Committer | None = None
    pause = 0.0
    # Building columns makes millions of objects and no cycles: collected by hand, between commits.
    gc.disable()
    commits = 0
    while True:
        try:
            if committer is None:
                key = control.settings.redaction_key_file
                redactor = load_redactor(Path(key) if key else None)
                committer = Committer(Lake.open(control.settings.lake, create=True), folder, redactor, log)
                _report(Report("ready"))
                done = [folder / name for name in control.settings.done]
                committer.finish([path for path in done if path.exists()], {path for path in done if _is_damaged(path)})
            segments = _next(folder, control.settings.recovered_until)
            if segments and not control.orphaned.is_set():
                report = committer.commit(segments)
                # Reported before they go: the sink then knows which ones must not be counted twice.
                _report(report)
                committer.finish(segments, {folder / name for name in report.damaged})
                commits += 1
                if commits % 20 == 0:
                    gc.collect()
            pause = 0.0
        except UsageError as error:
            _report(Report("fatal", code=error.code, message=error.message, hint=error.hint))
            return 2
        except Exception as error:  # noqa: BLE001 - whatever it is, the segments stay, and it is tried again
            pause = min(LONGEST_PAUSE_SECONDS, max(0.5, pause * 2))
            code, message = "commit-failed", f"{type(error).__name__}: {error}"
            if isinstance(error, AshiatoError):
                code, message = error.code, error.message
            log("error", "commit_failed", code=code, error=message, retry_seconds=pause)
            _report(Report("failed", code=code, message=message))
            # Its snapshot may be what is wrong.
            committer = None
            segments = []
            if control.stop.is_set():
                return 1
        if control.stop.is_set() and (control.orphaned.is_set() or not segments):
            return 0
        if pause:
            _sleep(control, pause)
        elif not segments:
            control.wait(1.0)


def _sleep(control: _Control, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not control.stop.is_set():
        control.wait(min(left, 0.5))


def _is_damaged(segment: Path) -> bool:
    found: list[Path] = []
    if segment.exists():
        for _ in read_segment(segment, lambda: found.append(segment)):
            pass
    return bool(found)


def _next(folder: Path, recovered_until: str) -> list[Path]:
    """The oldest segments, together about one commit's worth: a backlog goes in larger commits."""
    chosen: list[Path] = []
    total = 0
    for segment in sealed_segments(folder):
        size = segment.stat().st_size
        if chosen and total + size > COMMIT_BYTES:
            break
        if chosen and (segment.name <= recovered_until) != (chosen[0].name <= recovered_until):
            break
        chosen.append(segment)
        total += size
    return chosen


if __name__ == "__main__":
    sys.exit(main())
