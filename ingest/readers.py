"""Open what people keep audit logs in: files, folders, globs, standard input; plain, gzip, zstd.

Yields chunks of whole lines (JSON lines) or one whole document (an EventList or an array, pretty-printed
or not), never more than a bounded number of bytes at once, however far a file inflates.
"""

from __future__ import annotations

import glob
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import pyarrow as pa

from lake.errors import AshiatoError, NothingToRead

CHUNK_BYTES = 12 << 20
MAX_LINE_BYTES = 128 << 20
"""Longest line, and largest document: an EventList in one line is as long as it is."""
STANDARD_INPUT = "-"
_LOG_NAMES = (".json", ".jsonl", ".ndjson", ".log", ".audit", ".txt")
_COMPRESSED = (".gz", ".zst", ".zstd")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a file (``document`` False), or all of a file that is one JSON document.

    ``raw_bytes_read`` is how far into the file on disk this reaches. ``span`` says where in a plain file
    the bytes stand, for whoever calls ``load``; otherwise they are in ``data``.
    """

    origin: str
    data: bytes
    document: bool
    raw_bytes_read: int
    span: tuple[int, int] | None = None

    def load(self) -> bytes:
        """The bytes of this chunk; OSError when the file cannot be read any more."""
        if self.span is None:
            return self.data
        with Path(self.origin).open("rb") as file:
            file.seek(self.span[0])
            return file.read(self.span[1] - self.span[0])


def find_files(paths: Sequence[str]) -> list[str]:
    """The files that *paths* (files, folders, globs, ``-``) name, each once, in a stable order.

    In a folder: every file that looks like a log by its name, rotated ones (``audit.log.1``,
    ``audit-2026-11-23T08-33-56.864.log.gz``) included, hidden ones not. Raises NothingToRead.
    """
    found: dict[str, None] = {}
    for path in paths:
        if path == STANDARD_INPUT:
            found[path] = None
            continue
        matches = [path] if Path(path).exists() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            raise NothingToRead("file-not-found", f"there is no file, folder or match for {path}", "check the path")
        for match in matches:
            if Path(match).is_dir():
                inside = sorted(p for p in Path(match).rglob("*") if p.is_file() and _looks_like_log(p))
                found.update(dict.fromkeys(str(p) for p in inside))
            else:
                found[match] = None
    if not found:
        raise NothingToRead(
            "folder-empty",
            f"no audit log in {', '.join(paths)}",
            f"files should end in {', '.join(_LOG_NAMES)}, compressed or rotated; or name them one by one",
        )
    return list(found)


def _looks_like_log(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    name = path.name.lower()
    while any(name.endswith(end) for end in _COMPRESSED) or name.rsplit(".", 1)[-1].isdigit():
        name = name.rsplit(".", 1)[0]
        if "." not in name:
            break
    return name.endswith(_LOG_NAMES)


def total_bytes(files: Sequence[str]) -> int | None:
    """Bytes on disk of all *files*; None when standard input is among them."""
    if STANDARD_INPUT in files:
        return None
    return sum(Path(file).stat().st_size for file in files)


def read_chunks(origin: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """The content of one file in order.

    Raises AshiatoError: ``file-unreadable``, ``compression-broken`` (after yielding what could be read),
    ``line-too-long``, ``document-too-large``.
    """
    try:
        with _Input(origin) as (stream, position, spans):
            yield from _chunks(origin, stream, position, chunk_bytes, spans)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile) or "zstd" in str(error).lower():
            raise _broken(origin, error) from None
        raise AshiatoError(
            "file-unreadable", f"cannot read {origin}: {error.strerror or error}", "check the path and its permissions"
        ) from None
    except (EOFError, zlib.error, pa.ArrowException) as error:
        raise _broken(origin, error) from None


def _broken(origin: str, error: Exception) -> AshiatoError:
    return AshiatoError(
        "compression-broken",
        f"{origin} ends or breaks within its compressed data: {error}",
        "what came before it was read; fetch the file again and import it again: nothing is stored twice",
    )


class _Input:
    """Context manager over one input: its inflated bytes, where on disk one is, and perhaps the file.

    The file itself is given where its bytes need no inflating, so that others can read parts of it.
    """

    def __init__(self, origin: str) -> None:
        raw: IO[bytes] = sys.stdin.buffer if origin == STANDARD_INPUT else Path(origin).open("rb")  # noqa: SIM115 - closed by __exit__
        self._raw = raw
        counted = _Counted(raw)
        buffered = io.BufferedReader(cast("Any", counted), 1 << 20)
        magic = buffered.peek(4)[:4]
        self._stream: Any = buffered
        if magic[:2] == b"\x1f\x8b":
            self._stream = gzip.GzipFile(fileobj=buffered, mode="rb")
        elif magic == b"\x28\xb5\x2f\xfd":
            self._stream = pa.CompressedInputStream(pa.PythonFile(buffered, mode="r"), "zstd")
        plain = self._stream is buffered and raw is not sys.stdin.buffer and raw.seekable()
        self._spans = raw if plain else None
        self._position: Callable[[], int] = lambda: counted.count

    def __enter__(self) -> tuple[Any, Callable[[], int], IO[bytes] | None]:
        return self._stream, self._position, self._spans

    def __exit__(self, *exc: object) -> None:
        if self._raw is not sys.stdin.buffer:
            self._raw.close()


class _Counted(io.RawIOBase):
    """Counts what is read from a file, so that progress is in bytes on disk even when it inflates."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


def _chunks(
    origin: str, stream: Any, position: Callable[[], int], chunk_bytes: int, spans: IO[bytes] | None
) -> Iterator[Chunk]:
    rest = bytes(stream.read(chunk_bytes))
    while b"\n" not in rest and rest.lstrip()[:1] != b"[":
        more = bytes(stream.read(max(chunk_bytes, 1 << 16)))
        if not more:
            break
        rest += more
        _check_line(origin, 1, rest)
    if rest[:3] == b"\xef\xbb\xbf":
        rest = rest[3:]
    if _is_document(rest):
        yield Chunk(origin, _whole(origin, rest, stream), True, position())
        return
    if spans is not None:
        yield from _spans(origin, spans, chunk_bytes)
        return
    line = 1
    while rest:
        more = bytes(stream.read(max(1, chunk_bytes - len(rest)) if b"\n" in rest else chunk_bytes))
        cut = rest.rfind(b"\n") + 1 if more else len(rest)
        if cut == 0:
            rest += more
            _check_line(origin, line, rest)
            continue
        yield Chunk(origin, rest[:cut], False, position())
        line += rest.count(b"\n", 0, cut)
        rest = rest[cut:] + more


def _spans(origin: str, file: IO[bytes], chunk_bytes: int) -> Iterator[Chunk]:
    """Where the chunks of a plain file begin and end, each at the end of a line."""
    start = 3 if file.seek(0) == 0 and file.read(3) == b"\xef\xbb\xbf" else 0
    size = file.seek(0, io.SEEK_END)
    while start < size:
        file.seek(max(start, min(start + chunk_bytes, size) - 1))
        line = file.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            raise _line_too_long(f"{origin} at byte {start}")
        end = file.tell()
        yield Chunk(origin, b"", False, end, (start, end))
        start = end


def _check_line(origin: str, line: int, text: bytes) -> None:
    if len(text) > MAX_LINE_BYTES and b"\n" not in text:
        raise _line_too_long(f"{origin}:{line}")


def _line_too_long(place: str) -> AshiatoError:
    return AshiatoError(
        "line-too-long",
        f"{place}: a line of more than {MAX_LINE_BYTES >> 20} MiB is no audit event",
        "the lines before it were read; look at the file with: head -c 1000",
    )


def _is_document(head: bytes) -> bool:
    """One JSON document over several lines, or an array: anything that is not a JSON value per line."""
    text = head.lstrip()
    if text[:1] == b"[":
        return True
    if text[:1] != b"{":
        return False
    first = text.split(b"\n", 1)[0].strip()
    if first.endswith(b"}") and len(first) > 1:
        return False
    try:
        msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A broken first line followed by whole ones is a damaged JSON lines file, not a document.
        return not any(line.startswith(b'{"') and line.endswith(b"}") for line in text.split(b"\n")[1:50])
    return False


def _whole(origin: str, head: bytes, stream: Any) -> bytes:
    parts, size = [head], len(head)
    while True:
        more = bytes(stream.read(CHUNK_BYTES))
        if not more:
            return b"".join(parts)
        size += len(more)
        if size > MAX_LINE_BYTES:
            raise AshiatoError(
                "document-too-large",
                f"{origin} is one JSON document of more than {MAX_LINE_BYTES >> 20} MiB",
                "make it JSON lines first: jq -c '.items[]' or jq -c '.[]'",
            )
        parts.append(more)
