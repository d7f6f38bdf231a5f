"""Hypothesis strategies for audit events: everything a kube-apiserver, an old export or a client can put there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ingest.event import AuditEvent, ObjectReference, Status, User

texts = st.one_of(
    st.sampled_from(
        ["", "a", "\x00", "\u2028", "\ufffd", "é", "👣", '"', "\\", "{", "]", "<script>", "items", "redacted:"]
    ),
    st.text(max_size=12),
)
integers = st.one_of(st.integers(-5, 500), st.integers(), st.integers(-(2**80), 2**80))
floats = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, floats, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@st.composite
def timestamps(draw: st.DrawFn) -> str:
    """RFC 3339 times with 0 to 9 decimals and any offset, on few days so that few partitions are made."""
    moment = draw(
        st.sampled_from(
            [
                "0001-01-01T00:00:00",
                "0001-01-02T03:00:00",
                "1969-12-31T23:59:59",
                "2026-11-23T23:59:59",
                "2026-11-24T00:00:00",
                "9999-12-31T23:59:59",
            ]
        )
    )
    digits = draw(st.integers(0, 9))
    fraction = "." + "".join(draw(st.lists(st.sampled_from("019"), min_size=digits, max_size=digits))) if digits else ""
    offsets = ["Z", "+00:00"]
    if moment[:4] not in ("0001", "9999"):
        offsets += ["z", "+05:30", "-11:00", "+14:00", "-00:01"]
    separator = draw(st.sampled_from(["T", "T", "t", " "]))
    return moment.replace("T", separator) + fraction + draw(st.sampled_from(offsets))


def unknown_fields(struct: type) -> st.SearchStrategy[dict[str, Any]]:
    """Fields that *struct* does not know, now and then."""
    known = set(struct.__struct_fields__)  # type: ignore[attr-defined]
    names = st.one_of(st.sampled_from(["items", "metadata", "timestamp", "details.x", "Verb"]), texts)
    return st.one_of(
        st.just({}),
        st.just({}),
        st.dictionaries(names.filter(lambda n: n not in known and n != ""), json_values, min_size=1, max_size=2),
    )


def _object(struct: type, fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {name: st.one_of(value, value, value, st.none()) for name, value in fields.items()}
    known = st.fixed_dictionaries({}, optional=optional)
    return st.builds(lambda one, other: {**one, **other}, known, unknown_fields(struct))


users = _object(
    User,
    {
        "username": texts,
        "uid": texts,
        "groups": st.lists(texts, max_size=3),
        "extra": st.dictionaries(texts, st.lists(texts, max_size=2), max_size=2),
    },
)
references = _object(ObjectReference, dict.fromkeys(ObjectReference.__struct_fields__, texts))
statuses = _object(
    Status,
    {
        "metadata": st.one_of(st.just({}), st.dictionaries(texts, json_values, max_size=2)),
        "status": texts,
        "message": texts,
        "reason": texts,
        "details": json_values,
        "code": st.one_of(st.integers(100, 599), st.integers(-(2**80), 2**80)),
    },
)
verbs = st.one_of(st.sampled_from(["get", "patch", "create", ""]), texts)


@st.composite
def audit_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event with all known fields optional, save the four without which nothing is an event."""
    event = draw(
        _object(
            AuditEvent,
            {
                "requestURI": texts,
                "verb": verbs,
                "user": users,
                "impersonatedUser": users,
                "sourceIPs": st.lists(texts, max_size=3),
                "userAgent": texts,
                "objectRef": references,
                "responseStatus": statuses,
                "requestObject": json_values,
                "responseObject": json_values,
                "requestReceivedTimestamp": timestamps(),
                "annotations": st.dictionaries(texts, texts, max_size=3),
                "authenticationMetadata": json_values,
            },
        )
    )
    event |= {
        "auditID": draw(texts),
        "stage": draw(st.sampled_from(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"])),
        "level": draw(st.sampled_from(["Metadata", "Request", "RequestResponse"])),
    }
    # v1beta1 and old exports say the time elsewhere.
    match draw(st.sampled_from(["stage", "stage", "stage", "received", "timestamp", "metadata", "null"])):
        case "received":
            event["requestReceivedTimestamp"] = draw(timestamps())
        case "timestamp":
            event["timestamp"] = draw(timestamps())
        case "metadata":
            event["metadata"] = {"creationTimestamp": draw(timestamps())}
        case "null":
            event["requestReceivedTimestamp"] = draw(timestamps())
            event["stageTimestamp"] = None
        case _:
            event["stageTimestamp"] = draw(timestamps())
    if draw(st.booleans()):
        event |= {"kind": "Event", "apiVersion": draw(st.sampled_from(["audit.k8s.io/v1", "audit.k8s.io/v1beta1"]))}
    return event


def microsecond(text: str, delta: int) -> str:
    """A canonical timestamp moved by *delta* microseconds."""
    moment = datetime.fromisoformat(text) + timedelta(microseconds=delta)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
