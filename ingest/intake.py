"""One posted body to one spool record: split, validate, redact, seal. No I/O, no clock.

What cannot be read as an event is kept sealed beside its neighbours, so that a body never costs more
than the part of it that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from ingest.event import Quarantined, split
from ingest.redact import Redactor, accept

SOURCE = "apiserver"
ORIGIN = "webhook"
# The shortest valid event has 84 bytes. A body whose items are smaller on average was not made by an apiserver:
# it would only turn a few megabytes into gigabytes of small objects.
MIN_MEAN_ITEM_BYTES = 64
_UNSUSPECTED_BYTES = 2 << 20
_UNSUSPECTED_ITEMS = 1000


class SealedItem(Struct, array_like=True, frozen=True, gc=False):
    """A quarantined item as the spool keeps it: its payload encrypted."""

    code: str
    reason: str
    sealed: bytes


class Post(Struct, array_like=True, frozen=True, gc=False):
    """A spool record: what one post brought. ``received_at`` is Unix time in microseconds."""

    cluster: str
    source: str
    received_at: int
    events: list[bytes]
    quarantined: list[SealedItem]


@dataclass(frozen=True, slots=True)
class Taken:
    """The record of a post, and how many items of it are events and how many are quarantined."""

    record: bytes
    accepted: int
    quarantined: int
    reasons: dict[str, int]


_encode = msgspec.msgpack.Encoder().encode
decode_post: Callable[[bytes], Post] = msgspec.msgpack.Decoder(Post).decode


def take(body: bytes, cluster: str, received_at: int, redactor: Redactor) -> Taken:
    """Make the spool record of *body*. Never raises for its content.

    Only accepted and redacted texts and sealed bytes are part of it: nothing else may touch the disk.
    """
    pieces = _pieces(body)
    events: list[bytes] = []
    sealed: list[SealedItem] = []
    reasons: dict[str, int] = {}
    pieces.reverse()
    while pieces:
        # Popped, so that a big body is not held twice to the end.
        piece = pieces.pop()
        item = _accept(piece, redactor) if isinstance(piece, bytes) else piece
        if isinstance(item, bytes):
            events.append(item)
        else:
            reasons[item.code] = reasons.get(item.code, 0) + 1
            reason = item.reason.encode("utf-8", "replace").decode()
            sealed.append(SealedItem(item.code, reason, redactor.seal(item.payload)))
    record = _encode(Post(cluster, SOURCE, received_at, events, sealed))
    return Taken(record, len(events), len(sealed), reasons)


def unseal(post: Post, redactor: Redactor) -> list[Quarantined]:
    """The quarantined items of a spool record, opened."""
    return [Quarantined(item.code, item.reason, redactor.unseal(item.sealed), ORIGIN) for item in post.quarantined]


def _accept(piece: bytes, redactor: Redactor) -> bytes | Quarantined:
    try:
        return accept(piece, redactor)
    except Exception as error:  # noqa: BLE001 - one event that we stumble over must not cost its neighbours
        return Quarantined("internal-error", f"validation stumbled: {type(error).__name__}", piece)


def _pieces(body: bytes) -> list[bytes | Quarantined]:
    if not body.strip():
        return [Quarantined("json-invalid", "the body is empty", body)]
    if len(body) > _UNSUSPECTED_BYTES and _has_tiny_items(body):
        return [_too_many(body)]
    try:
        pieces = split(body)
    except Exception as error:  # noqa: BLE001 - kept whole, whatever it is
        return [Quarantined("internal-error", f"reading stumbled: {type(error).__name__}", body)]
    if len(pieces) > _UNSUSPECTED_ITEMS and len(body) < MIN_MEAN_ITEM_BYTES * len(pieces):
        return [_too_many(body)]
    return pieces


def _too_many(body: bytes) -> Quarantined:
    return Quarantined(
        "items-too-small",
        f"a list whose items have fewer than {MIN_MEAN_ITEM_BYTES} bytes on average: no audit event is that small",
        body,
    )


class _Object(Struct, frozen=True, gc=False):
    """Any JSON object; all are equal, so that a set of them stays small."""


class _List(Struct, gc=False):
    items: set[_Object] = set()


_decode_list = msgspec.json.Decoder(_List).decode
_decode_array = msgspec.json.Decoder(set[_Object]).decode
_BETWEEN_OBJECTS = re.compile(rb"\}\s*,\s*\{")
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)


def _has_tiny_items(body: bytes) -> bool:
    """Whether the list in *body* has items of fewer than MIN_MEAN_ITEM_BYTES on average; cheap for honest ones."""
    most = len(body) // MIN_MEAN_ITEM_BYTES
    try:
        (_decode_array if body.lstrip()[:1] == b"[" else _decode_list)(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Not a list of objects, or not JSON: count what split would make of it.
        return _count_items(body, most) > most
    # At least one more than there are places between two objects, wherever these stand.
    for bound, _ in enumerate(_BETWEEN_OBJECTS.finditer(body), 2):
        if bound > most:
            return _count_items(body, most) > most
    return False


def _count_items(body: bytes, enough: int) -> int:
    """Items of the top-level array or of the member ``items``, counted up to *enough* + 1."""
    item_depth = 1 if body.lstrip()[:1] == b"[" else 2
    inside = item_depth == 1
    depth = count = 0
    previous = b""
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"{[":
            depth += 1
            if depth == 2 and item_depth == 2:
                inside = first == 0x5B and previous == b'"items"'
        elif first in b"}]":
            depth -= 1
        elif first == 0x2C:
            if inside and depth == item_depth:
                count += 1
                if count > enough:
                    break
        elif depth == 1:
            previous = token.group()
    return count + 1
