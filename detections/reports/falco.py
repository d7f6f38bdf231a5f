"""Findings as Falco's JSON lines, for whatever already takes those (falcosidekick and what stands behind it).

Fields follow the JSON output of Falco with the k8saudit plugin: time, rule, priority, source, tags, hostname,
output and output_fields with ``ka.*`` names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from detections.engine import Run
from detections.finding import Finding

PRIORITIES: Mapping[str, str] = MappingProxyType(
    {"critical": "Critical", "high": "Error", "medium": "Warning", "low": "Notice", "informational": "Informational"}
)


def render(run: Run, *, lake: str | None = None) -> str:  # noqa: ARG001 - the same signature as the other reports
    """One object a line for each finding that is not suppressed, in the order of the run."""
    tags = {rule.id: sorted({*rule.attack, rule.practice, "k8s_audit"}) for rule in run.rules}
    lines = [_line(finding, tags.get(finding.rule_id, [])) for finding in run.findings if finding.suppressed is None]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _line(finding: Finding, tags: list[str]) -> dict[str, Any]:
    first = finding.evidence[0] if finding.evidence else {}
    target = {
        "ka.user.name": first.get("user_name"),
        "ka.impuser.name": first.get("impersonated_user_name"),
        "ka.verb": first.get("verb"),
        "ka.target.resource": first.get("resource"),
        "ka.target.subresource": first.get("subresource"),
        "ka.target.namespace": first.get("namespace"),
        "ka.target.name": first.get("name"),
        "ka.uri": first.get("request_uri"),
        "ka.response.code": first.get("response_code"),
        "ka.sourceips": first.get("source_ip"),
        "ka.useragent": first.get("user_agent"),
    }
    detail = first.get("detail") or finding.title
    return {
        "time": _moment(finding.last_seen),
        "rule": finding.title,
        "priority": PRIORITIES[finding.severity],
        "source": "k8s_audit",
        "hostname": finding.cluster,
        "tags": tags,
        "output": f"{_moment(finding.last_seen)}: {PRIORITIES[finding.severity]} {detail} (requests={finding.event_count})",
        "output_fields": {
            **{name: value for name, value in target.items() if value is not None},
            "finding_id": finding.finding_id,
            "rule_id": finding.rule_id,
            "event_count": finding.event_count,
        },
    }


def _moment(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "000Z"
