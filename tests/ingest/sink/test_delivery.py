"""Once acknowledged, once in the lake: re-deliveries, restarts, a lake that is away."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import audit_event, audit_events, event_list
from tests.ingest.sink.process import SinkProcess

StartSink = Callable[..., SinkProcess]


def readiness(sink: SinkProcess) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"{sink.url}/readyz", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, json.loads(answer.read())


def test_one_body_five_times_is_stored_once(sink: SinkProcess) -> None:
    """Concurrently, one after the other, and across a restart: the lake holds its events once."""
    body = event_list(audit_events(100))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(sink.post(body).status)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.append(sink.post(body).status)
    sink.wait_committed()
    assert sink.stop() == 0
    sink.start()
    answers.append(sink.post(body).status)
    sink.wait_committed()

    assert answers == [200] * 5
    assert sorted(sink.audit_ids()) == sorted(event["auditID"] for event in audit_events(100))
    assert sink.metric("events_duplicate_total") == 100


def test_two_events_with_one_audit_id_and_stage_are_both_stored(sink: SinkProcess) -> None:
    """AuditID is the client's choice: it never makes another event vanish."""
    first, second = audit_event(1), audit_event(1, verb="delete")

    assert sink.post(event_list([first])).status == 200
    assert sink.post(event_list([second, first])).status == 200
    sink.wait_committed()

    assert sorted(sink.rows(columns="verb")["verb"].to_pylist()) == ["delete", "get"]


def test_a_graceful_stop_brings_the_spool_into_the_lake(start_sink: StartSink) -> None:
    """SIGTERM: what was acknowledged a moment ago is in the lake when the sink has ended, with exit code 0."""
    sink = start_sink(flush_seconds=3600)
    assert sink.post(event_list(audit_events(10))).status == 200

    assert sink.stop() == 0

    assert len(sink.audit_ids()) == 10
    assert sink.logged("stopped")[-1]["segments_left"] == 0


def test_a_request_in_flight_is_finished(start_sink: StartSink) -> None:
    """A body that is half sent at SIGTERM is read to its end, stored and acknowledged."""
    sink = start_sink(flush_seconds=3600)
    body = event_list(audit_events(10))
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as connection:
        connection.sendall(b"POST /audit HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body[:100])
        time.sleep(0.2)
        assert sink.process is not None
        sink.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[100:])
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert sink.process.wait(30) == 0
    assert len(sink.audit_ids()) == 10


def test_a_drain_is_bounded_and_what_is_left_goes_next_time(start_sink: StartSink, tmp_path: Path) -> None:
    """A sink that cannot reach its lake still stops in time; the next one brings the spool in."""
    (tmp_path / "lake").write_text("in the way")
    sink = start_sink(drain_seconds=1)
    assert sink.post(event_list(audit_events(10))).status == 200

    began = time.monotonic()
    assert sink.stop() == 0
    assert time.monotonic() - began < 8
    assert sink.logged("stopped")[-1]["segments_left"] == 1

    (tmp_path / "lake").unlink()
    sink.start()
    sink.wait_until(lambda: sink.metric("events_recovered_total") == 10)
    assert sink.metric("events_written_total") == 10
    assert sink.metric("events_received_total") == 0
    assert len(sink.audit_ids()) == 10


def test_a_lake_that_is_away_costs_nothing(start_sink: StartSink, tmp_path: Path) -> None:
    """Without its lake the sink goes on to store posts, says what is wrong, and delivers when it is back."""
    (tmp_path / "lake").write_text("in the way")
    sink = start_sink()
    assert sink.post(event_list(audit_events(10))).status == 200
    sink.wait_until(lambda: readiness(sink)[0] == 503)
    assert "the lake refuses" in readiness(sink)[1]["reasons"][0]

    (tmp_path / "lake").unlink()
    sink.wait_committed()

    assert readiness(sink)[0] == 200
    assert len(sink.audit_ids()) == 10


def test_a_killed_committer_is_started_again(sink: SinkProcess) -> None:
    """The front does not notice but for a counter; every event arrives once and the counts add up."""
    sent = 0
    for _ in range(3):
        sink.wait_until(lambda: sink.metric("committer_up") == 1)
        for _ in range(4):
            assert sink.post(event_list(audit_events(50, start=sent))).status == 200
            sent += 50
            time.sleep(0.08)
        os.kill(sink.committer_pid(), signal.SIGKILL)
    sink.wait_committed()

    assert sorted(sink.audit_ids()) == sorted(event["auditID"] for event in audit_events(sent))
    assert sink.metric("committer_restarts_total") == 3
    settled = sum(sink.metric(f"events_{what}_total") for what in ("written", "duplicate", "quarantined"))
    assert sink.metric("events_received_total") == settled == sent


def test_a_torn_record_is_cut_at_start(start_sink: StartSink, tmp_path: Path) -> None:
    """Half a record at the end of a crashed spool is no hindrance, and said."""
    sink = start_sink(flush_seconds=3600)
    assert sink.post(event_list(audit_events(5))).status == 200
    sink.kill()
    (segment,) = (tmp_path / "spool").glob("*.open")
    with segment.open("ab") as file:
        file.write(segment.read_bytes()[24:50])

    sink.start()
    sink.wait_until(lambda: sink.metric("events_recovered_total") == 5)

    assert sink.logged("spool_opened")[-1]["torn_bytes"] == 26
    assert len(sink.audit_ids()) == 5


def test_a_damaged_segment_is_kept_aside(start_sink: StartSink, tmp_path: Path) -> None:
    """Of a sealed segment that rotted the good records are stored, and the file stays for a person."""
    (tmp_path / "lake").write_text("in the way")
    sink = start_sink(drain_seconds=0)
    for start in (0, 10, 20):
        assert sink.post(event_list(audit_events(10, start=start))).status == 200
    sink.stop()
    segments = sorted((tmp_path / "spool").glob("*.sealed"))
    data = bytearray(segments[0].read_bytes())
    data[60] ^= 1
    segments[0].write_bytes(data)
    (tmp_path / "lake").unlink()

    sink.start()
    sink.wait_until(lambda: sink.metric("spool_corrupt_segments_total") == 1)
    sink.wait_committed()

    assert len(sink.audit_ids()) == 20
    assert segments[0].with_suffix(".corrupt").read_bytes() == data
    assert sink.logged("segment_damaged")


def test_a_spool_over_its_bound_makes_senders_wait(start_sink: StartSink, tmp_path: Path) -> None:
    """503 with Retry-After while the spool is full; once the lake is back the same batch is taken."""
    (tmp_path / "lake").write_text("in the way")
    sink = start_sink(max_spool_bytes=100_000)
    bodies = [event_list(audit_events(100, start=n * 100)) for n in range(4)]
    answers = [sink.post(body) for body in bodies]

    refused = next(answer for answer in answers if answer.status != 200)
    assert refused.status == 503
    assert refused.retry_after == 5
    assert "of at most 100000" in refused.problem()

    (tmp_path / "lake").unlink()
    for body, answer in zip(bodies, answers, strict=True):
        if answer.status != 200:
            sink.wait_until(lambda body=body: sink.post(body).status == 200, 30)
    sink.wait_committed()
    assert sorted(sink.audit_ids()) == sorted(event["auditID"] for event in audit_events(400))


def test_a_second_sink_on_one_spool_is_refused(sink: SinkProcess, tmp_path: Path) -> None:
    """It says why and what to do, and does not touch the spool."""
    second = SinkProcess(tmp_path)

    with pytest.raises(AssertionError, match="spool-busy"):
        second.start()

    assert second.process is not None
    assert second.process.returncode == 1
    assert sink.post(event_list([audit_event(1)])).status == 200


def test_a_lake_address_it_cannot_write_ends_the_sink(tmp_path: Path) -> None:
    """What will never work is said at the start, not retried for ever."""
    sink = SinkProcess(tmp_path, lake="s3://bucket/lake")
    sink.start(wait=False)
    assert sink.process is not None

    assert sink.process.wait(20) == 2
    assert "[lake-location-unsupported]" in sink.log_text()
    assert "Traceback" not in sink.log_text()


def test_health_and_readiness_are_told_apart(start_sink: StartSink, tmp_path: Path) -> None:
    """/healthz says that the process lives; /readyz whether it would store a post, and why not."""
    sink = start_sink(min_free_bytes=1 << 60)
    with urllib.request.urlopen(f"{sink.url}/healthz", timeout=10) as answer:
        assert answer.status == 200

    status, state = readiness(sink)

    assert status == 503
    assert state["ready"] is False
    assert "kept for the lake" in state["reasons"][0]
    assert sink.post(event_list([audit_event(1)])).retry_after == 5


def test_the_lake_holds_when_each_post_arrived(sink: SinkProcess) -> None:
    """ingested_at is the moment of the post, not of the commit."""
    before = time.time()
    assert sink.post(event_list(audit_events(2))).status == 200
    after = time.time()
    sink.wait_committed()

    moments = {moment.timestamp() for moment in sink.rows(columns="ingested_at")["ingested_at"].to_pylist()}
    assert len(moments) == 1
    assert before <= moments.pop() <= after
