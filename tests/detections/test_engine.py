"""The engine: stable findings, honest skips, one broken rule stops no other."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ashiato.ruletest import merge
from detections.catalog import RULES_FOLDER, choose, load_catalog
from detections.engine import check, detect
from detections.incremental import detect_new, store
from detections.rule import Rule, RuleInvalid, load_rule
from detections.views import create_views
from ingest.rows import rows
from lake.delta import Lake
from lake.errors import UsageError
from lake.maintenance import compact
from lake.query import connect, select
from lake.timerange import TimeRange

BASE = json.loads((RULES_FOLDER / "_base_event.json").read_text())
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SECRETS_LIST = {
    "verb": "list",
    "requestURI": "/api/v1/secrets",
    "objectRef": {"resource": "secrets", "namespace": None, "name": None},
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def put(lake: Lake, at: datetime, patch: dict[str, Any], stage_at: datetime | None = None, audit_id: str = "") -> None:
    def text(moment: datetime) -> str:
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    own = {
        "auditID": audit_id or str(uuid.uuid4()),
        "requestReceivedTimestamp": text(at),
        "stageTimestamp": text(stage_at or at),
    }
    event = merge({**BASE, **own}, patch)
    lake.append("events", rows([json.dumps(event).encode()], "prod", "apiserver", START))


def only(rule_id: str) -> list[Rule]:
    return choose(load_catalog(), [rule_id])


def test_a_finding_keeps_its_id_whatever_range_is_asked_for(lake: Lake) -> None:
    """Asking for an hour, a day or everything names the same things by the same ids."""
    for hour in range(4):
        put(lake, START + timedelta(hours=hour, minutes=20), SECRETS_LIST)
    rules = only("secrets-listed-cluster-wide")

    everything = {f.finding_id: f for f in detect(lake, rules).findings}
    part = detect(lake, rules, TimeRange(START + timedelta(hours=1), START + timedelta(hours=3))).findings

    assert len(everything) == 4
    assert len(part) == 2
    assert all(everything[f.finding_id] == f for f in part)


def test_a_burst_over_the_border_of_the_asked_range_is_seen_whole(lake: Lake) -> None:
    """Events before the asked range still count towards a threshold that is passed within it."""
    for number in range(8):
        put(
            lake,
            START + timedelta(seconds=number * 10),
            {"objectRef": {"resource": "secrets", "name": f"s{number}"}},
        )

    run = detect(lake, only("many-secrets-read"), TimeRange(START + timedelta(seconds=60), None))

    assert [f.event_count for f in run.findings] == [8]


def test_a_watch_keeps_its_finding_when_it_ends(lake: Lake) -> None:
    """Seen at its start, and again when it ended half an hour later, a watch is one request and one finding."""
    watch = {"verb": "watch", "stage": "ResponseStarted", **{k: v for k, v in SECRETS_LIST.items() if k != "verb"}}
    put(lake, START, watch, audit_id="w")
    rules = only("secrets-watched")
    (started,) = detect(lake, rules).findings
    put(lake, START, {**watch, "stage": "ResponseComplete"}, START + timedelta(minutes=90), audit_id="w")
    (ended,) = detect(lake, rules).findings

    assert started.finding_id == ended.finding_id
    assert (started.event_count, ended.event_count) == (1, 1)


def test_what_is_new_is_judged_once(lake: Lake) -> None:
    """A second run over the same data stores nothing; late events are judged when they arrive."""
    rules = only("secrets-listed-cluster-wide")
    put(lake, START, SECRETS_LIST)
    run, stored = detect_new(lake, rules)
    assert (len(run.findings), stored.new) == (1, 1)

    run, stored = detect_new(lake, rules)
    assert (run.findings, stored.new, stored.known) == ([], 0, 0)

    put(lake, START - timedelta(days=3), SECRETS_LIST)
    run, stored = detect_new(lake, rules)
    assert (len(run.findings), stored.new) == (1, 1)

    compact(lake)
    run, stored = detect_new(lake, rules)
    assert (run.findings, stored.new) == ([], 0)

    with connect(lake) as con:
        assert select(con, "SELECT count(*) AS n FROM findings").to_pylist() == [{"n": 2}]


def test_more_evidence_is_a_new_revision_of_the_same_finding(lake: Lake) -> None:
    """A finding that grows is stored again under its id, and the view shows the latest."""
    rules = only("secrets-listed-cluster-wide")
    put(lake, START, SECRETS_LIST)
    detect_new(lake, rules)
    put(lake, START + timedelta(minutes=5), SECRETS_LIST)
    _, stored = detect_new(lake, rules)

    assert (stored.new, stored.changed) == (0, 1)
    with connect(lake) as con:
        assert select(con, "SELECT event_count FROM findings").to_pylist() == [{"event_count": 2}]
        assert select(con, "SELECT count(*) AS n FROM finding_revisions").to_pylist() == [{"n": 2}]


def test_findings_known_already_are_not_stored_again(lake: Lake) -> None:
    """Storing the same run twice adds no row."""
    put(lake, START, SECRETS_LIST)
    run = detect(lake, only("secrets-listed-cluster-wide"))

    assert store(lake, run.findings).new == 1
    again = store(lake, run.findings)
    assert (again.new, again.changed, again.known) == (0, 0, 1)


def test_a_changed_rule_judges_the_whole_lake_again(lake: Lake, tmp_path: Path) -> None:
    """A rule of another version than last time has judged nothing yet."""
    put(lake, START, SECRETS_LIST)
    (rule,) = only("secrets-listed-cluster-wide")
    detect_new(lake, [rule])
    changed = tmp_path / "secrets-listed-cluster-wide.sql"
    changed.write_text(rule.path.read_text().replace("severity: critical", "severity: high"))

    run, stored = detect_new(lake, [load_rule(changed)])

    assert [f.severity for f in run.findings] == ["high"]
    assert stored.changed == 1


@pytest.mark.parametrize(
    ("rule_id", "event", "reason"),
    [
        (
            "admin-role-bound",
            {
                "level": "Metadata",
                "verb": "create",
                "objectRef": {"resource": "clusterrolebindings", "namespace": None},
            },
            "level Metadata; the rule needs Request",
        ),
        ("secrets-watched", {"verb": "create"}, "no watch of anything is in the log"),
        ("failed-authentication-burst", {"verb": "create"}, "no event of stage ResponseStarted"),
    ],
)
def test_what_the_log_cannot_show_is_said(lake: Lake, rule_id: str, event: dict[str, Any], reason: str) -> None:
    """A rule that could not have seen anything is skipped with the reason, not silent."""
    put(lake, START, event)

    run = detect(lake, only(rule_id))

    assert [item.rule_id for item in run.skipped] == [rule_id]
    assert reason in run.skipped[0].reason


def test_an_empty_lake_is_no_reason_to_skip(lake: Lake) -> None:
    """Where there is no event at all, nothing was found and nothing was missed."""
    run = detect(lake, load_catalog())

    assert (run.findings, run.failed) == ([], [])
    assert all(item.reason.startswith("no list configured") for item in run.skipped)


RULE = """/*---
id: made-up
title: Made up
techniques: [A01]
status: experimental
severity: low
confidence: low
attack: [T1078]
layer: cluster
control: detection
practice: rbac
window: 1h
entity: [user_name]
why: Because.
blind_spots: Many.
false_positives: Some.
triage: [Look., Think.]
PARAMS---*/
QUERY
"""
GOOD = "SELECT cluster, event_id, request_received_at, user_name FROM requests"


def write(folder: Path, query: str, params: str = "") -> Path:
    path = folder / "made-up.sql"
    path.write_text(RULE.replace("QUERY", query).replace("PARAMS", params))
    return path


def test_a_broken_rule_stops_no_other(lake: Lake, tmp_path: Path) -> None:
    """A rule whose query breaks is reported as failed with file and line; the others judge."""
    put(lake, START, SECRETS_LIST)
    broken = load_rule(write(tmp_path, "SELECT nothing FROM nowhere"))

    run = detect(lake, [broken, *only("secrets-listed-cluster-wide")])

    assert [item.rule_id for item in run.failed] == ["made-up"]
    assert run.failed[0].error.startswith("made-up.sql:19: ")
    assert len(run.findings) == 1


@pytest.mark.parametrize(
    "query",
    [
        "COPY events TO '/tmp/stolen'",
        "SELECT 1; SELECT 2",
        "DROP VIEW events",
        "SELECT cluster, event_id, request_received_at, content AS user_name FROM read_text('/etc/passwd'), requests",
        "SELECT cluster, event_id, request_received_at FROM requests",
        f"SELECT *, 1 AS more FROM ({GOOD})",
        "SELECT cluster, event_id, request_received_at, usr AS user_name FROM requests",
    ],
)
def test_a_query_may_only_be_one_select_over_the_lake(lake: Lake, tmp_path: Path, query: str) -> None:
    """Anything but one SELECT that returns what a rule must return is refused, with the place."""
    rule = load_rule(write(tmp_path, query))
    with connect(lake) as con:
        create_views(con)
        with pytest.raises(UsageError, match=r"made-up\.sql:19"):
            check(con, rule)


def test_all_problems_of_a_rule_are_told_at_once(tmp_path: Path) -> None:
    """Unknown keys, bad values, undeclared and unused parameters come together, each with its line."""
    path = write(tmp_path, GOOD + " WHERE name = $used", "params:\n  unused: {default: 1, why: x}\nnonsense: 1\n")
    path.write_text(path.read_text().replace("severity: low", "severity: awful").replace("window: 1h", "window: soon"))

    with pytest.raises(RuleInvalid) as caught:
        load_rule(path)

    text = "\n".join(caught.value.problems)
    for expected in ("unknown key 'nonsense'", "severity 'awful'", "'soon'", "unused is declared", "$used is used"):
        assert expected in text
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """YAML would let the last one win; a rule that says two things says neither."""
    path = write(tmp_path, GOOD)
    path.write_text(path.read_text().replace("severity: low", "severity: low\nseverity: high"))

    with pytest.raises(RuleInvalid, match="stands twice"):
        load_rule(path)


def test_a_list_only_the_operator_has_skips_the_rule_until_it_is_given(lake: Lake, tmp_path: Path) -> None:
    """Without its list the rule says `no list configured`; with it, it judges."""
    put(lake, START, {})
    rule = load_rule(
        write(
            tmp_path,
            GOOD + " WHERE NOT list_contains($allowed_users, user_name)",
            "params:\n  allowed_users: {why: Yours.}\n",
        )
    )

    assert detect(lake, [rule]).skipped[0].reason == "no list configured: allowed_users"
    run = detect(lake, [rule], params={"made-up": {"allowed_users": ["bob"]}})
    assert [f.entity["user_name"] for f in run.findings] == ["alice@example.com"]


HOSTILE = [
    None, [], {}, "text", 7, True, [[]], [1], ["x"], [{}], {"rules": "x"}, {"rules": [7]}, {"rules": [{"verbs": "x", "resources": 7}]},
    {"subjects": {"kind": "User"}}, {"subjects": [None, 7]}, {"roleRef": [], "subjects": ["x"]}, {"spec": []}, {"spec": "x"},
    {"spec": {"containers": {}, "volumes": "x", "hostPID": "yes"}}, {"spec": {"containers": [7, None, {"securityContext": [], "ports": {}}]}},
    {"spec": {"template": []}}, {"spec": {"template": {"spec": {"containers": [{"securityContext": {"capabilities": {"add": {"a": 1}}}}]}}}},
    {"spec": {"replicas": 1e300, "expirationSeconds": "x", "selector": 5, "rules": [[]], "request": "!!!"}}, {"metadata": []},
    {"metadata": {"labels": [], "annotations": "x", "ownerReferences": {}}}, {"webhooks": {}}, {"webhooks": [[], {"rules": "x"}]},
    [{"op": "add", "path": 7}], [{"op": "add", "path": "/spec/containers/0", "value": []}], [{"op": [], "path": "x"}], [{"op": "remove"}],
    {"data": {"x": []}}, {"items": [[]]}, {"status": {"conditions": {}, "token": 3}}, {"type": [], "holderIdentity": {}},
]  # fmt: skip
WRITTEN = [
    ("pods", "", None), ("pods", "", "ephemeralcontainers"), ("deployments", "apps", None), ("deployments", "apps", "scale"), ("cronjobs", "batch", None),
    ("rollouts", "example.io", None), ("roles", "rbac.authorization.k8s.io", None), ("clusterroles", "rbac.authorization.k8s.io", None),
    ("rolebindings", "rbac.authorization.k8s.io", None), ("clusterrolebindings", "rbac.authorization.k8s.io", None), ("secrets", "", None),
    ("configmaps", "", None), ("serviceaccounts", "", None), ("serviceaccounts", "", "token"), ("services", "", None), ("services", "", "status"),
    ("nodes", "", None), ("nodes", "", "status"), ("namespaces", "", None), ("persistentvolumes", "", None), ("endpoints", "", None),
    ("endpointslices", "discovery.k8s.io", None), ("ingresses", "networking.k8s.io", None), ("networkpolicies", "networking.k8s.io", None),
    ("certificatesigningrequests", "certificates.k8s.io", None), ("certificatesigningrequests", "certificates.k8s.io", "approval"),
    ("validatingwebhookconfigurations", "admissionregistration.k8s.io", None), ("mutatingwebhookconfigurations", "admissionregistration.k8s.io", None),
    ("apiservices", "apiregistration.k8s.io", None), ("customresourcedefinitions", "apiextensions.k8s.io", None), ("leases", "coordination.k8s.io", None),
    ("events", "", None), ("tokenreviews", "authentication.k8s.io", None), ("horizontalpodautoscalers", "autoscaling", None),
    ("clusterpolicies", "kyverno.io", None), ("selfsubjectaccessreviews", "authorization.k8s.io", None),
]  # fmt: skip


def test_no_body_breaks_a_rule(lake: Lake) -> None:
    """Whatever JSON a client writes, refused or not, every rule goes on judging the others."""
    events = []
    for resource, group, subresource in WRITTEN:
        for number, body in enumerate(HOSTILE):
            patch = {
                "level": "RequestResponse",
                "verb": ("create", "patch", "update", "delete")[number % 4],
                "objectRef": {
                    "resource": resource,
                    "apiGroup": group or None,
                    "subresource": subresource,
                    "namespace": "shop",
                    "name": "x",
                },
                "requestObject": body,
                "responseObject": HOSTILE[-number - 1],
                "responseStatus": {"code": (201, 200, 403, 400)[number // 4 % 4]},
                "annotations": {
                    "mutation.webhook.admission.k8s.io/round_0_index_0": "[}",
                    "authorization.k8s.io/decision": "allow",
                },
            }
            own = {
                "auditID": str(uuid.uuid4()),
                "requestReceivedTimestamp": "2026-11-23T08:00:00.000000Z",
                "stageTimestamp": "2026-11-23T08:00:00.000000Z",
            }
            events.append(json.dumps(merge({**BASE, **own}, patch)).encode())
    lake.append("events", rows(events, "prod", "apiserver", START))

    run = detect(lake, load_catalog())

    assert run.failed == []
