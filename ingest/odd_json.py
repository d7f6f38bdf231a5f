"""JSON that Go's encoding/json accepts and a strict parser refuses, made readable without losing a byte.

A raw patch body reaches the audit log as the client wrote it. Half surrogate pairs and nesting of up to
10,000 levels are JSON to a kube-apiserver, so a client must not be able to hide an event by using them:
they are replaced by placeholders that a strict parser reads, and put back on the way out.

The depth limit is counted, not left to a parser's recursion limit, which differs between Python
versions and with the depth of the caller's stack: the same event must read the same everywhere.
"""

from __future__ import annotations

import re
import secrets

import msgspec

MAX_DEPTH = 200
"""Values nested deeper are pruned in the columns; their text stays whole in ``unparsed``."""

TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string (also one that the end of the text cuts off) or a bracket."""

_NO_SKELETON = bytes(set(range(256)) - set(b'{}[]"'))
_ONE_BRACKET = bytes.maketrans(b"[]", b"{}")
_BARE_STRING = re.compile(rb'"[^"]*+"')
_MAYBE_HALF = re.compile(rb"\\u[dD][89a-fA-F]").search
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_check = msgspec.json.Decoder(msgspec.Raw).decode


def is_deep(text: bytes) -> bool:
    """Whether *text* (JSON) nests deeper than MAX_DEPTH."""
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    skeleton = _BARE_STRING.sub(b"", text.translate(_ONE_BRACKET, _NO_SKELETON))
    for _ in range(MAX_DEPTH):
        # Each round takes the innermost brackets away, that is one level.
        size = len(skeleton)
        skeleton = skeleton.replace(b"{}", b"")
        if len(skeleton) == size:
            return False
    return bool(skeleton)


class Tamed:
    """A text in which placeholders stand for what a strict parser refuses.

    ``text`` is what it reads. The placeholders cannot be guessed, so no client can write one.
    Raises ValueError when *text* is no JSON, as far as that can be told from what was replaced.
    """

    def __init__(self, text: bytes) -> None:
        self._stem = b"ashiato-" + secrets.token_hex(8).encode()
        self._deep: list[bytes] = []
        self._placeholder = re.compile(rb'"%b:(\d+)"|%b-([0-9a-fA-F]{4})\.' % (self._stem, self._stem))
        self.text = self._mark_halves(self._prune(text) if is_deep(text) else text)

    def whole(self, part: bytes) -> bytes | None:
        """*part* of the text as it was before; None when nothing in it was replaced."""
        if self._stem not in part:
            return None
        return self._placeholder.sub(
            lambda found: self._deep[int(found.group(1))] if found.group(1) else b"\\u" + found.group(2), part
        )

    def shown(self, part: bytes) -> bytes:
        """*part* of the text for a reader: null where it was too deep, U+FFFD (as Go reads it) for half a pair."""
        return self._placeholder.sub(lambda found: b"null" if found.group(1) else b"\\ufffd", part)

    def is_pruned(self, part: bytes) -> bool:
        """Whether something in *part* was too deep."""
        return any(found.group(1) for found in self._placeholder.finditer(part))

    def _mark_halves(self, text: bytes) -> bytes:
        if not _MAYBE_HALF(text):
            return text
        return _ESCAPE.sub(lambda e: self._stem + b"-" + e.group(1) + b"." if e.group(1) else e.group(0), text)

    def _prune(self, text: bytes) -> bytes:
        """Cut at every MAX_DEPTH levels, so that each piece can be checked by itself; keep the outermost ones."""
        depth = 0
        # Start of the piece, how far it is copied, and its parts with placeholders for inner pieces.
        open_pieces: list[tuple[int, list[bytes]]] = [(0, [])]
        copied = [0]
        for token in TOKEN.finditer(text):
            character = text[token.start()]
            if character in b"[{":
                depth += 1
                if depth % MAX_DEPTH == 0:
                    open_pieces[-1][1].append(text[copied[-1] : token.start()])
                    open_pieces.append((token.start(), []))
                    copied.append(token.start())
            elif character in b"]}":
                if depth <= 0:
                    raise ValueError("brackets do not match")
                if depth % MAX_DEPTH == 0:
                    start, parts = open_pieces.pop()
                    _check(self._mark_halves(b"".join([*parts, text[copied.pop() : token.end()]])))
                    if len(open_pieces) == 1:
                        marker = b'"%b:%d"' % (self._stem, len(self._deep))
                        self._deep.append(text[start : token.end()])
                    else:
                        marker = b"null"
                    open_pieces[-1][1].append(marker)
                    copied[-1] = token.end()
                depth -= 1
        if depth != 0:
            raise ValueError("brackets do not match")
        return b"".join([*open_pieces[0][1], text[copied[0] :]])
