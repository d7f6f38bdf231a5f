"""Importing files: every form people keep audit logs in, once, and nothing lost or invented."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest.export import events
from ingest.importer import ImportReport, import_files
from ingest.readers import MAX_LINE_BYTES, find_files, read_chunks
from ingest.redact import Redactor
from lake.delta import Lake
from lake.errors import AshiatoError, NothingToRead
from lake.query import connect, select

REDACTOR = Redactor(b"r" * 32)


def event(number: int, **changes: Any) -> dict[str, Any]:
    second = f"{number // 60 % 60:02d}:{number % 60:02d}.{number % 1_000_000:06d}Z"
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"00000000-0000-4000-8000-{number:012d}",
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/default/pods/p{number}",
        "verb": "get",
        "user": {"username": "alice", "groups": ["system:authenticated"]},
        "sourceIPs": ["192.0.2.10"],
        "objectRef": {"resource": "pods", "namespace": "default", "name": f"p{number}", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": f"2026-11-23T08:{second}",
        "stageTimestamp": f"2026-11-23T09:{second}",
        **changes,
    }


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(json.dumps(event(n)).encode() + b"\n" for n in range(start, start + count))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def run(lake: Lake | None, *paths: Path | str, **options: Any) -> ImportReport:
    report = import_files(lake, [str(path) for path in paths], "prod", REDACTOR, **options)
    assert report.received == report.written + report.duplicates + report.quarantined
    return report


def stored(lake: Lake) -> list[dict[str, Any]]:
    with connect(lake) as con:
        table = select(con, "SELECT * FROM events ORDER BY stage_at")
    return [json.loads(line) for line in events(table)]


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "lines.jsonl": lambda all_: b"".join(json.dumps(e).encode() + b"\n" for e in all_),
    "no-last-newline.log": lambda all_: b"\n".join(json.dumps(e).encode() for e in all_),
    "windows.log": lambda all_: b"\r\n".join(json.dumps(e).encode() for e in all_) + b"\r\n",
    "blank-lines.jsonl": lambda all_: b"\n\n".join(json.dumps(e).encode() for e in all_) + b"\n\n",
    "byte-order-mark.jsonl": lambda all_: b"\xef\xbb\xbf" + b"\n".join(json.dumps(e).encode() for e in all_),
    "list.json": lambda all_: json.dumps(
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": all_}
    ).encode(),
    "list-pretty.json": lambda all_: json.dumps({"kind": "EventList", "items": all_}, indent=2).encode(),
    "array.json": lambda all_: json.dumps(all_).encode(),
    "array-pretty.json": lambda all_: json.dumps(all_, indent=4).encode(),
    "lists-per-line.jsonl": lambda all_: b"".join(
        json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": all_[i : i + 3]}).encode() + b"\n"
        for i in range(0, len(all_), 3)
    ),
    "one-pretty.json": lambda all_: json.dumps(all_[0], indent=1).encode(),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("pack", ["plain", "gzip", "zstd", "gzip-members"])
def test_every_form_gives_the_same_events(lake: Lake, tmp_path: Path, name: str, pack: str) -> None:
    """However a log is wrapped and compressed, its events come out as they went in."""
    given = [event(n) for n in range(10)]
    data = FORMS[name](given)
    if pack == "gzip":
        data = gzip.compress(data)
    elif pack == "gzip-members":
        data = gzip.compress(data[:50]) + gzip.compress(data[50:])
    elif pack == "zstd":
        buffer = pa.BufferOutputStream()
        with pa.CompressedOutputStream(buffer, "zstd") as stream:
            stream.write(data)
        data = buffer.getvalue().to_pybytes()
    path = tmp_path / name
    path.write_bytes(data)

    report = run(lake, path)

    assert report.quarantined == 0
    assert stored(lake) == (given[:1] if name == "one-pretty.json" else given)


def test_importing_twice_adds_nothing(lake: Lake, tmp_path: Path) -> None:
    """The same file imported again, under another name and in other pieces, adds no row."""
    (tmp_path / "a.jsonl").write_bytes(lines(500))
    (tmp_path / "b.json").write_bytes(json.dumps([event(n) for n in range(500)]).encode())

    first = run(lake, tmp_path / "a.jsonl")
    again = run(lake, tmp_path / "a.jsonl", tmp_path / "b.json", chunk_bytes=7_000)

    assert (first.written, first.duplicates) == (500, 0)
    assert (again.written, again.duplicates) == (0, 1000)
    assert len(stored(lake)) == 500


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1000, 1 << 20])
def test_chunk_borders_cut_no_event(lake: Lake, tmp_path: Path, chunk_bytes: int) -> None:
    """Wherever a chunk ends, every line is read once and whole, and its number is right."""
    data = lines(40) + b"not json\n" + lines(3, 100)
    path = tmp_path / "audit.log"
    path.write_bytes(data)

    report = run(lake, path, chunk_bytes=chunk_bytes)

    assert (report.written, report.quarantined) == (43, 1)
    with connect(lake) as con:
        assert select(con, "SELECT origin FROM quarantine").to_pylist() == [{"origin": f"{path}:41"}]


def test_worker_processes_give_what_one_process_gives(lake: Lake, tmp_path: Path) -> None:
    """Decoding in other processes changes neither counts nor rows."""
    path = tmp_path / "audit.log"
    path.write_bytes(lines(3000) + b"{broken\n")

    report = run(lake, path, workers=2, chunk_bytes=200_000)

    assert (report.written, report.quarantined) == (3000, 1)
    assert stored(lake) == [event(n) for n in range(3000)]


def test_rotated_sets_and_folders_are_found(tmp_path: Path) -> None:
    """A folder gives its logs, rotated and compressed ones included, and nothing else."""
    names = [
        "audit.log",
        "audit.log.1",
        "audit.log.2.gz",
        "audit-2026-11-23T08-33-56.864.log",
        "audit-1.log.zst",
        "x.json",
    ]
    for name in [*names, "readme.md", ".hidden.log", "core.bin"]:
        (tmp_path / name).write_bytes(b"{}")

    assert sorted(Path(f).name for f in find_files([str(tmp_path)])) == sorted(names)
    assert [Path(f).name for f in find_files([str(tmp_path / "*.json")])] == ["x.json"]


def test_nothing_found_says_so(tmp_path: Path) -> None:
    """A path or pattern without a match, and a folder without logs, are errors that name them."""
    with pytest.raises(NothingToRead, match=r"nowhere\*\.log"):
        find_files([str(tmp_path / "nowhere*.log")])
    with pytest.raises(NothingToRead, match="no audit log"):
        find_files([str(tmp_path)])


def test_bad_lines_cost_only_themselves(lake: Lake, tmp_path: Path) -> None:
    """Each kind of bad line is quarantined whole with its own code, its neighbours are stored."""
    bad = {
        "json-invalid": b'{"kind": "Event", "auditID": tru',
        "kind-unknown": json.dumps(event(1, kind="Pod")).encode(),
        "field-missing": json.dumps({k: v for k, v in event(2).items() if k != "auditID"}).encode(),
        "field-type": json.dumps(event(3, verb=5)).encode(),
        "time-invalid": json.dumps(event(4, stageTimestamp="yesterday")).encode(),
    }
    path = tmp_path / "audit.log"
    path.write_bytes(lines(5, 100) + b"\n".join(bad.values()) + b"\n" + lines(5, 200))

    report = run(lake, path)

    assert report.written == 10
    assert report.reasons == dict.fromkeys(bad, 1)
    with connect(lake) as con:
        for row in select(con, "SELECT code, sealed FROM quarantine").to_pylist():
            assert REDACTOR.unseal(row["sealed"]) == bad[row["code"]]


def test_quarantine_is_not_repeated(lake: Lake, tmp_path: Path) -> None:
    """What was quarantined once is counted as stored already the second time."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"garbage\n")

    assert run(lake, path).quarantined == 1
    assert run(lake, path).duplicates == 1


def test_a_truncated_gzip_gives_what_it_holds_and_an_error(lake: Lake, tmp_path: Path) -> None:
    """A cut-off archive is read up to the cut, and the report names the file."""
    whole = gzip.compress(lines(2000), 0)
    (tmp_path / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "good.log").write_bytes(lines(10, 5000))

    report = run(lake, tmp_path / "cut.log.gz", tmp_path / "good.log", chunk_bytes=50_000)

    assert [error.code for error in report.errors] == ["compression-broken"]
    assert "cut.log.gz" in report.errors[0].message
    assert 500 < report.written < 2000


def test_a_gzip_bomb_is_refused_within_bounds(tmp_path: Path) -> None:
    """A file that inflates to one endless line stops with a clear error instead of filling the memory."""
    bomb = tmp_path / "bomb.log.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as stream:
        stream.write(b'{"kind":"Event","x":"')
        for _ in range(MAX_LINE_BYTES // (1 << 20) + 40):
            stream.write(b"a" * (1 << 20))
    assert bomb.stat().st_size < 1 << 20

    with pytest.raises(AshiatoError, match="no audit event"):
        for chunk in read_chunks(str(bomb)):
            assert len(chunk.data) <= MAX_LINE_BYTES


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    """Without a lake the same counts come out and nothing is stored."""
    path = tmp_path / "audit.log"
    path.write_bytes(lines(20) + b"garbage\n")

    report = run(None, path)

    assert (report.received, report.written, report.quarantined, report.dry_run) == (21, 20, 1, True)


def test_a_large_event_is_an_event(lake: Lake, tmp_path: Path) -> None:
    """An event of 5 MB is stored and comes back whole."""
    big = event(1, requestObject={"spec": "x" * 5_000_000})
    (tmp_path / "big.log").write_bytes(json.dumps(big).encode() + b"\n" + lines(1, 2))

    assert run(lake, tmp_path / "big.log").written == 2
    assert stored(lake)[0] == big
