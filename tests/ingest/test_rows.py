"""Events to rows and their identity: equal exactly where the content is equal."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event import Quarantined, decode
from ingest.redact import Redactor, accept
from ingest.rows import quarantine_rows, rows
from lake.schema import EVENTS, QUARANTINE
from tests.builders import NOON, REMOVE, audit_event, item, line, secret_write, with_raw_body
from tests.strategies import audit_events

REDACTOR = Redactor(b"\x07" * 32)


def row(event: dict[str, Any] | bytes, cluster: str = "prod") -> dict[str, Any]:
    raw = accept(event if isinstance(event, bytes) else line(event), REDACTOR)
    assert isinstance(raw, bytes), raw
    return rows([raw], cluster, "apiserver", NOON).to_pylist()[0]


def identity(event: dict[str, Any] | bytes, cluster: str = "prod") -> str:
    return str(row(event, cluster)["event_id"])


def test_the_table_has_exactly_the_schema() -> None:
    """Rows come in the schema's columns and types, in the order of the events, also when there is none."""
    raws = [line(audit_event(n)) for n in (3, 1, 2)]

    table = rows(raws, "prod", "apiserver", NOON)

    assert table.schema == EVENTS.schema
    assert [n[-1] for n in table["audit_id"].to_pylist()] == ["3", "1", "2"]
    assert rows([], "prod", "apiserver", NOON).schema == EVENTS.schema


def test_columns_say_what_the_event_says() -> None:
    """Every column of an ordinary event comes from the field its documentation names."""
    extra = {
        "authentication.kubernetes.io/credential-id": ["JTI=1"],
        "authentication.kubernetes.io/pod-name": ["web-1"],
        "authentication.kubernetes.io/pod-uid": ["u1"],
        "authentication.kubernetes.io/node-name": ["n1"],
    }
    event = audit_event(
        0,
        {
            "level": "RequestResponse",
            "user": {
                "username": "system:serviceaccount:shop:web",
                "uid": "u0",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:shop"],
                "extra": extra,
            },
            "impersonatedUser": {"username": "bob", "uid": "b", "groups": ["g"], "extra": {"k": ["v"]}},
            "sourceIPs": ["10.0.0.1", "203.0.113.66"],
            "objectRef": {
                "uid": "o1",
                "apiGroup": "apps",
                "resourceVersion": "7",
                "subresource": "scale",
            },
            "responseStatus": {"status": "Failure", "reason": "Forbidden", "message": "no", "code": 403},
            "requestObject": {"a": 1},
            "responseObject": {"b": 2},
            "annotations": {
                "authorization.k8s.io/decision": "forbid",
                "authorization.k8s.io/reason": "because",
                "audit.k8s.io/truncated": "true",
            },
        },
    )

    found = row(event)

    assert json.loads(found.pop("user_extra")) == extra
    assert json.loads(found.pop("annotations")) == event["annotations"]
    assert len(found.pop("event_id")) == 32
    assert found == {
        "cluster": "prod",
        "source": "apiserver",
        "ingested_at": NOON,
        "audit_id": event["auditID"],
        "stage": "ResponseComplete",
        "level": "RequestResponse",
        "verb": "get",
        "request_uri": event["requestURI"],
        "request_received_at": NOON,
        "stage_at": NOON.replace(microsecond=1000),
        "user_name": "system:serviceaccount:shop:web",
        "user_uid": "u0",
        "user_groups": ["system:serviceaccounts", "system:serviceaccounts:shop"],
        "impersonated_user_name": "bob",
        "impersonated_user_uid": "b",
        "impersonated_user_groups": ["g"],
        "impersonated_user_extra": '{"k":["v"]}',
        "service_account_namespace": "shop",
        "service_account_name": "web",
        "credential_id": "JTI=1",
        "pod_name": "web-1",
        "pod_uid": "u1",
        "node_name": "n1",
        "source_ip": "203.0.113.66",
        "source_ips": ["10.0.0.1", "203.0.113.66"],
        "user_agent": event["userAgent"],
        "resource": "configmaps",
        "subresource": "scale",
        "namespace": "shop",
        "name": "settings",
        "api_group": "apps",
        "api_version": "v1",
        "object_uid": "o1",
        "resource_version": "7",
        "response_code": 403,
        "response_status": "Failure",
        "response_reason": "Forbidden",
        "response_message": "no",
        "decision": "forbid",
        "decision_reason": "because",
        "request_object": '{"a":1}',
        "response_object": '{"b":2}',
        "truncated": True,
        "unparsed": None,
        "date": date(2026, 11, 23),
    }


@pytest.mark.parametrize(
    "user",
    [
        {"username": "system:serviceaccount:shop:web", "groups": ["system:serviceaccounts:other"]},
        {"username": "system:serviceaccount:shop:web", "groups": []},
        {"username": "system:serviceaccount:shop:web:x", "groups": ["system:serviceaccounts:shop"]},
        {"username": "system:serviceaccount:shop", "groups": ["system:serviceaccounts:shop"]},
        {"username": "x:serviceaccount:shop:web", "groups": ["system:serviceaccounts:shop"]},
    ],
)
def test_a_name_alone_makes_no_service_account(user: dict[str, Any]) -> None:
    """A certificate that merely names a service account lacks its group and is not taken for one."""
    found = row(audit_event(0, user=user))

    assert found["service_account_name"] is None
    assert found["service_account_namespace"] is None


@given(audit_events())
def test_item_and_line_are_one_event(event: dict[str, Any]) -> None:
    """The same event as a list item (no kind, no apiVersion) and as a log line has one identity."""
    whole = {**event, "kind": "Event", "apiVersion": "audit.k8s.io/v1"}

    assert identity(line(whole)) == identity(item(whole))


@given(audit_events())
def test_escapes_do_not_make_another_event(event: dict[str, Any]) -> None:
    """How a string is escaped outside the bodies, and the order of fields, does not change identity."""
    for name in ("requestObject", "responseObject", "authenticationMetadata"):
        event.pop(name, None)
    plain = {name: value for name, value in event.items() if isinstance(value, str)}

    shuffled = dict(sorted(plain.items(), reverse=True))

    if "stageTimestamp" in plain:
        first = json.dumps(plain, ensure_ascii=True).encode()
        second = json.dumps(shuffled, ensure_ascii=False).encode()
        assert identity(first) == identity(second)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [p for key, inner in value.items() for p in paths(inner, (*here, key))]
    if isinstance(value, list) and value:
        return [p for index, inner in enumerate(value) for p in paths(inner, (*here, index))]
    return [here]


@given(audit_events(), st.data())
def test_any_changed_value_is_another_event(event: dict[str, Any], data: st.DataObject) -> None:
    """Two events that differ in one value anywhere, or that lack it, have different identities."""
    candidates = [p for p in paths(event) if p and p[0] not in ("kind", "apiVersion")]
    path = data.draw(st.sampled_from(candidates))
    changed = copy.deepcopy(event)
    target = changed
    for key in path[:-1]:
        target = target[key]
    before = target[path[-1]]
    if isinstance(before, str) and path[-1] in ("stageTimestamp", "requestReceivedTimestamp"):
        target[path[-1]] = "2026-01-01T00:00:00Z"
    elif isinstance(before, str):
        target[path[-1]] = before + "!"
    elif isinstance(before, bool) or before is None or before in ([], {}):
        del target[path[-1]]
    else:
        target[path[-1]] = 7 if before != 7 else 8

    raw = accept(line(changed), REDACTOR)

    if isinstance(raw, bytes):
        assert rows([raw], "prod", "s", NOON)["event_id"][0].as_py() != identity(event)


def test_a_cluster_is_part_of_identity() -> None:
    """The same event from two clusters is two events."""
    event = audit_event()

    assert identity(event, "prod") != identity(event, "test")
    assert identity(event, "prod") == identity(event, "prod")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rb'"\ud800"', rb'"\udfff"'),
        (b'"\xff"', b'"\xfe"'),
        (b"1e999", b"2e999"),
        (b'{"a":1,"a":2}', b'{"a":3,"a":2}'),
        (b'{"a":1}', b'{"a":1.0}'),
        (b"[" * 3000 + b"1" + b"]" * 3000, b"[" * 3000 + b"2" + b"]" * 3000),
    ],
    ids=["surrogates", "utf8", "infinite", "duplicates", "spelling", "deep"],
)
def test_hostile_bodies_stay_different(one: bytes, other: bytes) -> None:
    """Bodies that a column cannot hold exactly still make different events when they differ."""
    event = audit_event(verb="patch", level="Request")

    assert identity(with_raw_body(event, one)) != identity(with_raw_body(event, other))


def test_source_and_clock_are_no_part_of_identity() -> None:
    """When and by which road an event came does not change its identity, so re-deliveries match."""
    raws = [line(audit_event())]

    first = rows(raws, "prod", "apiserver", NOON)
    second = rows(raws, "prod", "eks", NOON.replace(hour=18))

    assert first["event_id"] == second["event_id"]


@given(audit_events())
def test_accepting_twice_changes_nothing(event: dict[str, Any]) -> None:
    """Redaction of accepted text gives the same text and the same identity."""
    once = accept(line(event), REDACTOR)
    assert isinstance(once, bytes)

    twice = accept(once, REDACTOR)

    assert twice == once


def test_redaction_decides_identity_before_it_is_taken() -> None:
    """A Secret's event and its redacted text are one event, so that a replay of the spool adds nothing."""
    event = secret_write("create", {"kind": "Secret", "data": {"password": "aHVudGVyMg=="}})
    once = accept(line(event), REDACTOR)
    assert isinstance(once, bytes)

    assert identity(event) == identity(once)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T08:33:56.859720Z", datetime(2026, 11, 23, 8, 33, 56, 859720, UTC)),
        ("2026-11-23T08:33:56.859720999Z", datetime(2026, 11, 23, 8, 33, 56, 859720, UTC)),
        ("2026-11-23T08:33:56Z", datetime(2026, 11, 23, 8, 33, 56, 0, UTC)),
        ("2026-11-23T08:33:56.1+14:00", datetime(2026, 11, 22, 18, 33, 56, 100000, UTC)),
        ("1969-12-31T23:59:59.9999999Z", datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)),
        ("0001-01-01T00:00:00.000001Z", datetime(1, 1, 1, 0, 0, 0, 1, UTC)),
        ("9999-12-31T23:59:59.999999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        ("2024-02-29T00:00:00.000000Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_microseconds_are_exact(text: str, moment: datetime) -> None:
    """Times arrive to the microsecond, cut and not rounded, at the UTC day they belong to."""
    found = row(audit_event(0, stageTimestamp=text, requestReceivedTimestamp=text))

    assert found["stage_at"] == found["request_received_at"] == moment
    assert found["date"] == moment.date()


@pytest.mark.parametrize("body", [b"NaN", b"Infinity", b"-Infinity", b'{"a":NaN}'])
def test_nan_is_not_json(body: bytes) -> None:
    """NaN and infinities are no JSON, and no event."""
    found = accept(with_raw_body(audit_event(verb="patch"), body), REDACTOR)

    assert isinstance(found, Quarantined)
    assert found.code == "json-invalid"


def test_v1beta1_says_its_time_elsewhere() -> None:
    """Old events carry one `timestamp`, or only their creation time: that is their stage_at."""
    old = audit_event(0, stageTimestamp=REMOVE, requestReceivedTimestamp=REMOVE, apiVersion="audit.k8s.io/v1beta1")

    assert row({**old, "timestamp": "2020-01-01T00:00:00Z"})["stage_at"] == datetime(2020, 1, 1, tzinfo=UTC)
    made = row({**old, "metadata": {"creationTimestamp": "2020-01-02T00:00:00Z"}})
    assert made["stage_at"] == datetime(2020, 1, 2, tzinfo=UTC)
    assert made["request_received_at"] is None


def test_quarantined_bytes_are_sealed_and_counted() -> None:
    """A quarantined payload is in the table whole, sealed, and once per content and cluster."""
    items = [Quarantined("json-invalid", "not JSON", b"hunter2 {", "webhook"), Quarantined("x", "y", b"", "f:1")]

    table = quarantine_rows(items, "prod", "apiserver", NOON, REDACTOR)

    assert table.schema == QUARANTINE.schema
    first, second = table.to_pylist()
    assert b"hunter2" not in first["sealed"]
    assert REDACTOR.unseal(first["sealed"]) == b"hunter2 {"
    assert REDACTOR.unseal(second["sealed"]) == b""
    assert (first["size_bytes"], first["code"], first["origin"]) == (9, "json-invalid", "webhook")
    again = quarantine_rows(items[:1], "prod", "other", NOON, REDACTOR).to_pylist()[0]
    elsewhere = quarantine_rows(items[:1], "test", "apiserver", NOON, REDACTOR).to_pylist()[0]
    assert again["quarantine_id"] == first["quarantine_id"] != elsewhere["quarantine_id"]
    assert quarantine_rows([], "prod", "s", NOON, REDACTOR).schema == QUARANTINE.schema


def test_decode_leaves_ordinary_events_without_leftovers() -> None:
    """An ordinary event fits the columns: nothing of it stands in `unparsed`."""
    assert decode(line(audit_event())).unparsed is None
    assert decode(item(audit_event())).unparsed is None
    assert pa.compute.all(pa.compute.is_null(rows([line(audit_event())], "c", "s", NOON)["unparsed"])).as_py()
