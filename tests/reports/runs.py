"""Runs to render: one with all three outcomes, one full of text that attacks its reader, one quiet, one empty."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from detections.engine import Failed, Run, Skipped
from detections.finding import Finding
from detections.rule import Confidence, Needs, Rule, Severity, Status
from lake.timerange import TimeRange

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b|c",
    "line\nbreak\r\nand more",
    "[click](javascript:alert(1)) ![i](https://evil.example/x.png) <https://evil.example>",
    "`code` ``more`` ```fence",
    "\x1b[2J\x1b[31mred\x07",
    "user\u202etxt.exe\u200b\u2066",
    "www.evil.example https://evil.example @everyone #1 **bold** ~~gone~~ $x$ :bomb:",
    "{{ 7 * 7 }} {% raw %} [bold red]rich[/bold red] \\",
    "\ud800 half a character \x00",
    "x" * 3000,
)


def rule(rule_id: str, severity: Severity, **fields: Any) -> Rule:
    """A rule with plausible words; *fields* over them."""
    ordinary: dict[str, Any] = {
        "id": rule_id,
        "title": f"What {rule_id} is about",
        "techniques": ("A01",),
        "status": Status.STABLE,
        "severity": severity,
        "confidence": Confidence.HIGH,
        "attack": ("T1078",),
        "threat_matrix": (),
        "layer": "cluster",
        "control": "detection",
        "practice": "rbac",
        "needs": Needs(),
        "window": timedelta(hours=1),
        "entity": ("user_name",),
        "params": (),
        "why": f"Because of {rule_id}, somebody may go further.",
        "blind_spots": "Much.",
        "false_positives": "Backup tools.",
        "triage": ("Who is it, and are they meant to do this?", "What else happened around it?"),
        "references": ("https://kubernetes.io/docs/",),
        "claims": (),
        "sql": "SELECT 1",
        "sql_line": 30,
        "version": "0123456789ab",
        "path": Path(f"{rule_id}.sql"),
    }
    return Rule(**{**ordinary, **fields})


def evidence(number: int, **fields: Any) -> dict[str, Any]:
    """One request as the engine hands it over."""
    return {
        "event_id": f"{number:032x}",
        "request_received_at": NOON + timedelta(seconds=number, microseconds=125),
        "user_name": "mallory",
        "impersonated_user_name": None,
        "source_ip": "203.0.113.66",
        "verb": "get",
        "resource": "secrets",
        "subresource": None,
        "namespace": "shop",
        "name": f"login-{number}",
        "request_uri": f"/api/v1/namespaces/shop/secrets/login-{number}",
        "response_code": 200,
        "user_agent": "kubectl/v1.36.2 (linux/amd64) kubernetes/0000000",
        "detail": None,
        **fields,
    }


def finding(of: Rule, number: int, rows: list[dict[str, Any]], **fields: Any) -> Finding:
    """A finding of *of* with *rows* as evidence; *number* makes its id."""
    made = Finding(
        finding_id=f"{number:032x}",
        rule_id=of.id,
        rule_version=of.version,
        title=of.title,
        techniques=of.techniques,
        severity=str(of.severity),
        confidence=str(of.confidence),
        cluster="prod-eu",
        entity={"user_name": rows[0]["user_name"]},
        first_seen=rows[0]["request_received_at"],
        last_seen=rows[-1]["request_received_at"],
        event_count=len(rows),
        event_ids=tuple(row["event_id"] for row in rows),
        evidence=tuple(rows),
        lake_version=7,
    )
    return replace(made, **fields)


def whole() -> Run:
    """All three outcomes; findings of three severities, one with more evidence than fits."""
    admin = rule("rbac-cluster-admin-bound", Severity.CRITICAL, title="Full control of the cluster was handed out")
    reads = rule("secrets-read-in-bulk", Severity.HIGH, title="Many Secrets were read by one identity")
    refused = rule("access-refused-often", Severity.LOW, title="A credential was refused again and again")
    rules = [
        admin,
        reads,
        refused,
        rule("exec-a", Severity.HIGH),
        rule("exec-b", Severity.LOW),
        rule("broken", Severity.LOW),
    ]
    binding = evidence(
        1,
        verb="create",
        resource="clusterrolebindings",
        namespace=None,
        name="support-access",
        response_code=201,
        impersonated_user_name="system:admin",
        detail="cluster-admin for User mallory",
    )
    stranger = {"user_name": None, "verb": "list", "name": None, "response_code": 401}
    found = [
        finding(admin, 1, [binding]),
        finding(reads, 2, [evidence(number) for number in range(10, 30)], event_count=1200),
        finding(reads, 3, [evidence(40, user_name="https://login.corp.example#bob")]),
        finding(
            refused, 4, [evidence(number, **stranger) for number in range(50, 53)], entity={"source_ip": "203.0.113.66"}
        ),
    ]
    skipped = [
        Skipped("exec-a", "no event of stage ResponseStarted is in the log"),
        Skipped("exec-b", "no event of stage ResponseStarted is in the log"),
    ]
    failed = [Failed("broken", "broken.sql:12: Binder Error: no column usr")]
    return Run(found, skipped, failed, rules, TimeRange(NOON - timedelta(hours=1), NOON + timedelta(hours=1)), 7, 1.5)


def hostile() -> Run:
    """Every text that comes from a log, a rule's remark or an error is chosen by an attacker."""
    of = rule("secrets-read-in-bulk", Severity.HIGH)
    found = [
        finding(
            of,
            number,
            [
                evidence(
                    number,
                    user_name=text,
                    impersonated_user_name=text,
                    source_ip=text,
                    verb=text,
                    resource=text,
                    namespace=text,
                    name=text,
                    request_uri=text,
                    user_agent=text,
                    detail=text,
                )
            ],
            cluster="prod-eu",
            entity={"user_name": text},
        )
        for number, text in enumerate(HOSTILE)
    ]
    skipped = [Skipped("exec-a", text) for text in HOSTILE]
    failed = [Failed("broken", text) for text in HOSTILE]
    rules = [of, rule("exec-a", Severity.LOW), rule("broken", Severity.LOW)]
    return Run(found, skipped, failed, rules, TimeRange(), 7)


def quiet() -> Run:
    """Every rule judged and none found anything."""
    return Run([], [], [], [rule("exec-a", Severity.LOW)], TimeRange(), 7)


def blind() -> Run:
    """No rule could judge."""
    return Run([], [Skipped("exec-a", "the log is empty of it")], [], [rule("exec-a", Severity.LOW)], TimeRange(), 7)
