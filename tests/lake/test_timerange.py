"""Time ranges: half-open, UTC, and forgiving in how they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake.errors import UsageError
from lake.timerange import TimeRange, parse_duration, parse_time

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1h30m", timedelta(minutes=90)),
        (" 1d ", timedelta(days=1)),
        ("0s", timedelta()),
    ],
)
def test_durations_add_up(text: str, expected: timedelta) -> None:
    """A duration is a number and a unit, or a sum of them."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", " ", "5", "h", "5y", "1.5h", "-5m", "5 m", "1h x", "99999999999999d", "٣h"])
def test_other_durations_are_usage_errors(text: str) -> None:
    """What is no duration says how to write one."""
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert caught.value.code == "duration-invalid"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23T14:00:00+02:00", NOON),
        ("2026-11-23T12:00:00", NOON),
        ("2026-11-23", NOON.replace(hour=0)),
        (" 2026-11-23T12:00:00.000001Z ", NOON.replace(microsecond=1)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_times_are_utc(text: str, expected: datetime) -> None:
    """A time is RFC 3339 or a date; without a zone it is UTC."""
    assert parse_time(text) == expected
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "now", "yesterday", "2026-13-01", "12:00", "0001-01-01T00:00:00+14:00", "nan"])
def test_other_times_are_usage_errors(text: str) -> None:
    """What is no time, or lies before the year 1, says how to write one."""
    with pytest.raises(UsageError) as caught:
        parse_time(text)
    assert caught.value.code == "time-invalid"


def test_last_reaches_back_from_now() -> None:
    """`last` begins that long ago; it ends now only where now is said."""
    assert TimeRange.last("1h", NOON) == TimeRange(NOON - timedelta(hours=1), NOON)
    open_ended = TimeRange.last(timedelta(hours=1))
    assert open_ended.until is None
    assert open_ended.since is not None
    assert abs(datetime.now(UTC) - timedelta(hours=1) - open_ended.since) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["9000w", "99999w", "9999999d", "99999999999d"])
def test_last_may_reach_far(text: str) -> None:
    """`last` that reaches before the year 1 is open at that end, or says that it is too long; nothing else happens."""
    try:
        found = TimeRange.last(text, NOON)
    except UsageError as error:
        assert error.code == "duration-invalid"  # noqa: PT017 - either answer is right
    else:
        assert (found.since is None) == text.endswith("d")
        assert found.until == NOON


def test_options_are_read_together() -> None:
    """--last excludes --since and --until; a range that ends before it begins is refused."""
    assert TimeRange.parse() == TimeRange()
    assert TimeRange.parse(since="2026-11-23", until="2026-11-24") == TimeRange(
        datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    )
    assert TimeRange.parse(until="2026-11-24").since is None
    for options in (
        {"last": "1h", "since": "2026-11-23"},
        {"last": "1h", "until": "2026-11-23"},
        {"since": "2026-11-24", "until": "2026-11-23"},
    ):
        with pytest.raises(UsageError) as caught:
            TimeRange.parse(**options)
        assert caught.value.code == "time-range-invalid"


def test_widening_stays_within_time() -> None:
    """A widened range reaches further on the sides it has, and no further than time itself."""
    hour = timedelta(hours=1)
    assert TimeRange(NOON, NOON).widen(hour, hour) == TimeRange(NOON - hour, NOON + hour)
    assert TimeRange(None, NOON).widen(hour) == TimeRange(None, NOON)
    assert TimeRange().widen(hour, hour) == TimeRange()
    ends = TimeRange(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert ends.widen(hour, hour) == TimeRange(None, None)


@given(st.timedeltas(timedelta(), timedelta(days=10_000)))
def test_widening_never_loses_a_moment(span: timedelta) -> None:
    """Whatever was in a range is in the wider one."""
    wide = TimeRange(NOON, NOON + timedelta(1)).widen(span, span)

    assert wide.since is not None
    assert wide.until is not None
    assert wide.since <= NOON < NOON + timedelta(1) <= wide.until
