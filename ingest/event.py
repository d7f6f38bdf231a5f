"""Decode one audit event or a whole post: typed, checked, nothing of it lost.

Every byte that arrives becomes either an event or a ``Quarantined`` item. The ordinary event takes a
typed fast path; one with unknown fields, nulls, odd timestamps or a hostile body takes a slower one
that keeps in ``unparsed`` whatever the columns cannot hold exactly.

Sources: k8s.io/apiserver/pkg/apis/audit/v1/types.go (fields); what a raw patch body may hold that a
strict JSON parser refuses (lone surrogates, bad UTF-8, duplicate keys, depth) is Go's encoding/json,
which accepts all of them, so a client can put them into the log and must not be able to hide by it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from ingest import broken_list
from ingest.odd_json import MAX_DEPTH, Tamed, is_deep

API_GROUP = "audit.k8s.io/"
API_VERSION = "audit.k8s.io/v1"
KNOWN_API_VERSIONS = frozenset({"", "audit.k8s.io/v1", "audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1"})


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What arrived and is not an audit event: kept whole, with a stable code and the reason in words."""

    code: str
    reason: str
    payload: bytes
    origin: str = ""


class NotAnEvent(Exception):
    """Why one piece of input is no audit event; becomes a ``Quarantined`` at the edge of this module."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


# Absent fields read None below, yet an explicit null does not fit the type: it takes the slower path,
# which keeps it. (msgspec does not check defaults, which is what makes this possible.)
_ABSENT: Any = None


class User(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """authentication/v1 UserInfo."""

    username: str = _ABSENT
    uid: str = _ABSENT
    groups: list[str] = _ABSENT
    extra: dict[str, list[str]] = _ABSENT


class ObjectReference(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """audit/v1 ObjectReference."""

    resource: str = _ABSENT
    subresource: str = _ABSENT
    namespace: str = _ABSENT
    name: str = _ABSENT
    apiGroup: str = _ABSENT
    apiVersion: str = _ABSENT
    uid: str = _ABSENT
    resourceVersion: str = _ABSENT


class EmptyObject(Struct, forbid_unknown_fields=True, gc=False):
    """``{}``: what metav1.Status carries as its metadata in an audit event."""


class Status(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """meta/v1 Status, as responseStatus."""

    metadata: EmptyObject = _ABSENT
    status: str = _ABSENT
    message: str = _ABSENT
    reason: str = _ABSENT
    details: Raw = _ABSENT
    code: Int32 = _ABSENT


class AuditEvent(Struct, forbid_unknown_fields=True, gc=False):
    """audit.k8s.io/v1 Event; None is a field that was not there.

    Bodies stay JSON text. So do user, impersonatedUser, responseStatus and annotations, whose few
    different texts are parsed once each (``user_facts``, ``status_facts``, ``annotation_facts``).
    """

    kind: str = _ABSENT
    apiVersion: str = _ABSENT
    level: str = _ABSENT
    auditID: str = _ABSENT
    stage: str = _ABSENT
    requestURI: str = _ABSENT
    verb: str = _ABSENT
    user: Raw = _ABSENT
    impersonatedUser: Raw = _ABSENT
    sourceIPs: list[str] = _ABSENT
    userAgent: str = _ABSENT
    objectRef: ObjectReference = _ABSENT
    responseStatus: Raw = _ABSENT
    requestObject: Raw = _ABSENT
    responseObject: Raw = _ABSENT
    requestReceivedTimestamp: str = _ABSENT
    stageTimestamp: str = _ABSENT
    annotations: Raw = _ABSENT
    authenticationMetadata: Raw = _ABSENT


@dataclass(slots=True)
class Decoded:
    """One event: ``event`` holds what the columns can, ``unparsed`` the rest.

    ``event``'s timestamps are in the canonical 27-character UTC form. ``unparsed`` maps field names
    (and, for user, impersonatedUser, objectRef, responseStatus, their fields) to JSON values that
    replace or add to what the columns say on the way back. Its reserved key "" holds ``absent``
    (fields that were not there although the columns carry a value), ``text`` (original text of bodies
    that stand pruned or normalised in the columns) and ``lost`` (SHA-256 of what is no JSON and was
    replaced elsewhere, so that it still tells events apart).
    """

    event: AuditEvent
    unparsed: dict[str, Any] | None = None


_decode_event = msgspec.json.Decoder(AuditEvent).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder(order="deterministic").encode
_NESTED: dict[str, type[Struct]] = {
    "user": User,
    "impersonatedUser": User,
    "objectRef": ObjectReference,
    "responseStatus": Status,
}
_FIELD_TYPES: dict[str, dict[str, Any]] = {
    struct.__name__: {f.name: f.type for f in msgspec.structs.fields(struct)}
    for struct in (AuditEvent, User, ObjectReference, Status)
}
BODIES = ("requestObject", "responseObject", "authenticationMetadata")
_TIMES = ("requestReceivedTimestamp", "stageTimestamp")

# --- fields whose texts repeat -------------------------------------------------------------------

_MEMORY_TEXTS = 20_000
_MEMORY_TEXT_BYTES = 2_000
_EXTRA = "authentication.kubernetes.io/"
_SERVICE_ACCOUNT_GROUP = "system:serviceaccounts:"

UserFacts = tuple[
    str | None, str | None, list[str] | None, str | None, str | None, str | None,
    str | None, str | None, str | None, str | None, Raw,
]  # fmt: skip
StatusFacts = tuple[int | None, str | None, str | None, str | None, Raw | None, Raw]
AnnotationFacts = tuple[str | None, str | None, bool, str, Raw]

_decode_user = msgspec.json.Decoder(User).decode
_decode_status = msgspec.json.Decoder(Status).decode
_decode_annotations = msgspec.json.Decoder(dict[str, str]).decode
_users: dict[bytes, UserFacts] = {}
_statuses: dict[bytes, StatusFacts] = {}
_annotations: dict[bytes, AnnotationFacts] = {}


def user_facts(raw: Raw) -> UserFacts:
    """What the columns want of a UserInfo, and its canonical JSON.

    In order: username, uid, groups, extra as JSON, credential id, pod name, pod uid, node name, service
    account namespace, service account name, canonical JSON.
    The service account is named only when the group of its namespace agrees: a certificate can carry
    any name, but not that group unless a signer put it there too.
    """
    text = bytes(raw)
    facts = _users.get(text)
    if facts is None:
        user = _decode_user(text)
        credential = pod_name = pod_uid = node_name = namespace = account = None
        extra = user.extra
        if extra is not None:
            credential, pod_name, pod_uid, node_name = (
                next(iter(extra.get(_EXTRA + key, ())), None)
                for key in ("credential-id", "pod-name", "pod-uid", "node-name")
            )
        parts = user.username.split(":") if user.username is not None else []
        named = len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]
        if named and user.groups is not None and _SERVICE_ACCOUNT_GROUP + parts[2] in user.groups:
            namespace, account = parts[2], parts[3]
        extra_text = None if extra is None else _encode(extra).decode()
        facts = (
            user.username, user.uid, user.groups, extra_text, credential, pod_name, pod_uid, node_name,
            namespace, account, Raw(_encode(user)),
        )  # fmt: skip
        _remember(_users, text, facts)
    return facts


def status_facts(raw: Raw) -> StatusFacts:
    """(code, status, reason, message, details, canonical JSON) of a responseStatus."""
    text = bytes(raw)
    facts = _statuses.get(text)
    if facts is None:
        status = _decode_status(text)
        details = None if status.details is None else Raw(bytes(status.details))
        facts = (status.code, status.status, status.reason, status.message, details, Raw(_encode(status)))
        _remember(_statuses, text, facts)
    return facts


def annotation_facts(raw: Raw) -> AnnotationFacts:
    """(decision, reason, truncated, JSON text, canonical JSON) of the annotations."""
    text = bytes(raw)
    facts = _annotations.get(text)
    if facts is None:
        annotations = _decode_annotations(text)
        canonical = _encode(annotations)
        facts = (
            annotations.get("authorization.k8s.io/decision"),
            annotations.get("authorization.k8s.io/reason"),
            annotations.get("audit.k8s.io/truncated") == "true",
            canonical.decode(),
            Raw(canonical),
        )
        _remember(_annotations, text, facts)
    return facts


def _remember(memory: dict[bytes, Any], text: bytes, facts: Any) -> None:
    # Long texts hardly repeat, and a client can make many of them.
    if len(text) > _MEMORY_TEXT_BYTES:
        return
    if len(memory) >= _MEMORY_TEXTS:
        memory.clear()
    memory[text] = facts


def decode(raw: bytes) -> Decoded:
    """One audit event from its JSON text.

    Raises NotAnEvent with a stable code: json-invalid, json-too-deep, kind-unknown, field-missing,
    field-type or time-invalid.
    """
    try:
        event = _decode_event(raw)
        usual = (
            event.user is not None
            and user_facts(event.user) is not None
            and (event.responseStatus is None or _is_usual(status_facts(event.responseStatus)))
            and (event.annotations is None or annotation_facts(event.annotations) is not None)
            and (event.objectRef is None or event.objectRef.resource is not None)
            and (event.impersonatedUser is None or user_facts(event.impersonatedUser)[0] is not None)
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_loosely(raw)
    if not (
        usual
        and _is_canonical(event.stageTimestamp)
        and _is_canonical(event.requestReceivedTimestamp)
        and (raw.isascii() or _is_utf8(raw))
        and not ((event.requestObject is not None or event.responseObject is not None) and is_deep(raw))
    ):
        return _decode_loosely(raw)
    _require(event)
    if event.verb == "patch" and event.requestObject is not None:
        texts: dict[str, str] = {}
        _normalise_body(event, "requestObject", texts)
        if texts:
            return Decoded(event, _versioned(event, {"": {"text": texts}}))
    if event.apiVersion is not None and event.apiVersion != API_VERSION and event.apiVersion:
        return Decoded(event, _versioned(event, {}))
    return Decoded(event)


def _is_usual(status: StatusFacts) -> bool:
    """With a code, and with the empty metadata that a kube-apiserver always writes."""
    return status[0] is not None and b'"metadata"' in bytes(status[5])


def _versioned(event: AuditEvent, rest: dict[str, Any]) -> dict[str, Any]:
    """Keep an apiVersion other than today's in *rest*, which is returned."""
    if event.apiVersion not in (None, API_VERSION, ""):
        rest["apiVersion"] = event.apiVersion
    return rest


def _require(event: AuditEvent) -> None:
    if event.kind is not None and event.kind != "Event":
        raise NotAnEvent("kind-unknown", f"kind is {event.kind[:80]!r}, not Event")
    if event.apiVersion is not None and event.apiVersion not in KNOWN_API_VERSIONS:
        raise NotAnEvent("kind-unknown", f"apiVersion is {event.apiVersion[:80]!r}, not {API_VERSION}")
    if event.auditID is None or event.stage is None or event.level is None:
        name = next(name for name in ("auditID", "stage", "level") if getattr(event, name) is None)
        raise NotAnEvent("field-missing", f"no {name}: every audit event has one")
    if event.stageTimestamp is None:
        raise NotAnEvent("field-missing", "no stageTimestamp, requestReceivedTimestamp or timestamp")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


# Days up to the 28th exist in every month, so this decides for most times without building a date.
_COMMON_TIME = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII
).fullmatch
_ANY_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII).fullmatch


def _is_canonical(text: str | None) -> bool:
    """True for the 27 characters a kube-apiserver writes: 2026-11-23T08:33:56.859720Z."""
    if text is None:
        return False
    if _COMMON_TIME(text):
        return True
    if not _ANY_TIME(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,18}))?(Z|z|[+-]\d\d:?\d\d)", re.ASCII)


def canonical_time(text: str) -> str:
    """An RFC 3339 time in the canonical form, UTC, cut (not rounded) to microseconds; ValueError if none."""
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError("write RFC 3339, such as 2026-11-23T08:00:00.000000Z")
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    moment = datetime.fromisoformat(f"{day}T{clock}{zone}")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "." + (fraction or "")[:6].ljust(6, "0") + "Z"


# --- the slower, total path ---------------------------------------------------------------------


def _decode_loosely(raw: bytes) -> Decoded:
    text = raw
    lost: list[bytes] = []
    if not raw.isascii() and not _is_utf8(raw):
        # As Go reads it: every invalid byte is U+FFFD.
        text = raw.decode("utf-8", "replace").encode()
        lost += re.findall(rb"[\x80-\xff]+", raw)
    try:
        tamed = Tamed(text)
    except ValueError as error:
        raise NotAnEvent("json-invalid", f"not JSON: {error}") from None
    rest: dict[str, Any] = {}
    absent: list[str] = []
    texts: dict[str, str] = {}
    event = AuditEvent()
    for name, value in _members(tamed.text).items():
        if name == "":
            raise NotAnEvent("field-type", "a field with an empty name, which no audit event has")
        original = tamed.whole(bytes(value))
        if original is None:
            _take(event, name, value, rest)
        elif name in BODIES or name not in _FIELD_TYPES["AuditEvent"]:
            texts[name] = original.decode()
            if name in BODIES:
                _take(event, name, Raw(tamed.shown(value)), rest)
        elif tamed.is_pruned(value):
            raise NotAnEvent("json-too-deep", f"{name} is nested deeper than {MAX_DEPTH} levels")
        else:
            lost.append(original)
            _take(event, name, Raw(tamed.shown(value)), rest)
    if event.requestObject is not None and event.verb == "patch":
        _normalise_body(event, "requestObject", texts)
    _settle_times(event, rest, absent)
    if event.user is None and "user" not in rest:
        absent.append("user")
    if event.responseStatus is not None:
        known = bytes(status_facts(event.responseStatus)[5])
        if b'"metadata"' not in known and "metadata" not in rest.get("responseStatus", {}):
            absent.append("responseStatus.metadata")
        if known in (b"{}", b'{"metadata":{}}'):
            rest.setdefault("responseStatus", {})
    if event.objectRef is not None and not any(msgspec.structs.astuple(event.objectRef)):
        rest.setdefault("objectRef", {})
    if event.impersonatedUser is not None and bytes(user_facts(event.impersonatedUser)[-1]) == b"{}":
        rest.setdefault("impersonatedUser", {})
    _versioned(event, rest)
    _require(event)
    marks: dict[str, Any] = {}
    if absent:
        marks["absent"] = absent
    if texts:
        marks["text"] = texts
    if lost:
        marks["lost"] = hashlib.sha256(b"\0".join(lost)).hexdigest()
    if marks:
        rest[""] = marks
    return Decoded(event, rest or None)


def _members(text: bytes) -> dict[str, Raw]:
    try:
        return _decode_members(text)
    except RecursionError:
        raise NotAnEvent("json-too-deep", f"nested deeper than {MAX_DEPTH} levels") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        code = "field-type" if isinstance(error, msgspec.ValidationError) else "json-invalid"
        raise NotAnEvent(code, f"not a JSON object: {error}") from None


def _take(event: AuditEvent, name: str, value: Raw, rest: dict[str, Any]) -> None:
    """Put one top-level member where it belongs; unknown ones and nulls go into *rest*."""
    types = _FIELD_TYPES["AuditEvent"]
    if name not in types or bytes(value) == b"null":
        rest[name] = value
        return
    nested = _NESTED.get(name)
    if nested is None:
        if name == "annotations":
            _typed(value, dict[str, str], name)
        setattr(event, name, _typed(value, types[name], name))
        return
    known: dict[str, Any] = {}
    inner = _FIELD_TYPES[nested.__name__]
    for key, part in _typed(value, dict[str, Raw], name).items():
        try:
            if key in inner and bytes(part) != b"null":
                known[key] = _typed(part, inner[key], f"{name}.{key}")
                continue
        except NotAnEvent:
            # A code beyond int32, and metadata that is not empty, are kept beside the columns.
            odd_code = key == "code" and re.fullmatch(rb"-?\d+", bytes(part))
            if name != "responseStatus" or not (odd_code or key == "metadata"):
                raise
        rest.setdefault(name, {})[key] = part
    setattr(event, name, nested(**known) if nested is ObjectReference else Raw(_encode(nested(**known))))


def _typed(value: Raw, kind: Any, name: str) -> Any:
    if kind is Raw:
        return value
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError as error:
        raise NotAnEvent("field-type", f"{name}: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAnEvent("json-invalid", f"{name}: {error}") from None


def _settle_times(event: AuditEvent, rest: dict[str, Any], absent: list[str]) -> None:
    """Bring both timestamps to the canonical form; what they were stays in *rest*."""
    for name in _TIMES:
        text = getattr(event, name)
        if text is None or _is_canonical(text):
            continue
        try:
            setattr(event, name, canonical_time(text))
        except ValueError as error:
            raise NotAnEvent("time-invalid", f"{name} is {text[:64]!r}: {error}") from None
        rest[name] = text
    if event.stageTimestamp is not None:
        return
    # v1beta1 had one `timestamp`; very old exports had only metadata.creationTimestamp.
    candidates: list[Any] = [event.requestReceivedTimestamp]
    for source, key in (("timestamp", None), ("metadata", "creationTimestamp")):
        value = rest.get(source)
        try:
            found = msgspec.json.decode(value) if isinstance(value, Raw) else None
        except (msgspec.DecodeError, RecursionError):
            found = None
        candidates.append(found.get(key) if key and isinstance(found, dict) else found)
    for candidate in candidates:
        if isinstance(candidate, str):
            try:
                event.stageTimestamp = canonical_time(candidate)
            except ValueError:
                continue
            if "stageTimestamp" not in rest:
                absent.append("stageTimestamp")
            return


def _normalise_body(event: AuditEvent, name: str, texts: dict[str, str]) -> None:
    """Make a raw patch body say to every reader what it said to the kube-apiserver.

    Go takes the last of duplicate keys and any number; DuckDB takes the first key and refuses a number
    beyond a double. Where the text is such, the column holds Go's reading and ``text`` the original.
    """
    original = bytes(getattr(event, name))
    odd = False

    def last_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal odd
        value = dict(pairs)
        odd = odd or len(value) != len(pairs)
        return value

    def finite(digits: str) -> int | float | None:
        nonlocal odd
        # Python refuses to read integers of more than 4300 digits; 310 are beyond a double already.
        is_integer = digits.lstrip("-").isdecimal() and len(digits) <= 310
        number = int(digits) if is_integer else float(digits)
        if math.isfinite(float(digits)):
            return number
        odd = True
        return None

    numbers: dict[str, Any] = {"parse_int": finite, "parse_float": finite} if _MAYBE_HUGE(original) else {}
    try:
        value = json.loads(original, object_pairs_hook=last_wins, **numbers)
    except (ValueError, RecursionError):
        return
    if odd:
        texts.setdefault(name, original.decode())
        setattr(event, name, Raw(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()))


_MAYBE_HUGE = re.compile(rb"\d[eE]\+?\d{3}|\d{200}").search


# --- back to JSON ---------------------------------------------------------------------------------


def encode(decoded: Decoded) -> bytes:
    """The event as JSON text, as it came (as JSON values), with kind and apiVersion always there."""
    event = decoded.event
    members: dict[str, Any] = {"kind": "Event", "apiVersion": API_VERSION}
    for name in AuditEvent.__struct_fields__[2:]:
        value = getattr(event, name)
        if value is not None:
            members[name] = value
    return _encode(overlay(members, decoded.unparsed))


def overlay(members: dict[str, Any], unparsed: dict[str, Any] | None) -> dict[str, Any]:
    """Apply ``unparsed`` to what the columns say: absences, fields of nested objects, original texts."""
    if not unparsed:
        return members
    marks = unparsed.get("", {})
    for path in marks.get("absent", ()):
        name, _, key = path.partition(".")
        if not key:
            members.pop(name, None)
        elif name in members:
            members[name] = {k: v for k, v in _fields(members[name]).items() if k != key}
    for name, value in unparsed.items():
        if name == "":
            continue
        if name in _NESTED and isinstance(value, dict):
            members[name] = {**_fields(members.get(name, {})), **value}
        else:
            members[name] = value
    for name, text in marks.get("text", {}).items():
        members[name] = Raw(text.encode())
    return members


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return _decode_members(value if isinstance(value, Raw) else _encode(value))


# --- a whole post or file --------------------------------------------------------------------------


class _EventList(Struct, forbid_unknown_fields=True, gc=False):
    kind: Literal["EventList", ""] = ""
    apiVersion: str = ""
    metadata: Raw | None = None
    items: list[Raw] | None = None


_decode_list = msgspec.json.Decoder(_EventList).decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode


def split(body: bytes) -> list[bytes | Quarantined]:
    """The events of an EventList, a JSON array or a single Event, in order, as JSON text each.

    What is not an event list is one ``Quarantined``; a list with a broken item still gives its
    neighbours, and one that ends too early gives the items before the cut and the rest as quarantined.
    """
    start = body.lstrip()[:1]
    try:
        if start == b"[":
            return [bytes(item) for item in _decode_array(body)]
        try:
            found = _decode_list(body)
        except msgspec.ValidationError:
            return _open(_decode_members(body), body)
    except msgspec.ValidationError as error:
        return [Quarantined("kind-unknown", f"neither an EventList nor an Event: {error}", body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if start in (b"{", b"["):
            return _split_leniently(body, error)
        return [Quarantined("json-invalid", f"not JSON: {error}", body)]
    if found.apiVersion not in KNOWN_API_VERSIONS or (found.items is None and found.kind != "EventList"):
        return _open(_decode_members(body), body)
    return [bytes(item) for item in found.items or ()]


def _open(members: dict[str, Raw], body: bytes) -> list[bytes | Quarantined]:
    """What a JSON object that is no plain EventList holds."""
    if "auditID" in members:
        # One event, also when it has a field that an EventList has otherwise: judged as such.
        return [body]
    kind, version = (_short_text(members.get(name)) for name in ("kind", "apiVersion"))
    if version not in KNOWN_API_VERSIONS:
        return [Quarantined("kind-unknown", f"apiVersion is {version!r}, not {API_VERSION}", body)]
    if kind == "Event" or (kind == "" and "items" not in members):
        return [body]
    try:
        items = _decode_array(members["items"])
    except (KeyError, msgspec.DecodeError):
        items = None
    if kind not in ("EventList", "") or items is None:
        return [Quarantined("kind-unknown", f"kind is {kind!r}: neither an EventList nor an Event", body)]
    unknown = {name: members[name] for name in members if name not in _EventList.__struct_fields__}
    return [
        *map(bytes, items),
        *(
            Quarantined("field-type", f"an EventList has no member {name[:80]!r}", bytes(value))
            for name, value in unknown.items()
        ),
    ]


def _short_text(value: Raw | None) -> str:
    """A JSON string's text, at most 80 characters; JSON of anything else."""
    text = bytes(value or b'""')
    try:
        return msgspec.json.decode(text, type=str)[:80]
    except msgspec.DecodeError:
        return text[:80].decode("utf-8", "replace")


def _split_leniently(body: bytes, error: Exception) -> list[bytes | Quarantined]:
    """Cut a list into its items by brackets alone, so that one bad item costs nothing but itself."""
    reason = f"not JSON: {error}" if not isinstance(error, RecursionError) else "nested too deeply"
    found = broken_list.pieces(body)
    if not found:
        if isinstance(error, RecursionError) or b'"auditID"' in body:
            return [body]
        return [Quarantined("json-invalid", reason, body)]
    return [text if whole else Quarantined("json-invalid", f"no whole event ({reason})", text) for text, whole in found]
