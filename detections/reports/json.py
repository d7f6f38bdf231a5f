"""The report as one JSON document: for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from detections.engine import Run
from detections.finding import Finding, Suppressed
from detections.reports.wording import timestamp
from detections.suppression import Outcome, SuppressedRun


def render(run: Run, *, lake: str | None = None) -> str:  # noqa: ARG001 - the reader has the lake's version
    """``{"findings": [...], "skipped": [...], "failed": [...]}``, indented, non-ASCII characters escaped.

    A finding that does not count has ``suppressed``; a run with suppressions has ``suppressions``. Times are RFC 3339 in UTC with microseconds.
    """
    return json.dumps(document(run), indent=2) + "\n"


def _value(value: Any) -> Any:
    return timestamp(value) if isinstance(value, datetime) else value


def document(run: Run) -> dict[str, Any]:
    """The document as JSON-ready values."""
    return {
        "findings": [finding_document(finding) for finding in run.findings],
        "skipped": [{"rule_id": skipped.rule_id, "reason": skipped.reason} for skipped in run.skipped],
        "failed": [{"rule_id": failed.rule_id, "error": failed.error} for failed in run.failed],
        "lake_version": run.lake_version,
        **({"suppressions": [_outcome(item) for item in run.outcomes]} if isinstance(run, SuppressedRun) else {}),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    entry = outcome.suppression
    return {
        "rule_id": entry.rule,
        "match": {column: list(patterns) for column, patterns in entry.match.items()},
        "owner": entry.owner,
        "reason": entry.reason,
        "expires": entry.expires.isoformat(),
        "origin": entry.origin,
        "state": str(outcome.state),
        "matched": outcome.matched,
        "judged": outcome.judged,
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding as JSON-ready values; the fields carry the names of the findings table."""
    return {
        "finding_id": finding.finding_id,
        "rule_id": finding.rule_id,
        "rule_version": finding.rule_version,
        "title": finding.title,
        "techniques": list(finding.techniques),
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "cluster": finding.cluster,
        "entity": dict(finding.entity),
        "first_seen": timestamp(finding.first_seen),
        "last_seen": timestamp(finding.last_seen),
        "event_count": finding.event_count,
        "event_ids": list(finding.event_ids),
        "evidence": [{name: _value(value) for name, value in row.items()} for row in finding.evidence],
        "lake_version": finding.lake_version,
        **({"suppressed": _suppressed(finding.suppressed)} if finding.suppressed else {}),
    }


def _suppressed(by: Suppressed) -> dict[str, str]:
    return {"owner": by.owner, "reason": by.reason, "expires": by.expires.isoformat(), "origin": by.origin}
