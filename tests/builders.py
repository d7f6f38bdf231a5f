"""Make audit events for tests: the ordinary event plus patches, in every envelope it may travel in.

An event is a dict as ``json.loads`` would give it; ``line`` and ``item`` turn it into the bytes that a
log file and a webhook post carry.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
"""When the ordinary event with number 0 was received; number n follows n seconds later."""

REMOVE = object()
"""In a patch: take this field away (None writes a JSON null)."""

_ORDINARY: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "00000000-0000-4000-8000-000000000000",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/configmaps/settings",
    "verb": "get",
    "user": {"username": "alice@example.com", "groups": ["developers", "system:authenticated"]},
    "sourceIPs": ["192.0.2.10"],
    "userAgent": "kubectl/v1.36.2 (linux/amd64) kubernetes/0000000",
    "objectRef": {"resource": "configmaps", "namespace": "shop", "name": "settings", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "code": 200},
    "requestReceivedTimestamp": "2026-11-23T12:00:00.000000Z",
    "stageTimestamp": "2026-11-23T12:00:00.001000Z",
    "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
}


def timestamp(moment: datetime) -> str:
    """*moment* as a kube-apiserver writes it: RFC 3339, UTC, six decimals, Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def patched(event: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """*event* with *patch* merged into it: objects merge, REMOVE removes, anything else replaces."""
    result = copy.deepcopy(dict(event))
    for name, value in patch.items():
        if value is REMOVE:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(result.get(name), dict):
            result[name] = patched(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def audit_event(number: int = 0, *patches: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The ordinary event (alice reads a ConfigMap) with *number*'s own id and times, then patched.

    Number n is received n seconds after NOON and complete a millisecond later.
    """
    received = NOON + timedelta(seconds=number)
    event = patched(
        _ORDINARY,
        {
            "auditID": f"00000000-0000-4000-8000-{number:012d}",
            "requestReceivedTimestamp": timestamp(received),
            "stageTimestamp": timestamp(received + timedelta(milliseconds=1)),
        },
    )
    for patch in (*patches, fields):
        event = patched(event, patch)
    return event


def audit_events(count: int, start: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """*count* ordinary events with consecutive numbers."""
    return [audit_event(number, **fields) for number in range(start, start + count)]


def secret_write(verb: str, body: Any, number: int = 0, **fields: Any) -> dict[str, Any]:
    """A write to the Secret shop/login at level Request, with *body* as its requestObject."""
    return audit_event(
        number,
        {
            "level": "Request",
            "verb": verb,
            "requestURI": "/api/v1/namespaces/shop/secrets/login",
            "objectRef": {"resource": "secrets", "name": "login"},
            "requestObject": body,
        },
        fields,
    )


def line(event: Mapping[str, Any]) -> bytes:
    """The event as a log file holds it: with kind and apiVersion, no newline."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def item(event: Mapping[str, Any]) -> bytes:
    """The event as an item of a webhook's EventList: without kind and apiVersion."""
    return line({name: value for name, value in event.items() if name not in ("kind", "apiVersion")})


def event_list(items: Iterable[Mapping[str, Any] | bytes]) -> bytes:
    """An EventList as a kube-apiserver posts it; bytes stand in it as they are."""
    texts = [part if isinstance(part, bytes) else item(part) for part in items]
    return b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + b",".join(texts) + b"]}\n"


def with_raw_body(event: Mapping[str, Any], body: bytes, name: str = "requestObject") -> bytes:
    """The event as a line whose *name* holds exactly the bytes *body*, JSON or not."""
    text = line({**event, name: "@body@"})
    return text.replace(b'"@body@"', body)


def json_lines(events: Sequence[Mapping[str, Any]]) -> bytes:
    """A log file: one line an event."""
    return b"".join(line(event) + b"\n" for event in events)
