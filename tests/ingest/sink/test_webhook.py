"""The sink over real HTTP: what a kube-apiserver posts, and what it must survive."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.compute as pc
import pytest

from ingest.client import BATCH_SIZE, event_lists
from ingest.export import events as export_events
from ingest.redact import accept, load_redactor
from lake.delta import Lake
from tests.builders import audit_event, audit_events, event_list, item, json_lines, with_raw_body
from tests.ingest.sink.process import SinkProcess

POSTED = Path(__file__).parents[3] / "sample_logs" / "webhook"
ERROR_KEYS = {"code", "message", "hint"}


def quarantine(sink: SinkProcess, cluster: str) -> list[dict[str, Any]]:
    rows = sink.rows("quarantine").to_pylist()
    redactor = load_redactor(Path(sink.settings["redaction_key_file"]))
    return [{**row, "payload": redactor.unseal(row["sealed"])} for row in rows if row["cluster"] == cluster]


def events(sink: SinkProcess, cluster: str) -> list[dict[str, Any]]:
    return [row for row in sink.rows().to_pylist() if row["cluster"] == cluster]


def error(body: bytes) -> dict[str, str]:
    """The one error shape, or a failed test."""
    content = json.loads(body)
    assert set(content) == {"error"}
    assert set(content["error"]) == ERROR_KEYS
    assert all(content["error"].values())
    return content["error"]


@pytest.mark.parametrize("name", ["attacks-000001", "attacks-000002", "attacks-000003"])
def test_what_a_real_apiserver_posted_is_stored(shared_sink: SinkProcess, name: str) -> None:
    """A posted body, byte for byte and with its own headers, is in the lake event for event."""
    body = gzip.decompress((POSTED / f"{name}.json.gz").read_bytes())
    lines = (POSTED / f"{name}.headers").read_text().splitlines()
    headers = [line.partition(": ")[::2] for line in lines[1:] if not line.startswith("#")]
    request = f"POST /audit/{name}?timeout=30s HTTP/1.1\r\n" + "".join(
        f"{key}: {value}\r\n" for key, value in headers if key != "Host"
    )
    with socket.create_connection(("127.0.0.1", shared_sink.port), timeout=10) as connection:
        connection.sendall(request.encode() + b"Host: 127.0.0.1:18443\r\n\r\n" + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        assert json.loads(answer.read()) == {"received": 400, "quarantined": 0, "cluster": name}
    shared_sink.wait_committed()

    rows = shared_sink.rows()
    stored = [json.loads(line) for line in export_events(rows.filter(pc.equal(rows["cluster"], name)))]

    redactor = load_redactor(Path(shared_sink.settings["redaction_key_file"]))
    sent = [json.loads(accept(bytes(raw), redactor)) for raw in msgspec.json.decode(body, type=_List).items]
    for event in sent:
        event.update(kind="Event", apiVersion="audit.k8s.io/v1")
    assert sorted(map(canonical, stored)) == sorted(map(canonical, sent))


class _List(msgspec.Struct):
    items: list[msgspec.Raw]


def canonical(event: dict[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


BAD = {
    "not-json": (b"hello", "json-invalid"),
    "nothing": (b"", "json-invalid"),
    "nul": (b"\0" * 100, "json-invalid"),
    "wrong-kind": (b'{"kind":"PodList","apiVersion":"v1","items":[]}', "kind-unknown"),
    "a-number": (b"7", None),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_event_list_is_kept_and_answered_200(shared_sink: SinkProcess, name: str) -> None:
    """Refusing it would bring it back until its neighbours are lost; it is quarantined byte for byte."""
    body, code = BAD[name]

    answer = shared_sink.post(body, f"bad-{name}")
    shared_sink.wait_committed()

    assert answer.status == 200
    assert json.loads(answer.body)["quarantined"] == 1
    (kept,) = quarantine(shared_sink, f"bad-{name}")
    assert kept["payload"] == body
    assert kept["origin"] == "webhook"
    assert code in (None, kept["code"])


def big(number: int, size: int) -> dict[str, Any]:
    return audit_event(number, {"level": "Request", "requestObject": {"blob": "x" * size}})


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


NEIGHBOURS = {
    "type-in-field": (item(audit_event(5)).replace(b'"verb":"get"', b'"verb":{}'), False),
    "no-audit-id": (item({k: v for k, v in audit_event(5).items() if k != "auditID"}), False),
    "time-invalid": (item(audit_event(5, stageTimestamp="yesterday")), False),
    "null": (b"null", False),
    "invalid-utf8": (item(audit_event(5, userAgent="@@")).replace(b"@@", b"\xff\xfe"), True),
    "nul-bytes": (item(audit_event(5, userAgent="a\0b")), True),
    "5-mb": (item(big(5, 5_000_000)), True),
    "404-kb": (item(big(5, 404_000)), True),
    "beyond-int64": (with_raw_body(audit_event(5, level="Request"), b'{"n":123456789012345678901234567890}'), True),
    "deep": (with_raw_body(audit_event(5, level="Request"), deep(10_000)), True),
    "unknown-field": (item(audit_event(5, {"somethingNew": {"a": [1]}})), True),
    "nanoseconds": (item(audit_event(5, stageTimestamp="2026-11-23T12:00:05.123456789Z")), True),
    "offset": (item(audit_event(5, stageTimestamp="2026-11-23T14:00:05.000000+02:00")), True),
    "no-user": (item(audit_event(5, user={})), True),
    "strange-verb": (item(audit_event(5, verb="")), True),
    "strange-audit-id": (item(audit_event(5, auditID="../../<script>\u2028\t\"'" + "x" * 300)), True),
    "v1beta1": (item(audit_event(5)).replace(b"{", b'{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1",', 1), True),
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_an_odd_event_never_costs_its_neighbours(shared_sink: SinkProcess, name: str) -> None:
    """It is stored, or quarantined whole where it is no event; the events beside it are stored either way."""
    odd, is_event = NEIGHBOURS[name]

    answer = shared_sink.post(event_list([audit_event(1), odd, audit_event(2)]), f"odd-{name}")
    shared_sink.wait_committed()

    assert answer.status == 200
    assert json.loads(answer.body)["received"] == 3
    assert json.loads(answer.body)["quarantined"] == (0 if is_event else 1)
    assert len(events(shared_sink, f"odd-{name}")) == (3 if is_event else 2)
    assert [kept["payload"] for kept in quarantine(shared_sink, f"odd-{name}")] == ([] if is_event else [odd])


def test_a_truncated_list_keeps_its_whole_events(shared_sink: SinkProcess) -> None:
    """Of a body cut in the middle, the events before the cut are stored and the rest is quarantined."""
    body = event_list(audit_events(3))[:-200]

    answer = shared_sink.post(body, "truncated")
    shared_sink.wait_committed()

    assert answer.status == 200
    assert len(events(shared_sink, "truncated")) == 2
    (kept,) = quarantine(shared_sink, "truncated")
    assert body.endswith(kept["payload"])


def test_an_empty_list_is_nothing(shared_sink: SinkProcess) -> None:
    """An empty EventList is acknowledged, and nothing is counted."""
    answer = shared_sink.post(event_list([]), "empty")

    assert (answer.status, json.loads(answer.body)["received"]) == (200, 0)


def test_a_single_event_and_an_array_are_taken(shared_sink: SinkProcess) -> None:
    """One Event (blocking mode of other senders) and a JSON array are events too."""
    shared_sink.post(item(audit_event(1)), "shapes")
    shared_sink.post(b"[" + item(audit_event(2)) + b"]", "shapes")
    shared_sink.wait_committed()

    assert len(events(shared_sink, "shapes")) == 2


def test_a_body_of_31_megabytes_is_stored(shared_sink: SinkProcess) -> None:
    """400 events of 78 KB in one post, as RequestResponse lists make them."""
    body = event_list([big(number, 77_500) for number in range(400)])
    assert len(body) > 31_000_000

    answer = shared_sink.post(body, "large")
    shared_sink.wait_committed()

    assert answer.status == 200
    assert len(events(shared_sink, "large")) == 400


def test_a_body_over_the_limit_is_413(shared_sink: SinkProcess) -> None:
    """It is refused before it is read, with a clear error, counted and logged; and the connection lives on."""
    with shared_sink.client("over") as client:
        answer = client.post(b" " * (41 << 20))
        after = client.post(event_list([audit_event(1)]))

    assert answer.status == 413
    assert error(answer.body)["code"] == "body-too-large"
    assert shared_sink.metric("requests_total", 'outcome="too_large"') >= 1
    assert shared_sink.logged("body_too_large")
    assert after.status == 200


def chunked(sink: SinkProcess, path: str, chunks: list[bytes]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=20)
    connection.request("POST", path, body=iter(chunks), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    return connection.getresponse()


def test_a_chunked_body_is_taken_and_bounded(shared_sink: SinkProcess) -> None:
    """Without a Content-Length the body is stored as well, and one without end is cut off at the limit."""
    body = event_list(audit_events(50))

    answer = chunked(shared_sink, "/audit/chunked", [body[:1000], body[1000:]])
    assert answer.status == 200
    shared_sink.wait_committed()
    assert len(events(shared_sink, "chunked")) == 50

    answer = chunked(shared_sink, "/audit/chunked", [b" " * (1 << 20)] * 41)
    assert answer.status == 413


def test_compressed_bodies_are_refused_clearly(shared_sink: SinkProcess) -> None:
    """A kube-apiserver never compresses; who does is told what to change."""
    connection = http.client.HTTPConnection("127.0.0.1", shared_sink.port, timeout=10)
    connection.request("POST", "/audit", gzip.compress(b"{}"), {"Content-Encoding": "gzip"})
    answer = connection.getresponse()

    assert answer.status == 415
    assert error(answer.read())["code"] == "content-encoding-unsupported"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/audit", 405),
        ("PUT", "/audit/prod", 405),
        ("POST", "/metrics", 405),
        ("POST", "/", 404),
        ("GET", "/auditing", 404),
        ("POST", "/audit/a%2Fb", 404),
        ("POST", "/audit/" + "x" * 64, 404),
        ("POST", "/audit/..", 404),
    ],
)
def test_other_requests_get_a_clear_answer(shared_sink: SinkProcess, method: str, path: str, status: int) -> None:
    """A wrong method is 405 with Allow, a wrong path 404, both in the one error shape."""
    connection = http.client.HTTPConnection("127.0.0.1", shared_sink.port, timeout=10)
    connection.request(method, path, b"" if method != "GET" else None)
    answer = connection.getresponse()

    assert answer.status == status
    assert error(answer.read())
    assert (answer.getheader("Allow") is not None) == (status == 405)


@pytest.mark.parametrize(
    "text", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HELO there\r\n\r\n", b"\0\0\0\0\r\n\r\n"]
)
def test_what_is_no_http_is_answered_and_closed(shared_sink: SinkProcess, text: bytes) -> None:
    """A TLS handshake or noise on the plain port gets 400 and a closed connection."""
    with socket.create_connection(("127.0.0.1", shared_sink.port), timeout=10) as connection:
        connection.sendall(text)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert error(answer.partition(b"\r\n\r\n")[2])["code"] == "request-invalid"


def test_headers_without_end_are_cut_off(shared_sink: SinkProcess) -> None:
    """Headers have a bound, so that a stranger cannot fill the memory before he is asked for a credential."""
    with socket.create_connection(("127.0.0.1", shared_sink.port), timeout=10) as connection:
        answer = b""
        with suppress(OSError):
            connection.sendall(b"POST /audit HTTP/1.1\r\nX: ")
            for _ in range(100):
                connection.sendall(b"x" * 4096)
            answer = connection.recv(4096)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert shared_sink.listens()


def test_slow_senders_are_cut_off(start_sink: Any) -> None:
    """A body that drips is answered 408, and a connection that says nothing is closed."""
    sink = start_sink(body_timeout_seconds=0.5, header_timeout_seconds=0.5)
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as silent:
        with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as dripping:
            dripping.sendall(b"POST /audit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            answer = b"".join(iter(lambda: dripping.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert error(answer.partition(b"\r\n\r\n")[2])["code"] == "body-timeout"
        with suppress(ConnectionResetError):
            assert silent.recv(10) == b""


def test_connections_are_bounded(start_sink: Any) -> None:
    """One connection over the limit is closed at once and counted; those within it work on."""
    sink = start_sink(max_connections=3)
    time.sleep(0.1)
    held = [socket.create_connection(("127.0.0.1", sink.port), timeout=5) for _ in range(3)]
    with socket.create_connection(("127.0.0.1", sink.port), timeout=5) as extra, suppress(ConnectionResetError):
        assert extra.recv(10) == b""
    held[0].close()
    time.sleep(0.1)

    assert sink.post(event_list([audit_event(1)])).status == 200
    assert sink.metric("connections_refused_total") >= 1
    for connection in held[1:]:
        connection.close()


def test_metrics_add_up(start_sink: Any) -> None:
    """What was received is once written, duplicate or quarantined, for each cluster."""
    sink = start_sink()
    for cluster, count in (("one", 30), ("two", 7)):
        body = event_list([*audit_events(count), b'{"no":"event"}'])
        assert sink.post(body, cluster).status == 200
        assert sink.post(body, cluster).status == 200
    sink.wait_committed()

    for cluster, count in (("one", 30), ("two", 7)):
        label = f'cluster="{cluster}"'
        assert sink.metric("events_received_total", label) == 2 * (count + 1)
        assert sink.metric("events_written_total", label) == count
        assert sink.metric("events_duplicate_total", label) == count + 1
        assert sink.metric("events_quarantined_total", label) == 1
    assert sink.metric("requests_total", 'outcome="stored"') == 4
    assert sink.metric("ack_seconds_count") == 4
    assert sink.metric("spool_events") == 0


def test_log_lines_cannot_be_forged(shared_sink: SinkProcess) -> None:
    """What a client says stands escaped in one line of JSON, or not at all."""
    connection = http.client.HTTPConnection("127.0.0.1", shared_sink.port, timeout=10)
    connection.putrequest("POST", "/audit/evil%0A%1B%5B2J%7B", skip_host=True)
    connection.putheader("Content-Length", "0")
    connection.putheader("Authorization", "Bearer top-s3cret-token")
    connection.endheaders()
    connection.getresponse().read()

    text = shared_sink.log_text()
    assert "\x1b" not in text
    assert "top-s3cret-token" not in text
    block = re.compile(r"^(\{.*\}|ashiato sink listening .*|  (events|writers|lake|spool|state|try) .*|)$")
    assert [line for line in text.splitlines() if not block.match(line)] == []


def test_the_webhook_and_the_log_file_bring_the_same_event(sink: SinkProcess, tmp_path: Path) -> None:
    """An event that came by webhook and is then imported from a log file is stored once."""
    from ingest.importer import import_files

    log = tmp_path / "audit.log"
    log.write_bytes(json_lines(audit_events(20)))
    for body, _ in event_lists(log.read_bytes().splitlines(), BATCH_SIZE):
        assert sink.post(body, "both").status == 200
    sink.wait_committed()

    lake = Lake.open(tmp_path / "lake")
    report = import_files(lake, [str(log)], "both", load_redactor(tmp_path / "key"))

    assert (report.written, report.duplicates) == (0, 20)
    assert len(sink.audit_ids()) == 20
