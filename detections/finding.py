"""What a rule found: stable, reproducible, and a row of the findings table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from lake.schema import FINDINGS

MOST_EVENT_IDS = 1000
MOST_EVIDENCE = 20


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Who answers for a finding that does not count, why, and the last day (UTC) on which that holds.

    ``origin`` is the entry that says so, as ``file:line``.
    """

    owner: str
    reason: str
    expires: date
    origin: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that happened, about one entity, in one window.

    Times are UTC: the earliest and latest ``request_received_at`` of the evidence. ``evidence`` holds up
    to 20 requests in time order, dicts of request_received_at, user_name, impersonated_user_name,
    source_ip, verb, resource, subresource, namespace, name, request_uri, response_code, user_agent,
    event_id, detail. ``suppressed`` is None for a finding that counts; the findings table holds what was
    found, suppressed or not, since a suppression ends by itself.
    """

    finding_id: str
    rule_id: str
    rule_version: str
    title: str
    techniques: tuple[str, ...]
    severity: str
    confidence: str
    cluster: str
    entity: Mapping[str, str | None]
    first_seen: datetime
    last_seen: datetime
    event_count: int
    event_ids: tuple[str, ...]
    evidence: tuple[Mapping[str, Any], ...]
    lake_version: int
    suppressed: Suppressed | None = None


def finding_id(rule_id: str, cluster: str, entity: Mapping[str, str | None], window_start: datetime) -> str:
    """The same for the same rule, entity and window, whatever range was asked for and however often."""
    parts = [rule_id, cluster, sorted(entity.items()), window_start.astimezone(UTC).isoformat()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def finding_rows(findings: Sequence[Finding], detected_at: datetime) -> pa.Table:
    """A table of FINDINGS.schema, one revision a finding, in the order given."""
    return pa.Table.from_pylist(
        [
            {
                "cluster": finding.cluster,
                "finding_id": finding.finding_id,
                "rule_id": finding.rule_id,
                "rule_version": finding.rule_version,
                "title": finding.title,
                "techniques": list(finding.techniques),
                "severity": str(finding.severity),
                "confidence": str(finding.confidence),
                "entity": json.dumps(dict(finding.entity), ensure_ascii=False),
                "first_seen": finding.first_seen,
                "last_seen": finding.last_seen,
                "event_count": finding.event_count,
                "event_ids": list(finding.event_ids),
                "evidence": json.dumps(list(finding.evidence), ensure_ascii=False, default=_json),
                "lake_version": finding.lake_version,
                "detected_at": detected_at,
                "date": finding.first_seen.date(),
            }
            for finding in findings
        ],
        schema=FINDINGS.schema,
    )


def _json(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    raise TypeError(type(value).__name__)
