"""Run rules over the lake: findings, rules skipped with the reason, rules that failed.

A rule's query returns one row per request that is evidence: ``cluster``, ``event_id``,
``request_received_at``, its entity columns, and if it likes ``severity``, ``confidence`` (over the rule's
own; null: the rule's) and ``detail`` (one sentence). The engine groups rows of one entity into windows
aligned to the epoch, so that a finding has the same id whatever range was asked for; a finding is as
severe as its worst row and as certain as its least certain one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import duckdb

from detections import baseline
from detections.coverage import Coverage
from detections.finding import MOST_EVENT_IDS, MOST_EVIDENCE, Finding, finding_id
from detections.rule import Confidence, Rule, Severity
from detections.views import create_views
from lake.delta import Lake
from lake.errors import UsageError
from lake.query import check_select, connect
from lake.timerange import TimeRange

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MANDATORY = ("cluster", "event_id", "request_received_at")
_OPTIONAL = ("severity", "confidence", "detail")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that could not judge, and why."""

    rule_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A rule that broke, and how."""

    rule_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of running rules: each rule is in ``skipped``, in ``failed``, or has judged.

    ``findings`` are ordered by severity (worst first), then time, then id. ``timings`` are seconds by rule
    id, with ``(views)`` for what rules share and ``(evidence)`` for looking up what they found.
    """

    findings: list[Finding]
    skipped: list[Skipped]
    failed: list[Failed]
    rules: list[Rule]
    time_range: TimeRange
    lake_version: int
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)


def detect(
    lake: Lake,
    rules: Sequence[Rule],
    time_range: TimeRange = TimeRange(),
    *,
    clusters: Sequence[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    on_progress: Callable[[Rule, int, int], None] = lambda rule, done, total: None,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Run:
    """Judge the events of *time_range* (half-open, UTC; open: all).

    The lake is read a window further back and forth, so that every window which overlaps the range is
    whole, and as far back as a rule needs history that no stored baseline holds. ``params`` maps rule ids to values of their parameters.
    A rule that fails does not stop others. ``memory_limit`` (``2GB``) and ``threads`` are DuckDB's.
    """
    began = time.perf_counter()
    margin = max((rule.window for rule in rules), default=timedelta())
    version = lake.version()
    run = Run([], [], [], list(rules), time_range, version)
    learnt = baseline.stored(lake, clusters) if any(map(baseline.reads, rules)) else None
    history = max((baseline.history(rule, learnt, clusters) for rule in rules), default=timedelta())
    wide = baseline.reach(lake, learnt, time_range.widen(max(margin * 2, history), margin), clusters)
    with connect(lake, wide, clusters=clusters, version=version, memory_limit=memory_limit, threads=threads) as con:
        coverage = Coverage.of(con, baseline.register(con, learnt, clusters))
        chosen = []
        for rule in rules:
            values = rule.bound(params.get(rule.id, {}))
            missing = [name for name, value in values.items() if value is None]
            reason = f"no list configured: {', '.join(missing)}" if missing else coverage.gap(rule)
            if reason:
                run.skipped.append(Skipped(rule.id, reason))
            else:
                chosen.append((rule, values))
        create_views(con, [rule for rule, _ in chosen])
        run.timings["(views)"] = time.perf_counter() - began
        for number, (rule, values) in enumerate(chosen):
            on_progress(rule, number, len(chosen))
            start = time.perf_counter()
            try:
                run.findings.extend(_judge(con, rule, values, time_range, version))
            except (duckdb.Error, UsageError) as error:
                run.failed.append(Failed(rule.id, _located(rule, error)))
            run.timings[rule.id] = time.perf_counter() - start
        start = time.perf_counter()
        findings = _with_evidence(con, run.findings)
        run.timings["(evidence)"] = time.perf_counter() - start
    findings.sort(key=lambda f: (-Severity(f.severity).rank, f.first_seen, f.finding_id))
    return replace(run, findings=findings, seconds=time.perf_counter() - began)


def why_not(
    lake: Lake, rule: Rule, given: Mapping[str, Any] = MappingProxyType({}), clusters: Sequence[str] | None = None
) -> str | None:
    """Why *rule* cannot judge this lake, with *given* parameters; None when it can."""
    missing = [name for name, value in rule.bound(given).items() if value is None]
    if missing:
        return f"no list configured: {', '.join(missing)}"
    with connect(lake, clusters=clusters) as con:
        return Coverage.of(con).gap(rule)


def check(con: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """Raise UsageError unless *rule*'s query is one SELECT over known columns that returns what it must."""
    try:
        check_select(con, rule.sql)
        described = con.execute(
            f"DESCRIBE {rule.sql}", {k: v if v is not None else [] for k, v in rule.bound().items()}
        )
        columns = described.to_arrow_table()["column_name"].to_pylist()
    except (duckdb.Error, UsageError) as error:
        raise UsageError("rule-query-invalid", _located(rule, error), "see the columns: ashiato schema") from None
    for name in (*_MANDATORY, *rule.entity):
        if name not in columns:
            raise UsageError(
                "rule-column-missing",
                f"{rule.path}:{rule.sql_line}: the query does not return {name}",
                "every row needs cluster, event_id, request_received_at and the rule's entity",
            )
    for name in columns:
        if name not in (*_MANDATORY, *_OPTIONAL, *rule.entity):
            raise UsageError(
                "rule-column-unknown",
                f"{rule.path}:{rule.sql_line}: the query returns {name}, which is no entity column",
                "put it under entity, or into detail",
            )


def _located(rule: Rule, error: Exception) -> str:
    message = error.message if isinstance(error, UsageError) else str(error).strip().split("\n\n")[0]
    return f"{rule.path.name}:{rule.sql_line}: {message}"


# Rows of one entity in one window, as one row: how often, since and until when, how bad, and what shows it.
# Several facts about one request (two subjects of a binding) are one piece of evidence. The union gives columns to
# a query that leaves them out.
_GROUPED = """
WITH judged AS (
SELECT NULL::VARCHAR AS severity, NULL::VARCHAR AS confidence, NULL::VARCHAR AS detail WHERE false
UNION ALL BY NAME (
{sql}
)),
facts AS (
    SELECT cluster, event_id, {entity}, min(request_received_at) AS moment,
           max({severity}) AS severity, min({confidence}) AS confidence,
           string_agg(DISTINCT detail, '; ' ORDER BY detail) AS detail
    FROM judged GROUP BY ALL
),
placed AS (
    SELECT *, epoch_us(moment) - ((epoch_us(moment) % {window}) + {window}) % {window} AS start FROM facts
)
SELECT cluster, start, {entity}, min(moment) AS first_seen, max(moment) AS last_seen, count(*) AS event_count,
       max(severity) AS severity, min(confidence) AS confidence, min(event_id, {most_ids}) AS event_ids,
       min({{moment: moment, event_id: event_id, detail: detail}}, {most_evidence}) AS evidence
FROM placed
GROUP BY ALL
{asked}
"""


def _grouped(rule: Rule, asked: TimeRange) -> str:
    window = int(rule.window / timedelta(microseconds=1))
    bounds = []
    if asked.since:
        bounds.append(f"start + {window} > {_microseconds(asked.since)}")
    if asked.until:
        bounds.append(f"start < {_microseconds(asked.until)}")
    return _GROUPED.format(
        sql=rule.sql.rstrip("; \n"),
        # Entities are texts, and null where there is none, whatever the query made of them.
        entity=", ".join(f'"{name}"::VARCHAR AS "{name}"' for name in rule.entity),
        severity=_ranked("severity", [*reversed(Severity)], rule.severity),
        confidence=_ranked("confidence", [*reversed(Confidence)], rule.confidence),
        window=window,
        most_ids=MOST_EVENT_IDS,
        most_evidence=MOST_EVIDENCE,
        asked=f"HAVING {' AND '.join(bounds)}" if bounds else "",
    )


def _ranked(column: str, order: Sequence[str], default: str) -> str:
    """The position of a row's own value, or of the rule's, in *order*, least first; an unknown word fails."""
    cases = " ".join(f"WHEN '{value}' THEN {number}" for number, value in enumerate(order))
    unknown = f"error('{column} is none of {', '.join(order)}: ' || {column})"
    return f"CASE {column} {cases} ELSE CASE WHEN {column} IS NULL THEN {order.index(default)} ELSE {unknown} END END"


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _judge(
    con: duckdb.DuckDBPyConnection, rule: Rule, values: Mapping[str, Any], asked: TimeRange, version: int
) -> list[Finding]:
    check_select(con, rule.sql)
    result = con.execute(_grouped(rule, asked), dict(values)).to_arrow_table()
    return [_finding(rule, row, version) for row in result.to_pylist()]


def _finding(rule: Rule, row: Mapping[str, Any], version: int) -> Finding:
    about = {name: row[name] for name in rule.entity}
    return Finding(
        finding_id=finding_id(rule.id, row["cluster"], about, _EPOCH + timedelta(microseconds=row["start"])),
        rule_id=rule.id,
        rule_version=rule.version,
        title=rule.title,
        techniques=rule.techniques,
        severity=str([*reversed(Severity)][row["severity"]]),
        confidence=str([*reversed(Confidence)][row["confidence"]]),
        cluster=row["cluster"],
        entity=about,
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        event_count=row["event_count"],
        event_ids=tuple(row["event_ids"]),
        evidence=tuple({"event_id": fact["event_id"], "detail": fact["detail"]} for fact in row["evidence"]),
        lake_version=version,
    )


_EVIDENCE = """
SELECT event_id, coalesce(request_received_at, stage_at) AS request_received_at, user_name, impersonated_user_name,
       source_ip, verb, resource, subresource, namespace, name, request_uri, response_code, user_agent
FROM events WHERE list_contains($ids, event_id)
"""


def _with_evidence(con: duckdb.DuckDBPyConnection, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with their evidence rows filled in, by one look at the events for all of them."""
    ids = sorted({row["event_id"] for finding in findings for row in finding.evidence})
    if not ids:
        return list(findings)
    con.execute("CREATE OR REPLACE TEMP TABLE wanted_ids AS SELECT unnest($ids::VARCHAR[]) AS event_id", {"ids": ids})
    query = _EVIDENCE.replace("list_contains($ids, event_id)", "event_id IN (SELECT event_id FROM wanted_ids)")
    facts = {row["event_id"]: row for row in con.execute(query).to_arrow_table().to_pylist()}
    return [
        replace(
            finding,
            evidence=tuple({**facts.get(row["event_id"], {}), **row} for row in finding.evidence),
        )
        for finding in findings
    ]
