"""A full disk and a hundred greedy senders: the sink refuses politely, and forgets nothing."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import audit_event, audit_events, event_list
from tests.ingest.sink.process import SinkProcess

StartSink = Callable[..., SinkProcess]
MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


# The spool looks before it writes. Looking is no proof that there will be room: with a negative margin it is not
# asked, and the write itself meets the end of the disk.
LOOKING, NOT_LOOKING = 0, -(1 << 40)


@pytest.mark.parametrize("margin", [LOOKING, NOT_LOOKING])
def test_a_full_disk_loses_nothing(start_sink: StartSink, small_disk: Path, margin: int) -> None:
    """ENOSPC in the middle of a record: 503 with Retry-After; when there is space again the same batch is stored."""
    sink = start_sink(spool=small_disk / "spool", min_free_bytes=margin, flush_seconds=0.5)
    assert sink.post(event_list(audit_events(20))).status == 200
    sink.wait_committed()
    assert sink.post(event_list(audit_events(20, start=20))).status == 200
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    # Room for some of the next record, not for all of it.
    ballast.write_bytes(bytes(free - 64 * 1024))
    body = event_list([audit_event(n, {"level": "Request", "requestObject": {"x": "y" * 9000}}) for n in range(40, 60)])

    answer = sink.post(body)
    assert answer.status == 503
    assert answer.retry_after == 5
    small = sink.post(event_list(audit_events(1, start=70)))

    assert (sink.metric("spool_errors_total") > 0) == (margin == NOT_LOOKING)

    ballast.unlink()
    sink.wait_until(lambda: sink.post(body).status == 200)
    if small.status != 200:
        sink.wait_until(lambda: sink.post(event_list(audit_events(1, start=70))).status == 200)
    sink.wait_committed()

    expected = [event["auditID"] for n in (range(40), range(40, 60), [70]) for event in map(audit_event, n)]
    assert sorted(sink.audit_ids()) == sorted(expected)
    assert sink.metric("requests_total", 'outcome="storage"') >= 1


@pytest.mark.parametrize("margin", [LOOKING, NOT_LOOKING])
def test_a_disk_that_fills_during_a_write(start_sink: StartSink, small_disk: Path, margin: int) -> None:
    """Many senders fill the disk to its last byte: each batch is stored in the end, and stored once."""
    sink = start_sink(spool=small_disk / "spool", min_free_bytes=margin, flush_seconds=0.1)
    bodies = [
        event_list(
            [
                audit_event(sender * 1000 + n, {"level": "Request", "requestObject": {"x": "y" * 30_000}})
                for n in range(20)
            ]
        )
        for sender in range(12)
    ]
    statuses: list[int] = []

    def send(body: bytes) -> None:
        with sink.client() as client:
            while True:
                answer = client.post(body)
                statuses.append(answer.status)
                if answer.status == 200:
                    return
                assert answer.status == 503
                assert answer.retry_after is not None
                threading.Event().wait(0.05)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    sink.wait_committed()

    assert 503 in statuses
    assert sorted(sink.audit_ids()) == sorted(
        audit_event(sender * 1000 + n)["auditID"] for sender in range(12) for n in range(20)
    )


def test_lake_and_spool_on_one_full_disk_recover(start_sink: StartSink, small_disk: Path) -> None:
    """With the lake on the full disk too, nothing acknowledged is lost, and all of it arrives once there is space."""
    sink = start_sink(spool=small_disk / "spool", lake=str(small_disk / "lake"), min_free_bytes=0, flush_seconds=1)
    sink.wait_until(lambda: sink.metric("committer_up") == 1)
    assert sink.post(event_list(audit_events(30))).status == 200
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
    sink.wait_until(lambda: sink.metric("commits_total", 'outcome="failed"') >= 1)

    ballast.unlink()
    sink.wait_committed()

    from lake.delta import Lake

    assert sum(file.rows for file in Lake.open(small_disk / "lake").files()) == 30


def test_a_hundred_senders_share_a_bounded_memory(start_sink: StartSink) -> None:
    """100 bodies of 8 MB at once: those there is no memory for get 503 with Retry-After; RSS stays small."""
    sink = start_sink(body_budget_bytes=32 * MIB, max_body_bytes=16 * MIB, budget_wait_seconds=0.5)
    before = sink.peak_mebibytes()
    body = event_list([audit_event(n, {"level": "Request", "requestObject": {"x": "y" * 80_000}}) for n in range(100)])
    answers: list[tuple[int, float | None]] = []

    def send() -> None:
        answer = sink.post(body)
        answers.append((answer.status, answer.retry_after))

    threads = [threading.Thread(target=send) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sink.wait_committed(60)

    assert len(answers) == 100
    assert {status for status, _ in answers} == {200, 503}
    assert all(after is not None for status, after in answers if status == 503)
    # 100 bodies are 800 MB; with 32 MB of budget a few copies of it are all there may be.
    assert sink.peak_mebibytes() < 220, (before, sink.peak_mebibytes())
    assert sorted(sink.audit_ids()) == sorted(event["auditID"] for event in audit_events(100))
    assert sink.metric("body_bytes_in_flight") == 0
