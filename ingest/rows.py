"""Accepted events to Arrow rows of the lake's tables, and rows back to events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from ingest.event import (
    AnnotationFacts,
    AuditEvent,
    Decoded,
    Quarantined,
    StatusFacts,
    UserFacts,
    annotation_facts,
    decode,
    status_facts,
    user_facts,
)
from ingest.redact import Redactor
from lake.schema import EVENTS, QUARANTINE, TIMESTAMP

_encode = msgspec.json.Encoder(order="deterministic").encode
_fields = msgspec.structs.astuple
_NO_USER: UserFacts = (*(None,) * 10, Raw(b"null"))
_NO_STATUS: StatusFacts = (None, None, None, None, None, Raw(b"null"))
_NO_ANNOTATIONS: tuple[Any, ...] = (None, None, False, None, Raw(b"null"))
_NO_OBJECT: tuple[None, ...] = (None,) * 8


def rows(raws: Sequence[bytes], cluster: str, source: str, ingested_at: datetime) -> pa.Table:
    """A table of EVENTS.schema, one row per accepted event, in the order given.

    ``raws`` are texts that ``ingest.redact.accept`` returned; ``ingested_at`` is UTC.
    """
    return event_table([decode(raw) for raw in raws], cluster, source, ingested_at)


def event_table(decoded: Sequence[Decoded], cluster: str, source: str, ingested_at: datetime) -> pa.Table:
    """A table of EVENTS.schema, one row per decoded and redacted event, in the order given."""
    count = len(decoded)
    if count == 0:
        return EVENTS.schema.empty_table()
    events = [item.event for item in decoded]
    users = [_NO_USER if event.user is None else user_facts(event.user) for event in events]
    others = [_NO_USER if e.impersonatedUser is None else user_facts(e.impersonatedUser) for e in events]
    statuses = [_NO_STATUS if e.responseStatus is None else status_facts(e.responseStatus) for e in events]
    notes = [_NO_ANNOTATIONS if e.annotations is None else annotation_facts(e.annotations) for e in events]
    objects = [_NO_OBJECT if event.objectRef is None else _fields(event.objectRef) for event in events]
    name_id = _Identity(cluster).of
    columns: dict[str, Any] = {
        "event_id": [
            name_id(item, user, other, status, note)
            for item, user, other, status, note in zip(decoded, users, others, statuses, notes, strict=True)
        ],
        **{column: list(map(get, events)) for column, get in _PLAIN.items()},
        **_turned(users, _USER_COLUMNS),
        **_turned(others, _OTHER_COLUMNS),
        **_turned(objects, _OBJECT_COLUMNS),
        **_turned(statuses, _STATUS_COLUMNS),
        **_turned(notes, _ANNOTATION_COLUMNS),
        "source_ip": [event.sourceIPs[-1] if event.sourceIPs else None for event in events],
        "request_object": [None if e.requestObject is None else bytes(e.requestObject) for e in events],
        "response_object": [None if e.responseObject is None else bytes(e.responseObject) for e in events],
        "unparsed": [_unparsed(item, status[4]) for item, status in zip(decoded, statuses, strict=True)],
    }
    arrays: dict[str, pa.Array] = {}
    for column in EVENTS.columns:
        if column.name in ("request_received_at", "stage_at"):
            arrays[column.name] = pa.array(columns[column.name], pa.string()).cast(TIMESTAMP)
        elif column.name in columns:
            arrays[column.name] = pa.array(columns[column.name], column.type)
    arrays["date"] = arrays["stage_at"].cast(pa.date32())
    for name, value in (("cluster", cluster), ("source", source), ("ingested_at", ingested_at)):
        arrays[name] = pa.repeat(pa.scalar(value, EVENTS.column(name).type), count)
    return pa.Table.from_arrays([arrays[c.name] for c in EVENTS.columns], schema=EVENTS.schema)


_PLAIN: dict[str, Callable[[AuditEvent], Any]] = {
    "audit_id": attrgetter("auditID"),
    "stage": attrgetter("stage"),
    "level": attrgetter("level"),
    "verb": attrgetter("verb"),
    "request_uri": attrgetter("requestURI"),
    "request_received_at": attrgetter("requestReceivedTimestamp"),
    "stage_at": attrgetter("stageTimestamp"),
    "source_ips": attrgetter("sourceIPs"),
    "user_agent": attrgetter("userAgent"),
}
_USER_COLUMNS = (
    "user_name", "user_uid", "user_groups", "user_extra", "credential_id", "pod_name", "pod_uid", "node_name",
    "service_account_namespace", "service_account_name",
)  # fmt: skip
_OTHER_COLUMNS = (
    "impersonated_user_name", "impersonated_user_uid", "impersonated_user_groups", "impersonated_user_extra",
)  # fmt: skip
_OBJECT_COLUMNS = (
    "resource", "subresource", "namespace", "name", "api_group", "api_version", "object_uid", "resource_version",
)  # fmt: skip
_STATUS_COLUMNS = ("response_code", "response_status", "response_reason", "response_message")
_ANNOTATION_COLUMNS = ("decision", "decision_reason", "truncated", "annotations")


def _turned(facts: Sequence[tuple[Any, ...]], names: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """Tuples of values to columns; what has no name is left out."""
    return dict(zip(names, zip(*facts, strict=True), strict=False))


def _unparsed(decoded: Decoded, details: Raw | None) -> str | None:
    unparsed = decoded.unparsed
    if details is not None:
        unparsed = dict(unparsed or {})
        unparsed["responseStatus"] = {**unparsed.get("responseStatus", {}), "details": details}
    if decoded.event.authenticationMetadata is not None:
        unparsed = {**(unparsed or {}), "authenticationMetadata": decoded.event.authenticationMetadata}
    return _encode(unparsed).decode() if unparsed else None


class _Identity:
    """Ids of the (redacted) events of one cluster: SHA-256 over cluster and content, 128 bits as hex.

    kind and apiVersion do not count: items of an EventList carry none, lines of a log file do. White
    space between tokens does not count either. A tool that wrote the keys of a body in another order
    made another event.
    """

    def __init__(self, cluster: str) -> None:
        self._start = hashlib.sha256(_encode(cluster))

    def of(
        self, decoded: Decoded, user: UserFacts, other: UserFacts, status: StatusFacts, notes: AnnotationFacts
    ) -> str:
        event, rest = decoded.event, decoded.unparsed
        if rest:
            rest = {name: value for name, value in rest.items() if name not in ("kind", "apiVersion")}
        digest = self._start.copy()
        content = (
            event.level, event.auditID, event.stage, event.requestURI, event.verb, user[10], other[10],
            event.sourceIPs, event.userAgent, event.objectRef, status[5], _compact(event.requestObject),
            _compact(event.responseObject), event.requestReceivedTimestamp, event.stageTimestamp, notes[4],
            _compact(event.authenticationMetadata), rest or None,
        )  # fmt: skip
        digest.update(_encode(content))
        return digest.hexdigest()[:32]


def _compact(body: Raw | None) -> Raw | None:
    """Without white space between tokens, as a kube-apiserver writes.

    Every serialiser that puts white space between tokens puts a space after the colon.
    """
    if body is None:
        return None
    text = bytes(body)
    return Raw(msgspec.json.format(text, indent=-1)) if b'": ' in text else body


def quarantine_rows(
    items: Sequence[Quarantined], cluster: str, source: str, received_at: datetime, redactor: Redactor
) -> pa.Table:
    """A table of QUARANTINE.schema, one row per item, payloads sealed; ``received_at`` is UTC."""
    return pa.Table.from_pylist(
        [
            {
                "cluster": cluster,
                "source": source,
                "received_at": received_at,
                "quarantine_id": hashlib.sha256(cluster.encode() + b"\0" + item.payload).hexdigest()[:32],
                "origin": item.origin,
                "code": item.code,
                "reason": item.reason,
                "size_bytes": len(item.payload),
                "sealed": redactor.seal(item.payload),
                "date": received_at.date(),
            }
            for item in items
        ],
        schema=QUARANTINE.schema,
    )
