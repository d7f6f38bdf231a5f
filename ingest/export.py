"""Rows of the lake back to audit events, as JSON lines: the inverse of ``ingest.rows``.

An exported event equals the one that came in, as JSON values: redacted values aside, and with kind and
apiVersion always written (items of an EventList come without).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from ingest.event import API_VERSION, overlay

_encode = msgspec.json.Encoder().encode
_decode_unparsed = msgspec.json.Decoder(dict[str, Raw]).decode
_OBJECT_FIELDS = (
    ("resource", "resource"),
    ("namespace", "namespace"),
    ("name", "name"),
    ("object_uid", "uid"),
    ("api_group", "apiGroup"),
    ("api_version", "apiVersion"),
    ("resource_version", "resourceVersion"),
    ("subresource", "subresource"),
)
_STATUS_FIELDS = (
    ("response_status", "status"),
    ("response_message", "message"),
    ("response_reason", "reason"),
    ("response_code", "code"),
)
_NESTED = ("user", "impersonatedUser", "objectRef", "responseStatus")


def events(rows: pa.Table | pa.RecordBatch) -> Iterator[bytes]:
    """The audit event of each row (EVENTS columns, any order), as one line of JSON without a newline."""
    for row in rows.to_pylist():
        yield _encode(event_members(row))


def event_members(row: dict[str, Any]) -> dict[str, Any]:
    """The audit event of one row as a dict in the order a kube-apiserver writes; bodies are ``Raw``."""
    members: dict[str, Any] = {"kind": "Event", "apiVersion": API_VERSION}
    _put(members, "level", row["level"])
    _put(members, "auditID", row["audit_id"])
    _put(members, "stage", row["stage"])
    _put(members, "requestURI", row["request_uri"])
    _put(members, "verb", row["verb"])
    members["user"] = _user(row, "user")
    whom = _user(row, "impersonated_user")
    if whom:
        members["impersonatedUser"] = whom
    _put(members, "sourceIPs", row["source_ips"])
    _put(members, "userAgent", row["user_agent"])
    reference = _fields(row, _OBJECT_FIELDS)
    if reference:
        members["objectRef"] = reference
    unparsed = _unparsed(row["unparsed"])
    status = _fields(row, _STATUS_FIELDS)
    if status or "responseStatus" in unparsed or "responseStatus.metadata" in unparsed.get("", {}).get("absent", ()):
        members["responseStatus"] = {"metadata": {}, **status}
    for column, name in (("request_object", "requestObject"), ("response_object", "responseObject")):
        if row[column] is not None:
            members[name] = Raw(row[column].encode())
    if row["request_received_at"] is not None:
        members["requestReceivedTimestamp"] = _time(row["request_received_at"])
    members["stageTimestamp"] = _time(row["stage_at"])
    if row["annotations"] is not None:
        members["annotations"] = Raw(row["annotations"].encode())
    return overlay(members, unparsed)


def _put(members: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        members[name] = value


def _fields(row: dict[str, Any], names: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {name: row[column] for column, name in names if row[column] is not None}


def _user(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    user: dict[str, Any] = {}
    _put(user, "username", row[f"{prefix}_name"])
    _put(user, "uid", row[f"{prefix}_uid"])
    _put(user, "groups", row[f"{prefix}_groups"])
    extra = row[f"{prefix}_extra"]
    if extra is not None:
        user["extra"] = Raw(extra.encode())
    return user


def _unparsed(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    unparsed: dict[str, Any] = {}
    for name, value in _decode_unparsed(text).items():
        if name == "":
            unparsed[name] = msgspec.json.decode(value)
        elif name in _NESTED and bytes(value)[:1] == b"{":
            unparsed[name] = _decode_unparsed(value)
        else:
            unparsed[name] = value
    return unparsed


def _time(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
