"""kill -9 at any moment: what was acknowledged is in the lake once, nothing is invented, the counts add up."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.builders import audit_event, event_list
from tests.ingest.sink.process import SinkProcess

KILLS = int(os.environ.get("ASHIATO_TEST_KILLS", "50"))
SENDERS = 4
BATCH = 25


class Sender(threading.Thread):
    """A kube-apiserver with short pauses: posts batch after batch, each until it is acknowledged."""

    def __init__(self, sink: SinkProcess, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._sink = sink
        self._number = number
        self._stop_event = stop
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.broken = 0
        self.retries = 0

    def run(self) -> None:
        serial = self._number * 10_000_000
        with self._sink.client() as client:
            while not self._stop_event.is_set():
                events = [audit_event(serial + n, {"stage": "ResponseComplete"}) for n in range(BATCH)]
                serial += BATCH
                ids = {event["auditID"] for event in events}
                self.sent |= ids
                # Every third batch brings one item that is no event.
                broken = (serial // BATCH) % 3 == 0
                body = event_list([*events, b'{"no event":%d}' % serial] if broken else events)
                while not self._stop_event.is_set():
                    try:
                        status = client.post(body).status
                    except (OSError, http.client.HTTPException):
                        status = 0
                    if status == 200:
                        self.acknowledged |= ids
                        self.broken += broken
                        break
                    self.retries += 1
                    time.sleep(random.uniform(0.005, 0.05))
                time.sleep(0.01)


def test_kill_9_at_any_moment(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Fifty kills under load, of the front alone and of the whole sink, during start-up, acks, commits and drains."""
    chance = random.Random(50)
    stop = threading.Event()
    with closing(SinkProcess(tmp_path, flush_seconds=0.1)) as sink:
        senders = [Sender(sink, number, stop) for number in range(1, SENDERS + 1)]
        for sender in senders:
            sender.start()
        starts: list[float] = []
        for _ in range(KILLS):
            began = time.monotonic()
            early = chance.random() < 0.2
            if early:
                sink.start(wait=False)
                time.sleep(chance.uniform(0, 0.6))
            else:
                sink.start()
                starts.append(time.monotonic() - began)
                # Long enough, most times, for the committer to be at work.
                time.sleep(chance.uniform(0, 2.2))
            if chance.random() < 0.1:
                sink.process.terminate()
                time.sleep(chance.uniform(0, 0.3))
            sink.kill(group=chance.random() < 0.6)
        sink.start()
        time.sleep(1)
        stop.set()
        for sender in senders:
            sender.join(20)
            assert not sender.is_alive()
        sink.wait_committed(60)
        settled = {what: sink.metric(f"events_{what}_total") for what in ("written", "duplicate", "quarantined")}
        assert sink.metric("events_received_total") + sink.metric("events_recovered_total") == sum(settled.values())
        assert sink.stop() == 0

        stored = sink.audit_ids()
        sent = set().union(*(sender.sent for sender in senders))
        acknowledged = set().union(*(sender.acknowledged for sender in senders))
        broken = sum(sender.broken for sender in senders)
        assert len(acknowledged) > KILLS * BATCH
        assert sum(sender.retries for sender in senders) > 0
        assert acknowledged - set(stored) == set(), "acknowledged and not in the lake"
        assert len(stored) == len(set(stored)), "more than once in the lake"
        assert set(stored) - sent == set(), "invented"
        kept = sink.rows("quarantine", "quarantine_id, code")
        assert len(set(kept["quarantine_id"].to_pylist())) == kept.num_rows
        assert broken <= kept.num_rows <= broken + SENDERS

        commits = sink.logged("committed")
        for line in commits:
            assert line["received"] == line["written"] + line["duplicates"] + line["quarantined"]
        assert sum(line["received"] for line in commits) >= len(acknowledged) + broken
        assert sum(line["written"] for line in commits) <= len(stored)
        assert "Traceback" not in sink.log_text()
    record_property("acknowledged", len(acknowledged))
    record_property("median_start_seconds", round(sorted(starts)[len(starts) // 2], 3))
    # Five tries of an apiserver span a minute and a half: a restart is no more than a hiccup.
    assert sorted(starts)[len(starts) // 2] < 5
