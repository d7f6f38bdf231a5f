"""What the sink's front and its committer say to each other over pipes, one JSON object a line."""

from __future__ import annotations

from msgspec import Struct


class CommitterSettings(Struct, frozen=True):
    """The committer's first line on standard input.

    Segments named up to ``recovered_until`` are of an earlier run and committed apart from newer ones;
    ``done`` are in the lake already, but may not be removed yet.
    """

    lake: str
    spool: str
    redaction_key_file: str | None = None
    recovered_until: str = ""
    done: list[str] = []


class Counts(Struct):
    """What became of a cluster's items: ``received`` is the sum of the other three."""

    received: int = 0
    written: int = 0
    duplicates: int = 0
    quarantined: int = 0


class Report(Struct, omit_defaults=True):
    """A line of the committer. ``kind``: ready, committed, failed (it tries again) or fatal."""

    kind: str
    segments: list[str] = []
    damaged: list[str] = []
    clusters: dict[str, Counts] = {}
    bytes: int = 0
    seconds: float = 0.0
    code: str = ""
    message: str = ""
    hint: str = ""
