"""Ashiato: Kubernetes audit-log analytics.

    import ashiato
    lake = ashiato.open_lake("my-lake")
    lake.sql("SELECT user_name, count(*) AS n FROM requests GROUP BY ALL ORDER BY n DESC").df()
    run = ashiato.detect(lake, last="24h")
    print(ashiato.report(run))

Imports nothing until it is asked for, so that the sink starts without the libraries of the analysts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ashiato.session import OpenLake
    from detections.engine import Run
    from detections.reports.risk import Risk
    from detections.rule import Rule

__all__ = ["detect", "open_lake", "report", "risk", "rules"]


def open_lake(location: str | Path) -> OpenLake:
    """The lake at *location*: ``sql`` and ``timeline`` on it give results that show themselves.

    Raises lake.errors.NothingToRead ``lake-not-found`` when there is none.
    """
    from ashiato import session

    return session.open_lake(location)


def detect(
    lake: OpenLake,
    rule_ids: list[str] | None = None,
    *,
    last: str | None = None,
    since: str | None = None,
    until: str | None = None,
    severity: str | None = None,
    clusters: list[str] | None = None,
    params: dict[str, dict[str, Any]] | None = None,
    suppressions: str | Path | None = None,
) -> Run:
    """Judge the lake's events of a time range: ``.findings``, ``.skipped`` (with reasons), ``.failed``.

    ``suppressions`` names a YAML file; the findings it covers carry ``suppressed`` and do not count.
    """
    from ashiato import judge
    from lake.timerange import TimeRange

    chosen = judge.rules(rule_ids or (), severity=severity)
    entries = judge.suppressions(Path(suppressions) if suppressions else None)
    when = TimeRange.parse(last, since, until)
    return judge.suppress(judge.judge(lake.lake, chosen, when, clusters=clusters, params=params or {}), entries)


def report(run: Run, form: str = "table") -> str:
    """The run as a report: table, json, jsonl, markdown or html."""
    from ashiato import judge

    return judge.report(run, form)


def risk(
    lake: OpenLake,
    *,
    by: str = "identity",
    last: str | None = None,
    since: str | None = None,
    until: str | None = None,
    top: int | None = None,
    half_life: str = "24h",
    stored: bool | None = None,
    clusters: list[str] | None = None,
    suppressions: str | Path | None = None,
) -> Risk:
    """Findings added up by identity, workload, source or namespace: ``.scores`` with their reasons, ``.to_pandas()``.

    Without a time range the findings kept in the lake are added up (``stored=True``: also with one).
    """
    from ashiato import judge
    from lake.timerange import TimeRange, parse_duration

    return judge.risk(
        lake.lake,
        TimeRange.parse(last, since, until),
        by=by,
        top=top,
        half_life=parse_duration(half_life),
        stored=stored,
        clusters=clusters,
        suppressions=judge.suppressions(Path(suppressions) if suppressions else None),
        live=last is not None,
    )


def rules(rule_ids: list[str] | None = None, *, severity: str | None = None) -> list[Rule]:
    """The rules that come with Ashiato, chosen by id and least severity."""
    from ashiato import judge

    return judge.rules(rule_ids or (), severity=severity)
