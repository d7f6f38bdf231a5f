"""The durable queue between a post and the lake: what is acknowledged is on disk first.

A spool is a folder of segment files. One front process appends records to the open segment
(``segment-<id>.open``); one write and one fsync serve every post that waits at that moment. After
``flush_seconds`` or ``flush_bytes`` the segment is renamed to ``.sealed``, and from then on belongs to
the committer, which removes it once the lake holds it. A damaged segment is kept as ``.corrupt``.

A segment is ``MAGIC``, a mark (8 random bytes, so that no payload can pretend to be a record), and then
records: the mark, length and CRC-32 of length and payload (both unsigned 32 bit, little endian), payload.
After a crash the tail that no fsync covered is cut: nobody was told that it is stored.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lake.errors import AshiatoError

MAGIC = b"ashiato spool 1\n"
MARK_BYTES = 8
_HEADER = struct.Struct(f"<{MARK_BYTES}sII")
_FIRST = len(MAGIC) + MARK_BYTES
MAX_RECORD_BYTES = 1 << 30
_NAME = re.compile(r"segment-(\d{16})-[0-9a-f]{4}\.(open|sealed|corrupt)")
# fdatasync writes the file's size too, which is all of its metadata that reading it back needs.
_sync_data = getattr(os, "fdatasync", os.fsync)


class SpoolFull(Exception):
    """There is no room: the spool is at its bound, the disk is full, or it refused."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What lies in the spool; ``oldest_at`` is Unix time in seconds, None when it is empty."""

    segments: int
    bytes: int
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What opening found: sealed segments of an earlier run, bytes of torn tails cut, damaged segments kept aside."""

    names: tuple[str, ...] = ()
    bytes: int = 0
    torn_bytes: int = 0
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """One segment's records: spans of good payloads, and where the last good record ends.

    ``damaged`` is True when something unreadable lies between good records or at the very start.
    """

    spans: tuple[tuple[int, int], ...]
    good_end: int
    size: int
    damaged: bool


Done = Callable[[Exception | None], None]


@dataclass(slots=True)
class _Pending:
    payload: bytes
    done: Done


def segment_head() -> bytes:
    """The first bytes of a new segment: MAGIC and its own mark."""
    return MAGIC + secrets.token_bytes(MARK_BYTES)


def frame(head: bytes, payload: bytes) -> bytes:
    """What stands before *payload* in the segment that begins with *head*."""
    length = len(payload)
    return _HEADER.pack(head[len(MAGIC) :], length, _checksum(length, payload))


def _checksum(length: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "little")))


def scan(data: bytes) -> Scan:
    """Find the good records of a segment's bytes, also behind a damaged place. Never raises."""
    view = memoryview(data)
    size = len(data)
    if size < _FIRST + _HEADER.size:
        # Too short for a record: a crash while the file was made.
        return Scan((), 0, size, False)
    damaged = not data.startswith(MAGIC)
    own_mark = data[len(MAGIC) : _FIRST]
    # A damaged head does not cost the records: the mark stands in each of them.
    marks = [own_mark, data[_FIRST : _FIRST + MARK_BYTES]]
    for mark in marks:
        spans: list[tuple[int, int]] = []
        position = good_end = _FIRST
        while 0 <= position <= size - _HEADER.size:
            found, length, checksum = _HEADER.unpack_from(view, position)
            begin = position + _HEADER.size
            end = begin + length
            if found == mark and end <= size and _checksum(length, view[begin:end]) == checksum:
                damaged = damaged or position != good_end or mark != own_mark
                spans.append((begin, end))
                position = good_end = end
            else:
                position = data.find(mark, position + 1)
        if spans:
            return Scan(tuple(spans), good_end, size, damaged)
    return Scan((), 0, size, damaged)


def read_segment(path: Path, on_damage: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    """The payloads of a segment in the order they were acknowledged.

    Damaged places are skipped; ``on_damage()`` is called once when there is one.
    """
    with path.open("rb") as file:
        head = file.read(_FIRST)
        read = 0
        good = head.startswith(MAGIC)
        while good:
            header = file.read(_HEADER.size)
            if not header:
                return
            if len(header) < _HEADER.size:
                break
            mark, length, checksum = _HEADER.unpack(header)
            if mark != head[len(MAGIC) :] or length > MAX_RECORD_BYTES:
                break
            payload = file.read(length)
            good = len(payload) == length and _checksum(length, payload) == checksum
            if good:
                read += 1
                yield payload
        file.seek(0)
        data = file.read()
    on_damage()
    for begin, end in scan(data).spans[read:]:
        yield data[begin:end]


def sealed_segments(folder: Path) -> list[Path]:
    """The committer's work, oldest first."""
    return sorted(path for path in folder.iterdir() if _state(path.name) == "sealed")


def _state(name: str) -> str | None:
    match = _NAME.fullmatch(name)
    return match.group(2) if match else None


def _born_at(name: str) -> float:
    match = _NAME.fullmatch(name)
    return int(match.group(1)) / 1e6 if match else time.time()


def sync_folder(folder: Path) -> None:
    """Make new, renamed and removed names of *folder* durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path, name: str, wait: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock file *name* of a spool; ``wait()`` is asked between tries, False gives up.

    The kernel lets go of it when the process dies, however it dies. Raises AshiatoError ``spool-busy``.
    """
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                if not wait():
                    raise AshiatoError(
                        "spool-busy",
                        f"another sink uses the spool {folder}",
                        "one spool belongs to one sink: stop the other one, or give --spool another folder",
                    ) from None
        yield
    finally:
        os.close(descriptor)


def prepare(folder: Path) -> None:
    """Make the spool's folder (mode 0700). Raises AshiatoError ``spool-not-writable``."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        sync_folder(folder.parent)
        probe = folder / ".probe"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise AshiatoError(
            "spool-not-writable",
            f"cannot write into the spool {folder}: {error.strerror}",
            "check the path, its owner and the disk",
        ) from None


def recover(folder: Path) -> Recovered:
    """Seal what an earlier run left open, cutting torn tails. The caller holds the sink's lock."""
    names: list[str] = []
    total = torn = damaged = 0
    for path in sorted(folder.iterdir()):
        state = _state(path.name)
        if state == "open":
            data = path.read_bytes()
            found = scan(data)
            if found.damaged:
                # Kept whole and aside for a person; its good records go on under the sealed name.
                damaged += 1
                _set_aside(path, data)
            if not found.spans:
                path.unlink()
                torn += 0 if found.damaged else found.size
                continue
            if found.good_end < found.size:
                torn += found.size - found.good_end
                with path.open("r+b") as file:
                    file.truncate(found.good_end)
                    os.fsync(file.fileno())
            sealed = path.rename(path.with_suffix(".sealed"))
            names.append(sealed.name)
            total += found.good_end
        elif state == "sealed":
            # The committer of the run before may just be ending its work: what it removes needs nobody.
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
                names.append(path.name)
    sync_folder(folder)
    return Recovered(tuple(sorted(names)), total, torn, damaged)


def _set_aside(path: Path, data: bytes) -> None:
    target = path.with_suffix(".corrupt")
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def keep_damaged(path: Path) -> None:
    """Keep a sealed segment that is damaged as ``.corrupt`` (its good records are in the lake by now)."""
    path.rename(path.with_suffix(".corrupt"))
    sync_folder(path.parent)


class Spool:
    """The front's end of the spool: append, group commit, seal. Thread-safe.

    ``on_sealed`` is called from the spool's thread after a segment became the committer's;
    ``on_written(seconds)`` after each write and fsync; ``on_error(OSError)`` after each that failed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        flush_seconds: float,
        flush_bytes: int,
        max_bytes: int,
        min_free_bytes: int,
        on_sealed: Callable[[], None] = lambda: None,
        on_written: Callable[[float], None] = lambda seconds: None,
        on_error: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        self.folder = folder
        self._flush_seconds = flush_seconds
        self._flush_bytes = flush_bytes
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._on_sealed = on_sealed
        self._on_written = on_written
        self._on_error = on_error
        self._condition = threading.Condition()
        self._pending: list[_Pending] = []
        self._closing = False
        self._descriptor = -1
        self._path: Path | None = None
        self._good_end = 0
        self._opened_at = 0.0
        # Names go up even if the clock went back.
        self._last_id = max(
            (int(_born_at(path.name) * 1e6) for path in folder.iterdir() if _state(path.name)), default=0
        )
        self._last_error: OSError | None = None
        self._head = b""
        self._used: tuple[float, int] | None = None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, payload: bytes, done: Done) -> None:
        """Make *payload* durable; ``done(None)`` is called from the spool's thread after the fsync.

        On failure ``done(error)`` instead, with SpoolFull: nothing of it is kept.
        """
        with self._condition:
            if self._closing:
                raise SpoolFull("the sink is stopping")
            self._pending.append(_Pending(payload, done))
            self._condition.notify()

    def waiting(self) -> Waiting:
        """What lies in the spool now."""
        count = total = 0
        oldest: float | None = None
        for entry in os.scandir(self.folder):
            state = _state(entry.name)
            if state in ("open", "sealed"):
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue
                count += 1
                born = _born_at(entry.name)
                oldest = born if oldest is None else min(oldest, born)
        return Waiting(count, total, oldest)

    def refusal(self, more_bytes: int = 0) -> str | None:
        """Why the spool would not take *more_bytes* now, or None."""
        reason = self._no_room(more_bytes)
        if reason is None and self._last_error is not None:
            return f"the last write to the spool failed: {self._last_error.strerror}"
        return reason

    def _no_room(self, more_bytes: int) -> str | None:
        try:
            used = self._used_bytes()
            disk = os.statvfs(self.folder)
        except OSError as error:
            return f"the spool cannot be read: {error.strerror}"
        if used + more_bytes > self._max_bytes:
            return f"the spool holds {used} bytes of at most {self._max_bytes}: the lake does not keep up"
        free = disk.f_bavail * disk.f_frsize
        if free - more_bytes < self._min_free_bytes:
            return f"the spool's disk has {free} bytes free, less than the {self._min_free_bytes} kept for the lake"
        return None

    def _used_bytes(self) -> int:
        """Bytes in the spool, looked up at most twice a second: a long outage leaves many segments."""
        now = time.monotonic()
        used = self._used
        if used is None or now - used[0] > 0.5:
            used = self._used = (now, self.waiting().bytes)
        return used[1]

    def probe(self) -> str | None:
        """Try a small durable write where the last one failed; what is wrong still, or None."""
        if self._last_error is None:
            return None
        path = self.folder / ".probe"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, bytes(4096))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                path.unlink()
        except OSError as error:
            return f"the spool refuses writes: {error.strerror}"
        self._last_error = None
        return None

    def close(self) -> None:
        """Write what waits, seal the open segment, stop."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    # --- the spool's own thread --------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._pending and not self._closing:
                    timeout = None
                    if self._path is not None:
                        timeout = self._opened_at + self._flush_seconds - time.monotonic()
                        if timeout <= 0:
                            break
                    self._condition.wait(timeout)
                batch, self._pending = self._pending, []
                closing = self._closing
            if batch:
                try:
                    error = self._write([item.payload for item in batch])
                except Exception as unexpected:  # noqa: BLE001 - senders must hear that it is not stored
                    self._cut()
                    error = SpoolFull(f"cannot write to the spool: {unexpected!r}")
                for item in batch:
                    item.done(error)
                batch.clear()
            if self._path is not None and (
                closing
                or self._good_end >= self._flush_bytes
                or time.monotonic() - self._opened_at >= self._flush_seconds
            ):
                self._seal()
            if closing and not self._pending:
                return

    def _write(self, payloads: Sequence[bytes]) -> Exception | None:
        began = time.perf_counter()
        total = sum(len(payload) + _HEADER.size for payload in payloads)
        refusal = self._no_room(total)
        if refusal is not None:
            return SpoolFull(refusal)
        try:
            if self._path is None:
                self._open()
            for payload in payloads:
                _write_all(self._descriptor, frame(self._head, payload))
                _write_all(self._descriptor, payload)
        except OSError as error:
            self._failed(error)
            self._cut()
            return SpoolFull(f"cannot write to the spool: {error.strerror}")
        try:
            _sync_data(self._descriptor)
            if os.fstat(self._descriptor).st_nlink == 0:
                # A cleaner of temporary files, or a person: what has no name is gone with this process.
                raise FileNotFoundError(errno.ENOENT, "the segment was removed from under the sink")
        except OSError as error:
            # Linux may have dropped the dirty pages and will call the next fsync a success:
            # nothing more goes into this file, and what was not acknowledged is cut off.
            self._failed(error)
            self._cut()
            self._seal()
            return SpoolFull(f"cannot sync the spool: {error.strerror}")
        self._good_end += total
        self._last_error = None
        if self._used is not None:
            self._used = (self._used[0], self._used[1] + total)
        self._on_written(time.perf_counter() - began)
        return None

    def _failed(self, error: OSError) -> None:
        self._last_error = error
        self._on_error(error)

    def _open(self) -> None:
        now = max(int(time.time() * 1e6), self._last_id + 1)
        path = self.folder / f"segment-{now:016d}-{secrets.token_hex(2)}.open"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._descriptor, self._path, self._good_end = descriptor, path, 0
        self._last_id = now
        self._opened_at = time.monotonic()
        self._head = segment_head()
        _write_all(descriptor, self._head)
        sync_folder(self.folder)
        self._good_end = len(self._head)

    def _cut(self) -> None:
        """Take the file back to its last acknowledged record; an empty one goes altogether."""
        if self._path is None:
            return
        try:
            os.ftruncate(self._descriptor, self._good_end)
            if self._good_end <= _FIRST or os.fstat(self._descriptor).st_nlink == 0:
                self._path.unlink(missing_ok=True)
                os.close(self._descriptor)
                self._path, self._descriptor = None, -1
        except OSError:
            # What stays behind is whole records nobody was told of: stored once more, and dropped as duplicates,
            # or a torn one, which is cut when it is read.
            self._seal()

    def _seal(self) -> None:
        path, descriptor = self._path, self._descriptor
        if path is None:
            return
        self._path, self._descriptor = None, -1
        try:
            os.close(descriptor)
            path.rename(path.with_suffix(".sealed"))
            sync_folder(self.folder)
        except OSError as error:
            # It stays .open and is recovered at the next start; its records are on disk.
            self._failed(error)
            return
        self._on_sealed()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
