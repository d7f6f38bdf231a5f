"""Half-open UTC time ranges: what ``--last``, ``--since`` and ``--until`` mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lake.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Read ``90s``, ``15m``, ``24h``, ``7d``, ``2w`` or a sum such as ``1h30m``.

    Raises UsageError with the accepted forms.
    """
    parts = re.findall(r"([0-9]+)([smhdw])", text)
    if not parts or "".join(n + u for n, u in parts) != text.strip():
        raise UsageError("duration-invalid", f"not a duration: {text!r}", "write 90s, 15m, 24h, 7d or 1h30m")
    try:
        return sum((timedelta(**{_UNITS[u]: int(n)}) for n, u in parts), timedelta())
    except OverflowError:
        raise UsageError(
            "duration-invalid", f"too long a duration: {text!r}", "the lake reaches back years, not ages"
        ) from None


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time (``2026-11-23T08:00:00Z``, offsets allowed) or a date, as UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            "time-invalid", f"not a time: {text!r}", "write RFC 3339, such as 2026-11-23T08:00:00Z"
        ) from None


@dataclass(frozen=True, slots=True)
class TimeRange:
    """``since`` (included) to ``until`` (excluded), both UTC; None is open on that side."""

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.since and self.until and self.since > self.until:
            raise UsageError(
                "time-range-invalid",
                f"the range ends before it begins: {self.since.isoformat()} to {self.until.isoformat()}",
                "swap --since and --until",
            )

    @classmethod
    def last(cls, duration: str | timedelta, now: datetime | None = None) -> TimeRange:
        """The time from ``duration`` ago until ``now`` (default: the clock)."""
        span = parse_duration(duration) if isinstance(duration, str) else duration
        end = now or datetime.now(UTC)
        return cls(_moved(end, -span), None if now is None else end)

    @classmethod
    def parse(cls, last: str | None = None, since: str | None = None, until: str | None = None) -> TimeRange:
        """The range that the three command-line options say together; ``last`` excludes the others."""
        if last and (since or until):
            raise UsageError("time-range-invalid", "--last cannot go with --since or --until", "use one or the other")
        if last:
            return cls.last(last)
        return cls(parse_time(since) if since else None, parse_time(until) if until else None)

    def widen(self, before: timedelta, after: timedelta = timedelta()) -> TimeRange:
        """The same range reaching further back and forth, as look-back windows need; open where time ends."""
        return TimeRange(_moved(self.since, -before), _moved(self.until, after))


def _moved(moment: datetime | None, span: timedelta) -> datetime | None:
    try:
        return moment + span if moment else None
    except OverflowError:
        return None
