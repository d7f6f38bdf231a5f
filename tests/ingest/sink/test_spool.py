"""The spool: what it was told to keep it gives back, whatever happened to the file's end."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ingest.spool
from ingest.spool import (
    Spool,
    SpoolFull,
    frame,
    locked,
    prepare,
    read_segment,
    recover,
    scan,
    sealed_segments,
    segment_head,
)
from lake.errors import AshiatoError

PAYLOADS = st.lists(st.binary(max_size=60), max_size=8)


def segment(payloads: list[bytes], head: bytes | None = None) -> bytes:
    head = head or segment_head()
    return head + b"".join(frame(head, payload) + payload for payload in payloads)


def open_spool(folder: Path, **settings: object) -> Spool:
    prepare(folder)
    given = {"flush_seconds": 60.0, "flush_bytes": 1 << 20, "max_bytes": 1 << 30, "min_free_bytes": 0, **settings}
    return Spool(folder, **given)  # type: ignore[arg-type]


def append(spool: Spool, payload: bytes) -> Exception | None:
    done = threading.Event()
    result: list[Exception | None] = []
    spool.append(payload, lambda error: (result.append(error), done.set()))  # type: ignore[func-returns-value]
    assert done.wait(10)
    return result[0]


def stored(folder: Path) -> list[bytes]:
    return [payload for path in sealed_segments(folder) for payload in read_segment(path)]


@given(PAYLOADS)
def test_records_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]) -> None:
    """Every payload comes back, in order, and an undamaged segment is not called damaged."""
    path = tmp_path_factory.mktemp("spool") / "segment-0000000000000001-abcd.sealed"
    path.write_bytes(segment(payloads))
    damage: list[bool] = []

    assert list(read_segment(path, lambda: damage.append(True))) == payloads
    assert damage == []
    data = path.read_bytes()
    assert [data[begin:end] for begin, end in scan(data).spans] == payloads


@given(PAYLOADS.filter(bool))
def test_a_torn_end_costs_only_the_record_it_tears(payloads: list[bytes]) -> None:
    """Cut at every byte, a segment gives all records before the cut, and the cut is no damage."""
    head = segment_head()
    data = segment(payloads, head)
    ends = [len(segment(payloads[:count], head)) for count in range(len(payloads) + 1)]

    for cut in range(len(data) + 1):
        found = scan(data[:cut])
        whole = [end for end in ends[1:] if end <= cut]
        assert len(found.spans) == len(whole)
        assert not found.damaged
        if whole:
            assert found.good_end == whole[-1]


@given(PAYLOADS.filter(bool), st.data())
def test_a_changed_byte_costs_one_record_at_most(payloads: list[bytes], data: st.DataObject) -> None:
    """Whatever byte rots, the other records come back unchanged and nothing is made up."""
    text = bytearray(segment(payloads))
    position = data.draw(st.integers(0, len(text) - 1))
    text[position] ^= data.draw(st.integers(1, 255))

    found = [bytes(text[begin:end]) for begin, end in scan(bytes(text)).spans]

    lost = list(payloads)
    for payload in found:
        assert payload in lost
        lost.remove(payload)
    assert len(lost) <= 1


def test_a_payload_cannot_pretend_to_be_a_record() -> None:
    """Bytes of a client that look like a record of another segment are not read as one behind a damaged place."""
    forged = segment([b"forged"])
    text = bytearray(segment([b"first", b"x" + forged, b"last"]))
    text[text.index(b"x" + forged)] ^= 1

    assert [bytes(text[begin:end]) for begin, end in scan(bytes(text)).spans] == [b"first", b"last"]
    assert scan(bytes(text)).damaged


def test_the_open_segment_of_a_crash_is_cut_and_sealed(tmp_path: Path) -> None:
    """After a crash the acknowledged records go on, the torn one goes, and an empty file leaves nothing."""
    prepare(tmp_path)
    torn = segment([b"one", b"two"]) + b"\x00" * 5
    (tmp_path / "segment-0000000000000001-aaaa.open").write_bytes(torn)
    (tmp_path / "segment-0000000000000002-aaaa.open").write_bytes(segment_head())
    (tmp_path / "segment-0000000000000003-aaaa.sealed").write_bytes(segment([b"three"]))

    recovered = recover(tmp_path)

    assert stored(tmp_path) == [b"one", b"two", b"three"]
    assert recovered.names == ("segment-0000000000000001-aaaa.sealed", "segment-0000000000000003-aaaa.sealed")
    assert recovered.torn_bytes == 5 + len(segment_head())
    assert recovered.damaged == 0


def test_damage_in_the_middle_is_kept_for_a_person(tmp_path: Path) -> None:
    """A record that rotted between good ones is not skipped in silence: the whole file stays as .corrupt."""
    prepare(tmp_path)
    data = bytearray(segment([b"one", b"two", b"three"]))
    data[data.index(b"two")] ^= 1
    (tmp_path / "segment-0000000000000001-aaaa.open").write_bytes(data)

    recovered = recover(tmp_path)

    assert recovered.damaged == 1
    assert (tmp_path / "segment-0000000000000001-aaaa.corrupt").read_bytes() == data
    assert stored(tmp_path) == [b"one", b"three"]


def test_appended_is_durable_and_private(tmp_path: Path) -> None:
    """Once done is called the record is in a file that only the owner may read; closing seals it."""
    folder = tmp_path / "spool"
    spool = open_spool(folder)

    assert append(spool, b"one") is None

    (path,) = folder.glob("segment-*.open")
    assert path.read_bytes().endswith(b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    spool.close()
    assert stored(folder) == [b"one"]
    with pytest.raises(SpoolFull):
        spool.append(b"two", lambda error: None)


def test_concurrent_appends_share_an_fsync(tmp_path: Path) -> None:
    """Many appends at once are all stored once, with fewer fsyncs than appends."""
    written: list[float] = []
    spool = open_spool(tmp_path / "spool", on_written=written.append)
    payloads = [b"%04d" % number for number in range(400)]
    gate = threading.Semaphore(0)

    for payload in payloads:
        spool.append(payload, lambda error: gate.release())
    for _ in payloads:
        assert gate.acquire(timeout=10)
    spool.close()

    assert stored(tmp_path / "spool") == payloads
    assert len(written) < len(payloads)


def test_segments_are_sealed_by_size_and_by_age(tmp_path: Path) -> None:
    """A segment is handed over at flush_bytes, and a small one after flush_seconds."""
    sealed = threading.Semaphore(0)
    spool = open_spool(tmp_path / "spool", flush_bytes=100, flush_seconds=0.1, on_sealed=sealed.release)

    assert append(spool, b"x" * 200) is None
    assert sealed.acquire(timeout=5)
    assert append(spool, b"small") is None
    assert sealed.acquire(timeout=5)

    assert stored(tmp_path / "spool") == [b"x" * 200, b"small"]
    spool.close()


def test_the_bound_on_size_refuses_and_keeps_nothing(tmp_path: Path) -> None:
    """Over max_bytes a record is refused with the reason, and not a byte of it stays."""
    spool = open_spool(tmp_path / "spool", max_bytes=1000)
    assert append(spool, b"fits") is None

    error = append(spool, b"x" * 2000)

    assert isinstance(error, SpoolFull)
    assert "at most 1000" in str(error)
    spool.close()
    assert stored(tmp_path / "spool") == [b"fits"]


def test_a_disk_nearly_full_refuses(tmp_path: Path) -> None:
    """min_free_bytes of the disk are left for the lake."""
    spool = open_spool(tmp_path / "spool", min_free_bytes=1 << 60)

    error = append(spool, b"one")

    assert "kept for the lake" in str(error)
    spool.close()


def test_after_a_failed_fsync_the_file_is_not_trusted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed fsync refuses its records, keeps those acknowledged before, and the next ones get a new file."""
    spool = open_spool(tmp_path / "spool")
    assert append(spool, b"before") is None
    (first,) = (tmp_path / "spool").glob("segment-*.open")

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(ingest.spool, "_sync_data", broken)
        error = append(spool, b"lost")
    assert isinstance(error, SpoolFull)
    assert spool.refusal() is not None
    assert spool.probe() is None
    assert spool.refusal() is None
    assert append(spool, b"after") is None

    assert first.with_suffix(".sealed").exists()
    spool.close()
    assert stored(tmp_path / "spool") == [b"before", b"after"]


def test_a_segment_removed_from_under_the_sink_is_noticed(tmp_path: Path) -> None:
    """What a cleaner of temporary files removes cannot be acknowledged; the next record gets a new file."""
    spool = open_spool(tmp_path / "spool")
    assert append(spool, b"before") is None
    for path in (tmp_path / "spool").glob("segment-*"):
        path.unlink()

    assert "removed" in str(append(spool, b"refused"))
    assert append(spool, b"after") is None

    spool.close()
    assert stored(tmp_path / "spool") == [b"after"]


def test_names_go_up_though_the_clock_goes_back(tmp_path: Path) -> None:
    """A new segment sorts behind those of an earlier run, even if these are from the future."""
    prepare(tmp_path)
    (tmp_path / "segment-9000000000000000-aaaa.sealed").write_bytes(segment([b"one"]))

    spool = open_spool(tmp_path)
    assert append(spool, b"two") is None
    spool.close()

    assert stored(tmp_path) == [b"one", b"two"]


def test_one_sink_at_a_time(tmp_path: Path) -> None:
    """A second sink on the same spool is told so; when the first one is gone it may start."""
    with (
        locked(tmp_path, "sink.lock", lambda: False),
        pytest.raises(AshiatoError) as caught,
        locked(tmp_path, "sink.lock", lambda: False),
    ):
        pass
    assert caught.value.code == "spool-busy"

    with locked(tmp_path, "sink.lock", lambda: False):
        pass
