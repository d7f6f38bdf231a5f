"""The rules on a real kube-apiserver's logs: every attack they are for, and a quiet day that stays quiet."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from detections.catalog import load_catalog
from detections.engine import Run, detect
from detections.rule import Severity
from ingest.importer import import_files
from ingest.redact import Redactor
from lake.delta import Lake
from lake.query import connect, select

SAMPLES = Path(__file__).resolve().parents[2] / "sample_logs"

# What each attack of the ground truth is to these rules. The others need rules to come.
EXPECTED: dict[str, set[str]] = {
    "anonymous-recon": {"unauthenticated-scan"},
    "invalid-bearer-token-bruteforce": {"failed-authentication-burst"},
    "kube-hunter-scan": {"unauthenticated-scan"},
    "nuclei-style-path-scan": {"unauthenticated-scan"},
    "forbidden-enumeration-burst": {"permission-enumeration", "secret-read-denied"},
    "secrets-list-all-namespaces": {"secrets-listed-cluster-wide"},
    "secrets-get-burst": {"many-secrets-read"},
    "secrets-list-per-namespace": {"many-secrets-read", "secrets-listed-in-system-namespace"},
    "secrets-watch-exfil": {"secrets-watched"},
    "serviceaccount-token-request": {"service-account-token-minted"},
    "node-credential-secret-theft": {"secret-read-denied"},
    "clusterrolebinding-anonymous": {"permission-granted-to-everybody", "admin-role-bound"},
    "rolebinding-unauthenticated-group": {"permission-granted-to-everybody"},
    "clusterrolebinding-all-serviceaccounts": {"permission-granted-to-everybody", "admin-role-bound"},
    "clusterrolebinding-cluster-admin-user": {"admin-role-bound"},
    "escalated-user-first-use": {"secrets-listed-cluster-wide"},
    "clusterrolebinding-default-sa": {"permission-granted-to-everybody", "admin-role-bound"},
    "rolebinding-admin-kube-system": {"admin-role-bound"},
    "clusterrole-wildcard": {"wildcard-role-written"},
    "clusterrole-escalate-bind-impersonate": {"escalation-verb-granted"},
    "role-updated-with-secrets-access": {"role-widened", "wildcard-role-written"},
    "system-clusterrole-tampered": {"role-widened"},
    "backdoor-serviceaccount": {"admin-role-bound", "service-account-token-minted"},
    "impersonation-system-masters": {"privileged-identity-impersonated", "secrets-listed-in-system-namespace"},
    "impersonation-serviceaccount": {"privileged-identity-impersonated"},
    "impersonation-denied": {"impersonation-denied"},
    "audit-id-collision": {"secrets-listed-in-system-namespace"},
}


def truth(capture: str) -> list[dict[str, Any]]:
    with (SAMPLES / "truth.jsonl").open() as lines:
        return [entry for entry in map(json.loads, lines) if entry["capture"] == capture]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The attack captures, each as a cluster of its own, and the quiet day without its set-up."""
    folder = tmp_path_factory.mktemp("captures")
    lake = Lake.open(folder / "lake", create=True)
    redactor = Redactor(b"c" * 32)
    for capture in ("attacks", "gce"):
        import_files(lake, [str(SAMPLES / f"{capture}.jsonl.gz")], capture, redactor)
    quiet = folder / "quiet.jsonl"
    with gzip.open(SAMPLES / "benign.jsonl.gz", "rt") as lines, quiet.open("w") as out:
        out.writelines(line for line in lines if json.loads(line)["requestReceivedTimestamp"] >= setup_end("benign"))
    import_files(lake, [str(quiet)], "quiet", redactor)
    return lake


def setup_end(capture: str) -> str:
    return next(str(entry["end"]) for entry in truth(capture) if entry["technique"] == "setup")


@pytest.fixture(scope="module")
def run(lake: Lake) -> Run:
    return detect(lake, load_catalog())


@pytest.fixture(scope="module")
def found(lake: Lake, run: Run) -> dict[tuple[str, str], dict[str, set[str | None]]]:
    """(cluster, audit id) -> rule -> identities that the finding names."""
    with connect(lake) as con:
        rows = select(con, "SELECT event_id, cluster, audit_id, user_name FROM events").to_pylist()
    audit = {row["event_id"]: ((row["cluster"], row["audit_id"]), row["user_name"]) for row in rows}
    hits: dict[tuple[str, str], dict[str, set[str | None]]] = defaultdict(lambda: defaultdict(set))
    for finding in run.findings:
        for event_id in finding.event_ids:
            key, user = audit[event_id]
            hits[key][finding.rule_id].add(finding.entity.get("user_name", user))
    return hits


def attacks() -> Iterator[tuple[str, str]]:
    for capture in ("attacks", "gce"):
        for technique in EXPECTED:
            yield capture, technique


@pytest.mark.parametrize(("capture", "technique"), list(attacks()))
def test_an_attack_is_found_as_what_it_is_and_with_who_did_it(
    capture: str, technique: str, found: dict[tuple[str, str], dict[str, set[str | None]]]
) -> None:
    """Each attack of the ground truth is found by the rules for it, with the identity that did it."""
    (entry,) = (entry for entry in truth(capture) if entry["technique"] == technique)
    identity = None if entry["identity"] == "(unauthenticated)" else entry["identity"]
    rules: dict[str, set[str | None]] = defaultdict(set)
    for audit_id in entry["auditIDs"]:
        for rule, users in found.get((capture, audit_id), {}).items():
            rules[rule] |= users

    assert set(rules) >= EXPECTED[technique]
    for rule in EXPECTED[technique]:
        assert identity in rules[rule]


def test_no_rule_fails_or_is_skipped_on_rich_logs(run: Run) -> None:
    """On logs with bodies every rule can judge, and none breaks."""
    assert run.failed == []
    assert run.skipped == []


def test_a_quiet_day_stays_quiet(run: Run) -> None:
    """Twenty actors at work, with 65 look-alikes of attacks among what they do, give nothing high."""
    loud = [
        (finding.rule_id, dict(finding.entity), finding.evidence[0]["detail"])
        for finding in run.findings
        if finding.cluster == "quiet" and Severity(finding.severity).rank >= Severity.HIGH.rank
    ]

    assert loud == []


# Medium findings of the quiet day, each with why it is right or why we live with it.
EXPLAINED = {
    "service-account-token-minted": "The harness of the capture mints tokens for its actors as kubernetes-admin: that is what happened.",
}


def test_each_medium_finding_of_a_quiet_day_is_explained(run: Run) -> None:
    """What is shown as medium on an ordinary day is listed here with its reason, and nothing else is."""
    medium = {f.rule_id for f in run.findings if f.cluster == "quiet" and f.severity == "medium"}

    assert medium == set(EXPLAINED)


def test_findings_carry_the_times_of_their_evidence(run: Run) -> None:
    """First and last time of a finding are those of its requests, and the evidence is in time order."""
    for finding in run.findings:
        times: list[datetime] = [row["request_received_at"] for row in finding.evidence]
        assert times == sorted(times)
        assert finding.first_seen == times[0]
        assert finding.last_seen >= times[-1]
        assert finding.event_count >= len(times)
