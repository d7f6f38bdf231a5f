"""Findings as the lake keeps them, read back: what ``detect --new`` and ``--store`` wrote, the latest revision of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from detections.finding import Finding
from lake.delta import Lake
from lake.query import connect
from lake.timerange import TimeRange


def stored_findings(
    lake: Lake, time_range: TimeRange = TimeRange(), clusters: Sequence[str] | None = None
) -> list[Finding]:
    """The findings whose evidence overlaps *time_range*, by first_seen, then id; times in their evidence are texts."""
    bounds = ["true"]
    values: dict[str, Any] = {}
    if time_range.since:
        bounds.append("last_seen >= $since")
        values["since"] = time_range.since
    if time_range.until:
        bounds.append("first_seen < $until")
        values["until"] = time_range.until
    query = f"SELECT * FROM findings WHERE {' AND '.join(bounds)} ORDER BY first_seen, finding_id"
    # The events are not looked at, so none of their files is opened.
    with connect(lake, clusters=clusters) as con:
        return [_finding(row) for row in con.execute(query, values).to_arrow_table().to_pylist()]


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        finding_id=row["finding_id"],
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        title=row["title"],
        techniques=tuple(row["techniques"] or ()),
        severity=row["severity"],
        confidence=row["confidence"],
        cluster=row["cluster"],
        entity=json.loads(row["entity"]),
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        event_count=row["event_count"],
        event_ids=tuple(row["event_ids"] or ()),
        evidence=tuple(json.loads(row["evidence"])),
        lake_version=row["lake_version"],
    )
