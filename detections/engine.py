"""Run rules over the lake: findings, rules skipped with the reason, rules that failed.

A rule's query returns one row per request that is evidence: ``cluster``, ``event_id``,
``request_received_at``, its entity columns, and if it likes ``severity``, ``confidence`` (over the rule's
own) and ``detail`` (one sentence). The engine groups rows of one entity into windows aligned to the epoch,
so that a finding has the same id whatever range was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import duckdb

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

    ``findings`` are ordered by severity (worst first), then time, then id.
    """

    findings: list[Finding]
    skipped: list[Skipped]
    failed: list[Failed]
    rules: list[Rule]
    time_range: TimeRange
    lake_version: int
    seconds: float = 0.0


@dataclass(slots=True)
class _Group:
    """The evidence of one entity in one window."""

    severity: Severity
    confidence: Confidence
    first: datetime
    last: datetime
    rows: dict[str, tuple[datetime, str | None]] = field(default_factory=dict)


def detect(
    lake: Lake,
    rules: Sequence[Rule],
    time_range: TimeRange = TimeRange(),
    *,
    clusters: Sequence[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    on_progress: Callable[[Rule, int, int], None] = lambda rule, done, total: None,
) -> Run:
    """Judge the events of *time_range* (half-open, UTC; open: all).

    The lake is read a window further back and forth, so that every window which overlaps the range is
    whole. ``params`` maps rule ids to values of their parameters. A rule that fails does not stop others.
    """
    began = time.perf_counter()
    margin = max((rule.window for rule in rules), default=timedelta())
    history = max((rule.needs.history for rule in rules), default=timedelta())
    version = lake.version()
    run = Run([], [], [], list(rules), time_range, version)
    with connect(lake, time_range.widen(max(margin * 2, history), margin), clusters=clusters, version=version) as con:
        create_views(con)
        coverage = Coverage.of(con)
        for number, rule in enumerate(rules):
            on_progress(rule, number, len(rules))
            values = rule.bound(params.get(rule.id, {}))
            missing = [name for name, value in values.items() if value is None]
            reason = f"no list configured: {', '.join(missing)}" if missing else coverage.gap(rule)
            if reason:
                run.skipped.append(Skipped(rule.id, reason))
                continue
            try:
                run.findings.extend(_judge(con, rule, values, time_range, version))
            except (duckdb.Error, UsageError) as error:
                run.failed.append(Failed(rule.id, _located(rule, error)))
        findings = _with_evidence(con, run.findings)
    findings.sort(key=lambda f: (-Severity(f.severity).rank, f.first_seen, f.finding_id))
    return Run(findings, run.skipped, run.failed, run.rules, time_range, version, time.perf_counter() - began)


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


def _judge(
    con: duckdb.DuckDBPyConnection, rule: Rule, values: Mapping[str, Any], asked: TimeRange, version: int
) -> list[Finding]:
    check_select(con, rule.sql)
    result = con.execute(rule.sql, dict(values)).to_arrow_reader(50_000)
    groups: dict[tuple[Any, ...], _Group] = {}
    for batch in result:
        for row in batch.to_pylist():
            _add(groups, rule, row)
    findings = []
    for (cluster, start, *entity), group in groups.items():
        end = start + rule.window
        if (asked.since and end <= asked.since) or (asked.until and start >= asked.until):
            continue
        about = dict(zip(rule.entity, entity, strict=True))
        findings.append(
            Finding(
                finding_id=finding_id(rule.id, cluster, about, start),
                rule_id=rule.id,
                rule_version=rule.version,
                title=rule.title,
                techniques=rule.techniques,
                severity=str(group.severity),
                confidence=str(group.confidence),
                cluster=cluster,
                entity=about,
                first_seen=group.first,
                last_seen=group.last,
                event_count=len(group.rows),
                event_ids=tuple(sorted(group.rows)[:MOST_EVENT_IDS]),
                evidence=tuple({"event_id": event_id, "detail": detail} for _, event_id, detail in _earliest(group)),
                lake_version=version,
            )
        )
    return findings


def _add(groups: dict[tuple[Any, ...], _Group], rule: Rule, row: Mapping[str, Any]) -> None:
    at: datetime = row["request_received_at"]
    start = at - (at - _EPOCH) % rule.window
    key = (row["cluster"], start, *(_text(row[name]) for name in rule.entity))
    severity = Severity(row.get("severity") or rule.severity)
    confidence = Confidence(row.get("confidence") or rule.confidence)
    group = groups.get(key)
    if group is None:
        group = groups[key] = _Group(severity, confidence, at, at)
    event_id, detail = row["event_id"], row.get("detail")
    if event_id in group.rows:
        # Several facts about one request (two subjects of a binding) are one piece of evidence.
        detail = "; ".join(filter(None, dict.fromkeys((group.rows[event_id][1], detail)))) or None
    group.rows[event_id] = (at, detail)
    if severity.rank > group.severity.rank:
        group.severity = severity
    if list(Confidence).index(confidence) < list(Confidence).index(group.confidence):
        group.confidence = confidence
    group.first, group.last = min(group.first, at), max(group.last, at)


def _earliest(group: _Group) -> list[tuple[datetime, str, str | None]]:
    rows = [(at, event_id, detail) for event_id, (at, detail) in group.rows.items()]
    return sorted(rows, key=lambda row: row[:2])[:MOST_EVIDENCE]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


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
