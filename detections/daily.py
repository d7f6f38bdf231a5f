"""One page a day: what was found, what of it is new, who stands out, what the log could not show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from detections.engine import Run, detect
from detections.risk import By, Score, score
from detections.rule import Rule
from detections.stored_findings import stored_findings
from detections.suppression import Suppression, apply
from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

_HOURS = """
SELECT time_bucket(INTERVAL 1 HOUR, stage_at) AS hour, count(*) AS events, count(*) FILTER (response_code IN (401, 403)) AS refused
FROM events GROUP BY ALL ORDER BY hour
"""
_SOURCES = """
SELECT cluster, source, count(*) AS events, min(stage_at) AS first, max(stage_at) AS last,
       count(*) FILTER (truncated) AS truncated, count(DISTINCT user_name) AS users
FROM events GROUP BY ALL ORDER BY events DESC
"""
# Hours of a cluster's own span in which nothing came: a pause, or a gap.
_SILENT = """
WITH hours AS (SELECT DISTINCT cluster, time_bucket(INTERVAL 1 HOUR, stage_at) AS hour FROM events),
spans AS (SELECT cluster, unnest(generate_series(min(hour), max(hour), INTERVAL 1 HOUR)) AS hour FROM hours GROUP BY cluster)
SELECT cluster, hour FROM spans ANTI JOIN hours USING (cluster, hour) ORDER BY cluster, hour LIMIT 48
"""
_QUARANTINE = "SELECT cluster, code, count(*) AS items FROM quarantine GROUP BY ALL ORDER BY items DESC"


@dataclass(frozen=True, slots=True)
class Daily:
    """A day's report (or that of any range). Times are UTC.

    ``new`` holds ids of findings that the lake did not know before. ``risk`` has the scores by identity as of
    the end, the highest first, ``before`` those of the same identities (cluster, name, acting_as) as of the
    beginning. ``hours``: hour, events, refused. ``sources``: cluster, source, events, first, last, truncated,
    users. ``silent``: cluster, hour. ``quarantine``: cluster, code, items. ``coverage``: dimension -> value ->
    (rules that judged, rules skipped or failed, findings).
    """

    run: Run
    new: frozenset[str]
    risk: Sequence[Score]
    before: Mapping[tuple[str, str, str], float]
    hours: pa.Table
    sources: pa.Table
    silent: pa.Table
    quarantine: pa.Table
    coverage: Mapping[str, Mapping[str, tuple[int, int, int]]]
    made_at: datetime


def daily(
    lake: Lake,
    rules: Sequence[Rule],
    time_range: TimeRange,
    *,
    clusters: Sequence[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    suppressions: Sequence[Suppression] = (),
    on_progress: Callable[[Rule, int, int], None] = lambda rule, done, total: None,
) -> Daily:
    """Judge *time_range*, and put beside it what a reader of one page needs."""
    now = datetime.now(UTC)
    run = detect(lake, rules, time_range, clusters=clusters, params=params, on_progress=on_progress)
    run = apply(run, suppressions, now.date()) if suppressions else run
    known = {finding.finding_id for finding in stored_findings(lake, time_range, clusters)}
    with connect(lake, time_range, clusters=clusters) as con:
        hours, sources, silent, quarantine = (select(con, query) for query in (_HOURS, _SOURCES, _SILENT, _QUARANTINE))
    end = time_range.until or _last(sources) or now
    begin = time_range.since or end - timedelta(days=1)
    earlier = stored_findings(lake, TimeRange(begin - timedelta(days=7), begin), clusters)
    return Daily(
        run=run,
        new=frozenset(finding.finding_id for finding in run.findings) - known,
        risk=score([*run.findings, *(f for f in earlier if f.finding_id not in known)], end, By.IDENTITY)[:10],
        before={
            (s.subject.cluster, s.subject.name, s.subject.acting_as): s.score
            for s in score(earlier, begin, By.IDENTITY)
        },
        hours=hours,
        sources=sources,
        silent=silent,
        quarantine=quarantine,
        coverage=coverage(run),
        made_at=now,
    )


def _last(sources: pa.Table) -> datetime | None:
    return max((moment for moment in sources["last"].to_pylist() if moment), default=None)


def coverage(run: Run) -> dict[str, dict[str, tuple[int, int, int]]]:
    """By practice, layer, control and ATT&CK technique: rules that judged, rules that could not, findings."""
    idle = {item.rule_id for item in run.skipped} | {item.rule_id for item in run.failed}
    found = Counter(finding.rule_id for finding in run.findings if finding.suppressed is None)
    result: dict[str, dict[str, tuple[int, int, int]]] = {}
    for dimension, values_of in _DIMENSIONS.items():
        counts: dict[str, tuple[int, int, int]] = {}
        for rule in run.rules:
            for value in values_of(rule):
                judged, not_judged, findings = counts.get(value, (0, 0, 0))
                counts[value] = (
                    judged + (rule.id not in idle),
                    not_judged + (rule.id in idle),
                    findings + found[rule.id],
                )
        result[dimension] = dict(sorted(counts.items()))
    return result


_DIMENSIONS: Mapping[str, Callable[[Rule], Sequence[str]]] = MappingProxyType(
    {
        "practice": lambda rule: (rule.practice,),
        "layer": lambda rule: (rule.layer,),
        "control": lambda rule: (rule.control,),
        "ATT&CK": lambda rule: rule.attack,
    }
)
