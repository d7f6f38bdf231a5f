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
    from detections.rule import Rule

__all__ = ["detect", "open_lake", "report", "rules"]


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


def rules(rule_ids: list[str] | None = None, *, severity: str | None = None) -> list[Rule]:
    """The rules that come with Ashiato, chosen by id and least severity."""
    from ashiato import judge

    return judge.rules(rule_ids or (), severity=severity)
