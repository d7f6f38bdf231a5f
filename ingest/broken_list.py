"""Cut a list of events that is no valid JSON into its items, so that one broken item costs only itself.

A kube-apiserver never writes such a list; a cut transfer, a torn file or a tool in between does.
"""

from __future__ import annotations

import re
from bisect import bisect_left

import msgspec

from ingest.odd_json import TOKEN, Tamed

# How every audit event begins, in a post and in a log. Within a JSON string the quotes would be escaped,
# so a client cannot make one up inside a string.
_BEGIN = re.compile(
    rb'\{\s*+(?:"level"\s*+:\s*+"[A-Za-z]*+"\s*+,\s*+"auditID"'
    rb'|"kind"\s*+:\s*+"Event"\s*+,\s*+"apiVersion"\s*+:\s*+"audit\.k8s\.io/[a-z0-9]*+"\s*+,\s*+"level")\s*+:'
)
_NAMED = re.compile(rb'"kind"\s*+:\s*+"EventList"[^\[]*+\[')
_CLOSES = {ord("}"): ord("{"), ord("]"): ord("[")}
_SEPARATORS = b", \r\n\t"
_check = msgspec.json.Decoder(msgspec.Raw).decode


def pieces(body: bytes) -> list[tuple[bytes, bool]]:
    """The parts of a broken list, in order: text, and whether it is an item by its brackets.

    Empty when there is no list in *body*: neither a JSON array nor an object with ``items``. Every byte
    is in one part, apart from separators and what surrounds the list. Linear in the size of *body*.
    """
    start = _list_start(body)
    if start is None:
        return []
    begins = [found.start() for found in _BEGIN.finditer(body, start)]
    found: list[tuple[bytes, bool]] = []

    def keep(text: bytes, whole: bool = False) -> None:
        if whole or text.strip(_SEPARATORS + b"[]{}"):
            found.append((text.strip(_SEPARATORS), whole))

    def begin_from(position: int) -> int:
        index = bisect_left(begins, position)
        return begins[index] if index < len(begins) else len(body)

    if not _is_json(body[:start] + b"]}") and not _is_json(body[:start] + b"]"):
        keep(body[:start])
    # Once something is broken, no item may reach beyond the place where the next one begins.
    position, limit = start, len(body)
    while True:
        begin, end, closed, cut_off = _next_item(body, position, limit)
        skipped, inner = begin_from(position), begin_from(begin + 1)
        if skipped < begin:
            keep(body[position:skipped])
            position = skipped
        elif closed:
            keep(body[position : begin if inner == len(body) else inner])
            if inner == len(body):
                if not _is_json(b'{"items":[' + body[begin:]) and not _is_json(b"[" + body[begin:]):
                    keep(body[begin:])
                return found
            position = inner
        elif end is not None and (inner >= end or _is_json(body[begin:end])):
            keep(body[position:begin])
            keep(body[begin:end], True)
            position = end
            continue
        elif begin >= limit:
            keep(body[position:limit])
            if limit == len(body):
                return found
            position = limit
        else:
            keep(body[position:begin])
            if inner == len(body) or (cut_off and limit == len(body)):
                found.append((body[begin:], False))
                return found
            keep(body[begin:inner])
            position = inner
        limit = begin_from(position + 1)


def _list_start(body: bytes) -> int | None:
    """Where the items begin: behind the ``[`` of the array, or of the member ``items``."""
    depth = 0
    key = b""
    for token in TOKEN.finditer(body):
        text = token.group()
        if text in (b"{", b"["):
            if text == b"[" and (depth == 0 or (depth == 1 and key == b'"items"')):
                return token.end()
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1:
            key = text
    # What stands before the items may be broken as well.
    named = None if _BEGIN.match(body) else _NAMED.search(body)
    return named.end() if named else None


def _next_item(body: bytes, position: int, limit: int) -> tuple[int, int | None, bool, bool]:
    """Begin and end of the next object, whether the list ended instead, whether the text was cut off within it.

    End is None when its brackets do not match before *limit*; begin is *limit* when there is none. A text
    that lacks nothing but its end holds no further items: what looks like one is part of a body.
    """
    brackets: list[int] = []
    begin = -1
    string = b""
    for token in TOKEN.finditer(body, position, limit):
        character = body[token.start()]
        if character == ord('"'):
            string = token.group()
        elif character in b"{[":
            if begin < 0:
                begin = token.start()
            brackets.append(character)
        elif not brackets:
            if character == ord("]"):
                return token.start(), None, True, False
        elif brackets[-1] == _CLOSES[character]:
            brackets.pop()
            if not brackets:
                return begin, token.end(), False, False
        else:
            return begin, None, False, False
    # A quote too many or too few turns the end of the list into a string.
    inside_out = re.fullmatch(rb'"[\s}\]]*+', string) is not None
    return (begin if begin >= 0 else limit), None, False, not inside_out


def _is_json(text: bytes) -> bool:
    try:
        _check(Tamed(text).text)
    except (msgspec.DecodeError, ValueError):
        return False
    return True
