"""Accepted events to Arrow rows of the lake's tables, and rows back to events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Raw

from ingest.event import AuditEvent, Decoded, Quarantined, User, decode, overlay
from ingest.redact import Redactor
from lake.schema import EVENTS, QUARANTINE, STRINGS, TIMESTAMP

_encode = msgspec.json.Encoder(order="deterministic").encode
_identity = msgspec.json.Encoder(order="deterministic").encode
_EXTRA = "authentication.kubernetes.io/"
_DECISION = "authorization.k8s.io/decision"
_REASON = "authorization.k8s.io/reason"
_TRUNCATED = "audit.k8s.io/truncated"
_GROUP = "system:serviceaccounts:"


def event_id(decoded: Decoded, cluster: str) -> str:
    """Identity of a (redacted) event: SHA-256 over its content and cluster, 128 bits as hex.

    kind and apiVersion do not count: items of an EventList carry none, lines of a log file do.
    Bodies count as text, so a tool that re-serialised them in another key order made another event.
    """
    event = decoded.event
    kind, version = event.kind, event.apiVersion
    event.kind = event.apiVersion = UNSET
    text = _identity(event)
    event.kind, event.apiVersion = kind, version
    digest = hashlib.sha256(cluster.encode())
    digest.update(b"\0")
    digest.update(text)
    if decoded.unparsed:
        rest = {name: value for name, value in decoded.unparsed.items() if name not in ("kind", "apiVersion")}
        if rest:
            digest.update(_identity(rest))
    return digest.hexdigest()[:32]


def rows(raws: Sequence[bytes], cluster: str, source: str, ingested_at: datetime) -> pa.Table:
    """A table of EVENTS.schema, one row per accepted event, in the order given.

    ``raws`` are texts that ``ingest.redact.accept`` returned; ``ingested_at`` is UTC.
    """
    return event_table([decode(raw) for raw in raws], cluster, source, ingested_at)


def event_table(decoded: Sequence[Decoded], cluster: str, source: str, ingested_at: datetime) -> pa.Table:
    """A table of EVENTS.schema, one row per decoded and redacted event, in the order given."""
    columns: dict[str, list[Any]] = {name: [] for name in _PYTHON_COLUMNS}
    appenders = [columns[name].append for name in _PYTHON_COLUMNS]
    for item in decoded:
        for append, value in zip(appenders, _row(item, cluster), strict=True):
            append(value)
    count = len(decoded)
    arrays: dict[str, pa.Array] = {
        name: pa.array(values, type=_PYTHON_COLUMNS[name]) for name, values in columns.items()
    }
    for name in ("request_received_at", "stage_at"):
        arrays[name] = arrays[name].cast(TIMESTAMP)
    arrays["date"] = arrays["stage_at"].cast(pa.date32())
    for name, value, kind in (
        ("cluster", cluster, pa.string()),
        ("source", source, pa.string()),
        ("ingested_at", ingested_at, TIMESTAMP),
    ):
        arrays[name] = pa.repeat(pa.scalar(value, kind), count)
    return pa.Table.from_arrays([arrays[c.name] for c in EVENTS.columns], schema=EVENTS.schema)


def _python_type(name: str, kind: pa.DataType) -> pa.DataType:
    return pa.string() if name in ("request_received_at", "stage_at") else kind


_PYTHON_COLUMNS: dict[str, pa.DataType] = {
    column.name: _python_type(column.name, column.type)
    for column in EVENTS.columns
    if column.name not in ("cluster", "source", "ingested_at", "date")
}
_NOBODY: tuple[Any, ...] = (None, None, None, None)


def _row(decoded: Decoded, cluster: str) -> tuple[Any, ...]:
    """Values of one event in the order of _PYTHON_COLUMNS."""
    event = decoded.event
    user = event.user
    credential = pod_name = pod_uid = node_name = namespace = account = None
    if user is UNSET:
        who: tuple[Any, ...] = _NOBODY
    else:
        name, groups, extra = user.username, user.groups, user.extra
        who = (
            None if name is UNSET else name,
            None if user.uid is UNSET else user.uid,
            None if groups is UNSET else groups,
            None if extra is UNSET else _encode(extra).decode(),
        )
        if extra is not UNSET:
            credential = _first(extra, _EXTRA + "credential-id")
            pod_name = _first(extra, _EXTRA + "pod-name")
            pod_uid = _first(extra, _EXTRA + "pod-uid")
            node_name = _first(extra, _EXTRA + "node-name")
        if name is not UNSET and groups is not UNSET and name.startswith("system:serviceaccount:"):
            parts = name.split(":")
            if len(parts) == 4 and _GROUP + parts[2] in groups:
                namespace, account = parts[2], parts[3]
    other = event.impersonatedUser
    whom = _NOBODY if other is UNSET else _user_values(other)
    ips = event.sourceIPs
    reference = event.objectRef
    what = _NO_OBJECT if reference is UNSET else tuple(None if v is UNSET else v for v in _object_values(reference))
    status = event.responseStatus
    outcome: tuple[Any, ...] = _NOBODY
    unparsed = decoded.unparsed
    if status is not UNSET:
        outcome = (
            None if status.code is UNSET else status.code,
            None if status.status is UNSET else status.status,
            None if status.reason is UNSET else status.reason,
            None if status.message is UNSET else status.message,
        )
        if status.details is not UNSET:
            unparsed = dict(unparsed or {})
            unparsed["responseStatus"] = {**unparsed.get("responseStatus", {}), "details": status.details}
    if event.authenticationMetadata is not UNSET:
        unparsed = {**(unparsed or {}), "authenticationMetadata": event.authenticationMetadata}
    annotations = event.annotations
    decision = reason = None
    truncated = False
    annotations_text = None
    if annotations is not UNSET:
        decision = annotations.get(_DECISION)
        reason = annotations.get(_REASON)
        truncated = annotations.get(_TRUNCATED) == "true"
        annotations_text = _encode(annotations).decode()
    request, response = event.requestObject, event.responseObject
    received = event.requestReceivedTimestamp
    return (
        event_id(decoded, cluster),
        event.auditID,
        event.stage,
        event.level,
        None if event.verb is UNSET else event.verb,
        None if event.requestURI is UNSET else event.requestURI,
        None if received is UNSET else received,
        event.stageTimestamp,
        *who,
        *whom,
        namespace,
        account,
        credential,
        pod_name,
        pod_uid,
        node_name,
        ips[-1] if ips is not UNSET and ips else None,
        None if ips is UNSET else ips,
        None if event.userAgent is UNSET else event.userAgent,
        *what,
        *outcome,
        decision,
        reason,
        None if request is UNSET else bytes(request),
        None if response is UNSET else bytes(response),
        annotations_text,
        truncated,
        _encode(unparsed).decode() if unparsed else None,
    )


_NO_OBJECT: tuple[Any, ...] = (None,) * 8


def _object_values(reference: Any) -> tuple[Any, ...]:
    return (
        reference.resource,
        reference.subresource,
        reference.namespace,
        reference.name,
        reference.apiGroup,
        reference.apiVersion,
        reference.uid,
        reference.resourceVersion,
    )


def _user_values(user: User) -> tuple[Any, ...]:
    return (
        None if user.username is UNSET else user.username,
        None if user.uid is UNSET else user.uid,
        None if user.groups is UNSET else user.groups,
        None if user.extra is UNSET else _encode(user.extra).decode(),
    )


def _first(extra: dict[str, list[str]], key: str) -> str | None:
    values = extra.get(key)
    return values[0] if values else None


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
