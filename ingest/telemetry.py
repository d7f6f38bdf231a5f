"""What the sink tells about itself: counters for Prometheus, and one JSON line per noteworthy thing.

Whatever was received is counted once as written, duplicate or quarantined, or still lies in the spool:
``received + recovered = written + duplicate + quarantined + spool_events``. A committer that dies between
a commit and its report makes the same items count as duplicates: the sum still holds.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

MAX_CLUSTER_LABELS = 1000
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COMMIT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Telemetry:
    """The sink's metrics, in a registry of their own."""

    def __init__(self) -> None:
        # Half of all lines, and no dashboard reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self.registry = registry

        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(f"ashiato_{name}", doc, labels, registry=registry)

        def gauge(name: str, doc: str) -> Gauge:
            return Gauge(f"ashiato_{name}", doc, registry=registry)

        def histogram(name: str, doc: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"ashiato_{name}", doc, buckets=buckets, registry=registry)

        self.events_received = counter("events_received", "Items of acknowledged posts.", "cluster")
        self.events_recovered = counter(
            "events_recovered", "Items found in the spool of an earlier run, counted when committed.", "cluster"
        )
        self.events_written = counter("events_written", "Events stored in the lake.", "cluster")
        self.events_duplicate = counter("events_duplicate", "Items that were in the lake already.", "cluster")
        self.events_quarantined = counter(
            "events_quarantined", "Items stored in the quarantine: no audit events.", "cluster"
        )
        self.requests = counter("requests", "Answered posts by outcome.", "outcome")
        self.request_bytes = counter("request_bytes", "Bytes of acknowledged bodies.", "cluster")
        self.connections_refused = counter("connections_refused", "Connections over the limit, closed at once.")
        self.ack_seconds = histogram("ack_seconds", "From a post's headers to its 200.", _LATENCY_BUCKETS)
        self.fsync_seconds = histogram("fsync_seconds", "One write and fsync of the spool.", _LATENCY_BUCKETS)
        self.commit_seconds = histogram("commit_seconds", "One commit of spooled posts to the lake.", _COMMIT_BUCKETS)
        self.commits = counter("commits", "Commits of spooled posts to the lake by outcome.", "outcome")
        self.committer_restarts = counter("committer_restarts", "Times the committer process was started again.")
        self.committer_up = gauge("committer_up", "1 while the committer process has the lake open.")
        self.spool_bytes = gauge("spool_bytes", "Bytes in the spool, not in the lake yet.")
        self.spool_segments = gauge("spool_segments", "Files in the spool, the open one included.")
        self.spool_events = gauge("spool_events", "Items acknowledged by this run that are not in the lake yet.")
        self.spool_oldest_age_seconds = gauge(
            "spool_oldest_age_seconds", "How long the oldest post in the spool has waited."
        )
        self.spool_errors = counter("spool_errors", "Writes or fsyncs of the spool that failed.")
        self.spool_corrupt = counter("spool_corrupt_segments", "Damaged segments, kept aside as .corrupt.")
        self.body_bytes_in_flight = gauge("body_bytes_in_flight", "Memory reserved for request bodies.")
        self.credentials_reloads = counter("credentials_reloads", "Re-readings of credential files.", "outcome")
        self.credentials_current = gauge(
            "credentials_current", "1 while the newest credential files are in force, 0 while they are broken."
        )
        self.credentials_current.set(1)
        self._clusters: set[str] = set()

    def label(self, cluster: str) -> str:
        """*cluster*, or ``_other`` once there are too many names (without credentials, senders choose them)."""
        if cluster in self._clusters:
            return cluster
        if len(self._clusters) >= MAX_CLUSTER_LABELS:
            return "_other"
        self._clusters.add(cluster)
        # All series of a cluster exist from its first post on, so that rates and sums start at 0.
        for metric in (
            self.events_received,
            self.events_recovered,
            self.events_written,
            self.events_duplicate,
            self.events_quarantined,
            self.request_bytes,
        ):
            metric.labels(cluster)
        return cluster

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Log:
    """JSON lines on standard error: ``time`` (UTC), ``level``, ``event`` and fields.

    Client strings are escaped by JSON to plain ASCII, so they can neither forge a line nor move a
    cursor. Events that a client can cause at will are let through once per ``every_seconds``.
    """

    def __init__(self, every_seconds: float = 10.0) -> None:
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def __call__(self, level: str, event: str, **fields: Any) -> None:
        """Write one line."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = json.dumps({"time": now, "level": level, "event": event, **fields}, default=str) + "\n"
        with self._lock:
            try:
                sys.stderr.write(line)
                sys.stderr.flush()
            except (OSError, ValueError):
                # A closed or full standard error must not stop the sink.
                pass

    def seldom(self, level: str, event: str, **fields: Any) -> None:
        """Write one line unless *event* was written a moment ago; then count it for the next one."""
        now = time.monotonic()
        with self._lock:
            last, suppressed = self._seen.get(event, (-self._every_seconds, 0))
            if now - last < self._every_seconds:
                self._seen[event] = (last, suppressed + 1)
                return
            self._seen[event] = (now, 0)
        if suppressed:
            fields["suppressed"] = suppressed
        self(level, event, **fields)


def clip(text: str, length: int = 200) -> str:
    """A client's string, short enough for a log line."""
    return text if len(text) <= length else text[:length] + "..."
