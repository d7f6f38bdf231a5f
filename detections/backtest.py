"""What a rule would have found, and how noisy it would have been, beside the version of it that there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from detections.engine import Run, detect
from detections.finding import Finding
from detections.rule import Rule
from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule over a range of the past (UTC).

    ``events`` were looked at, over ``days`` days with events. ``per_day``: date, findings, requests.
    ``per_entity``: entity (its values, as text), findings, requests; the noisiest first. ``severities``:
    severity -> findings. ``run`` is that of the rule, ``before`` that of the version it is compared with.
    ``appeared`` are findings only the rule makes, ``vanished`` those only the version before makes; a finding
    is the same if entity and window are.
    """

    rule: Rule
    events: int
    days: int
    per_day: pa.Table
    per_entity: pa.Table
    severities: Mapping[str, int]
    run: Run
    before: Run | None
    appeared: Sequence[Finding]
    vanished: Sequence[Finding]


def backtest(
    lake: Lake,
    rule: Rule,
    time_range: TimeRange = TimeRange(),
    *,
    against: Rule | None = None,
    clusters: Sequence[str] | None = None,
    params: Mapping[str, Any] = MappingProxyType({}),
) -> Backtest:
    """Judge *time_range* with *rule*, and with *against* where that is another version of it."""
    with connect(lake, time_range, clusters=clusters) as con:
        (size,) = select(con, "SELECT count(*) AS events, count(DISTINCT date) AS days FROM events").to_pylist()
    run = detect(lake, [rule], time_range, clusters=clusters, params={rule.id: params})
    before = None
    if against is not None and against.version != rule.version:
        before = detect(lake, [against], time_range, clusters=clusters, params={against.id: params})
    # An id leaves out the rule's version: both versions of a rule give one thing one id.
    mine = {finding.finding_id: finding for finding in run.findings}
    theirs = {finding.finding_id: finding for finding in before.findings} if before else mine
    days: Counter[Any] = Counter()
    requests: Counter[Any] = Counter()
    entities: Counter[str] = Counter()
    entity_requests: Counter[str] = Counter()
    for finding in run.findings:
        day = finding.first_seen.date()
        who = ", ".join(str(value) for value in (finding.cluster, *finding.entity.values()) if value)
        days[day] += 1
        requests[day] += finding.event_count
        entities[who] += 1
        entity_requests[who] += finding.event_count
    return Backtest(
        rule=rule,
        events=size["events"],
        days=size["days"],
        per_day=pa.table(
            {
                "date": sorted(days),
                "findings": [days[d] for d in sorted(days)],
                "requests": [requests[d] for d in sorted(days)],
            },
            schema=pa.schema([("date", pa.date32()), ("findings", pa.int64()), ("requests", pa.int64())]),
        ),
        per_entity=pa.table(
            {
                "entity": [who for who, _ in entities.most_common()],
                "findings": [count for _, count in entities.most_common()],
                "requests": [entity_requests[who] for who, _ in entities.most_common()],
            },
            schema=pa.schema([("entity", pa.string()), ("findings", pa.int64()), ("requests", pa.int64())]),
        ),
        severities=dict(Counter(finding.severity for finding in run.findings)),
        run=run,
        before=before,
        appeared=[finding for key, finding in mine.items() if key not in theirs],
        vanished=[finding for key, finding in theirs.items() if key not in mine],
    )
