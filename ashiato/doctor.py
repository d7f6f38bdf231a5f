"""What is wrong with this installation, this lake, this sink: checks a person can act on."""

from __future__ import annotations

import http.client
import importlib
import importlib.metadata
import json
import shutil
import socket
import ssl
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from lake.delta import Lake
from lake.errors import AshiatoError, UsageError
from lake.maintenance import SMALL_BYTES
from lake.query import connect, select

PACKAGES = ("ashiato", "api", "detections", "ingest", "lake")
PROBE_USER = "ashiato:doctor"
_PROBES = 10
_SLOW_ACK_SECONDS = 1.0
_EXPIRES_SOON_DAYS = 21


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do if it is not well."""

    name: str
    verdict: Verdict
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SinkTarget:
    """How to reach a sink: as the kube-apiserver's webhook kubeconfig does."""

    url: str
    token: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    cluster: str | None = None
    timeout_seconds: float = 30.0


def check_installation() -> Iterator[Check]:
    """Python, the packages and whose they are, the libraries' versions."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check(
        "python", Verdict.OK if sys.version_info >= (3, 11) else Verdict.FAILED, version, "Python 3.11 or newer"
    )
    owners = importlib.metadata.packages_distributions()
    homes = {}
    for name in PACKAGES:
        others = sorted({owner for owner in owners.get(name, []) if owner != "ashiato"})
        homes[name] = Path(str(importlib.import_module(name).__file__)).resolve().parent.parent
        if others:
            yield Check(
                f"package {name}",
                Verdict.FAILED,
                f"also installed by {', '.join(others)}",
                "give Ashiato a virtual environment of its own: both write into one folder",
            )
    if len(set(homes.values())) > 1:
        yield Check("packages", Verdict.FAILED, f"lie in different places: {homes}", "reinstall Ashiato")
    else:
        yield Check("packages", Verdict.OK, f"ashiato {importlib.metadata.version('ashiato')} in {homes['ashiato']}")
    duckdb = importlib.metadata.version("duckdb")
    wrong = duckdb == "2.0.0"
    yield Check(
        "duckdb",
        Verdict.FAILED if wrong else Verdict.OK,
        f"{duckdb}{' gives wrong results on in-memory scans' if wrong else ''}",
        "pip install 'duckdb!=2.0.0'" if wrong else "",
    )


def check_lake(location: str) -> Iterator[Check]:
    """Whether the lake opens, is fresh, compact, has room, and what lies in quarantine."""
    try:
        lake = Lake.open(location)
        files = lake.files()
    except AshiatoError as error:
        yield Check("lake", Verdict.FAILED, error.message, error.hint)
        return
    rows = sum(file.rows for file in files)
    yield Check("lake", Verdict.OK, f"{rows:,} events in {len(files)} files, version {lake.version()}")
    newest = max((file.until for file in files if file.until), default=None)
    if newest:
        age = datetime.now(UTC) - newest
        old = age.total_seconds() > 3600
        yield Check(
            "newest event",
            Verdict.WARNING if old else Verdict.OK,
            f"{newest:%Y-%m-%dT%H:%M:%SZ}, {_ago(age.total_seconds())}",
            "if a sink should be running, is it? ashiato doctor --sink URL" if old else "",
        )
    small = sum(file.size_bytes < SMALL_BYTES // 8 for file in files)
    yield Check(
        "file sizes",
        Verdict.WARNING if small > 500 else Verdict.OK,
        f"{small} small files",
        f"ashiato compact --lake {location}" if small > 500 else "",
    )
    with connect(lake) as con:
        held = select(con, "SELECT count(*) AS n FROM quarantine")["n"][0].as_py()
    yield Check(
        "quarantine",
        Verdict.WARNING if held else Verdict.OK,
        f"{held:,} items",
        f"ashiato quarantine list --lake {location}" if held else "",
    )
    free = shutil.disk_usage(lake.folder).free
    low = free < 2 << 30
    yield Check(
        "free disk",
        Verdict.WARNING if low else Verdict.OK,
        f"{free / 1e9:.1f} GB",
        "make room, or expire old days" if low else "",
    )


def check_sink(target: SinkTarget, lake_location: str | None = None) -> Iterator[Check]:
    """Prove a running sink: name, certificate, readiness, credential, durable write, latency.

    Posts a few events of its own (user ``ashiato:doctor``, non-resource path ``/ashiato/doctor``), because
    nothing less proves that a write is durable. With *lake_location* it also waits until they are there.
    """
    url = urlsplit(target.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise UsageError("url-invalid", f"not a sink's address: {target.url!r}", "write https://HOST:PORT/audit")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname, port), target.timeout_seconds).close()
    except OSError as error:
        yield Check(
            "reachable",
            Verdict.FAILED,
            f"{url.hostname}:{port}: {error}",
            "is the sink running, and does a firewall let you through?",
        )
        return
    yield Check("reachable", Verdict.OK, f"{url.hostname}:{port}")
    context = None
    if url.scheme == "https":
        try:
            context = _tls_context(target)
            yield _check_certificate(url.hostname, port, context, target.timeout_seconds)
        except (ssl.SSLError, OSError) as error:
            yield Check(
                "certificate",
                Verdict.FAILED,
                str(error),
                "name the CA that signed it: --ca FILE; the name in the URL must be in the certificate",
            )
            return
    else:
        yield Check(
            "certificate",
            Verdict.WARNING,
            "plain HTTP: events and token cross the network in the clear",
            "use TLS beyond this machine",
        )
    connection = _Connection(target, context)
    status, text, _ = connection.request("GET", "/readyz")
    ready = status == 200
    yield Check(
        "ready",
        Verdict.OK if ready else Verdict.FAILED,
        f"/readyz {status} {'' if ready else text[:200]}".strip(),
        "" if ready else "see the sink's log",
    )
    yield from _check_writes(connection, target, url.path or "/audit", lake_location)


def _check_writes(connection: _Connection, target: SinkTarget, path: str, lake_location: str | None) -> Iterator[Check]:
    if target.cluster and path.rstrip("/") == "/audit":
        path = f"/audit/{target.cluster}"
    times, ids = [], []
    for _ in range(_PROBES):
        ids.append(str(uuid.uuid4()))
        probe = _probe_event(ids[-1])
        body = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": [probe]})
        status, text, seconds = connection.request("POST", f"{path}?timeout=30s", body.encode())
        if status != 200:
            yield Check(
                "credential" if status in (401, 403) else "durable write",
                Verdict.FAILED,
                f"{status} {text[:200]}",
                _post_hint(status),
            )
            return
        times.append(seconds)
    yield Check("credential", Verdict.OK, "accepted")
    yield Check("durable write", Verdict.OK, f"{_PROBES} events acknowledged, which a sink does after fsync")
    slowest = max(times)
    yield Check(
        "latency",
        Verdict.WARNING if slowest > _SLOW_ACK_SECONDS else Verdict.OK,
        f"median {statistics.median(times) * 1000:.1f} ms, slowest {slowest * 1000:.1f} ms",
        "a slow disk under the spool? A kube-apiserver gives up after 30 s" if slowest > _SLOW_ACK_SECONDS else "",
    )
    if lake_location:
        yield _check_arrival(lake_location, ids)


def _check_arrival(location: str, ids: list[str], patience_seconds: float = 60.0) -> Check:
    start = time.monotonic()
    while time.monotonic() - start < patience_seconds:
        with connect(Lake.open(location)) as con:
            query = "SELECT count(*) AS n FROM events WHERE user_name = $user AND list_contains($ids, audit_id)"
            if select(con, query, {"user": PROBE_USER, "ids": ids})["n"][0].as_py() == len(ids):
                return Check("in the lake", Verdict.OK, f"all {len(ids)} after {time.monotonic() - start:.1f} s")
        time.sleep(0.5)
    return Check(
        "in the lake",
        Verdict.FAILED,
        f"not there after {patience_seconds:.0f} s",
        "see the sink's log: is its lake this lake?",
    )


def _probe_event(audit_id: str) -> dict[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "level": "Metadata",
        "auditID": audit_id,
        "stage": "ResponseComplete",
        "requestURI": "/ashiato/doctor",
        "verb": "get",
        "user": {"username": PROBE_USER, "groups": []},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": f"ashiato/{importlib.metadata.version('ashiato')} doctor",
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": now,
        "stageTimestamp": now,
    }


def _post_hint(status: int) -> str:
    return {
        401: "the token or client certificate is unknown to the sink: compare with its --tokens file",
        403: "this credential belongs to another cluster: post to /audit, or to that cluster's path",
        404: "the path should be /audit or /audit/CLUSTER",
        503: "the sink cannot store now: its log and /readyz say why",
    }.get(status, "see the sink's log")


def _tls_context(target: SinkTarget) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(target.ca) if target.ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.cert:
        context.load_cert_chain(target.cert, target.key)
    return context


def _check_certificate(host: str, port: int, context: ssl.SSLContext, timeout_seconds: float) -> Check:
    with (
        socket.create_connection((host, port), timeout_seconds) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        certificate = tls.getpeercert() or {}
        days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86400
        soon = days < _EXPIRES_SOON_DAYS
        return Check(
            "certificate",
            Verdict.WARNING if soon else Verdict.OK,
            f"{tls.version()}, valid for {host}, {days:.0f} days left",
            "renew it: a kube-apiserver drops events when it no longer trusts the sink" if soon else "",
        )


class _Connection:
    """One keep-alive connection, opened again when the other side closed it."""

    def __init__(self, target: SinkTarget, context: ssl.SSLContext | None) -> None:
        url = urlsplit(target.url)
        self._open: Callable[[], http.client.HTTPConnection] = lambda: (
            http.client.HTTPSConnection(str(url.hostname), url.port, timeout=target.timeout_seconds, context=context)
            if context
            else http.client.HTTPConnection(str(url.hostname), url.port, timeout=target.timeout_seconds)
        )
        self._headers = {"Content-Type": "application/json", "Accept": "application/json, */*"}
        if target.token:
            self._headers["Authorization"] = f"Bearer {target.token}"
        self._connection = self._open()

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, float]:
        """Status, text and seconds; status 0 and the reason when there was no answer."""
        for attempt in (1, 2):
            start = time.perf_counter()
            try:
                self._connection.request(method, path, body, self._headers)
                answer = self._connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
                return answer.status, text, time.perf_counter() - start
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                self._connection = self._open()
                if attempt == 2:
                    return 0, f"no answer: {error}", time.perf_counter() - start
        raise AssertionError("unreachable")


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} seconds ago"
