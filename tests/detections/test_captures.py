"""The rules on a real kube-apiserver's logs: every attack they are for, and a quiet day that stays quiet."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
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

# What each attack of the ground truth is to these rules; others may speak of it besides.
EXPECTED: dict[str, set[str]] = {
    "anonymous-recon": {"unauthenticated-scan"},
    "invalid-bearer-token-bruteforce": {"failed-authentication-burst", "unauthenticated-scan"},
    "kube-hunter-scan": {"kubelet-reached-through-server", "unauthenticated-scan"},
    "nuclei-style-path-scan": {"unauthenticated-scan"},
    "can-i-list": {"permissions-asked-about"},
    "can-i-rules-review-all-namespaces": {"permissions-asked-about"},
    "forbidden-enumeration-burst": {"permission-enumeration", "secret-read-denied"},
    "cluster-wide-resource-dump": {"cluster-surveyed"},
    "secrets-list-all-namespaces": {"secrets-listed-cluster-wide"},
    "secrets-get-burst": {"many-secrets-read"},
    "secrets-list-per-namespace": {"many-secrets-read", "secrets-listed-in-system-namespace"},
    "secrets-watch-exfil": {"secrets-watched"},
    "serviceaccount-token-request": {"service-account-token-minted"},
    "serviceaccount-token-secret-created": {"token-secret-created"},
    "stolen-sa-token-used-outside": {"service-account-outside-cluster"},
    "legacy-sa-token-used": {"legacy-token-used"},
    "node-credential-secret-theft": {"secret-read-by-node-beyond-its-pods", "secret-read-denied"},
    "configmap-mass-read": {"configmaps-read-everywhere"},
    "clusterrolebinding-anonymous": {
        "permission-granted-to-everybody",
        "admin-role-bound",
        "right-granted-and-revoked",
    },
    "rolebinding-unauthenticated-group": {"permission-granted-to-everybody"},
    "clusterrolebinding-all-serviceaccounts": {
        "admin-role-bound",
        "permission-granted-to-everybody",
        "right-granted-and-revoked",
    },
    "clusterrolebinding-cluster-admin-user": {"admin-role-bound"},
    "escalated-user-first-use": {"secrets-listed-cluster-wide"},
    "clusterrolebinding-default-sa": {"admin-role-bound", "permission-granted-to-everybody", "service-account-bound"},
    "rolebinding-admin-kube-system": {"admin-role-bound"},
    "clusterrole-wildcard": {"powerful-role-written", "wildcard-role-written"},
    "clusterrole-escalate-bind-impersonate": {"escalation-verb-granted", "powerful-role-written"},
    "role-updated-with-secrets-access": {"role-widened", "role-reads-secrets"},
    "system-clusterrole-tampered": {"role-widened", "system-role-changed"},
    "escalation-denied": {"binding-changed"},
    "backdoor-serviceaccount": {
        "admin-role-bound",
        "service-account-bound",
        "service-account-created",
        "service-account-token-minted",
    },
    "impersonation-system-masters": {"privileged-identity-impersonated", "secrets-listed-in-system-namespace"},
    "impersonation-serviceaccount": {"privileged-identity-impersonated"},
    "impersonation-denied": {"impersonation-denied"},
    "csr-system-masters": {"privileged-certificate-requested"},
    "csr-privileged-identity-approved": {"certificate-approved-by-hand", "privileged-certificate-requested"},
    "pod-privileged": {"privileged-container"},
    "pod-hostpath-root": {"host-path-mounted"},
    "pod-hostpid": {"host-namespace-shared"},
    "pod-hostnetwork": {"host-namespace-shared"},
    "pod-hostipc": {"host-namespace-shared"},
    "pod-dangerous-capabilities": {"dangerous-capability-added"},
    "pod-all-capabilities": {"dangerous-capability-added"},
    "pod-docker-sock": {"host-path-mounted"},
    "pod-containerd-sock": {"host-path-mounted"},
    "pod-hostpath-etc-kubernetes": {"host-path-mounted"},
    "pod-hostpath-kubelet": {"host-path-mounted"},
    "pod-hostpath-var-log": {"host-path-mounted"},
    "pod-hostpath-proc-core-pattern": {"host-path-mounted"},
    "pod-nsenter-node-shell": {"host-namespace-shared", "privileged-container", "workload-placed-on-control-plane"},
    "pod-on-control-plane-node": {"workload-placed-on-control-plane"},
    "pod-unconfined-profiles": {"pod-security-baseline-broken"},
    "pod-privileged-init-container": {"privileged-container"},
    "pod-privileged-sa-mounted": {"privileged-service-account-used", "suspicious-container-command"},
    "pod-cryptominer": {"cryptominer-workload"},
    "pod-lookalike-kube-system": {"system-component-masqueraded", "workload-in-system-namespace"},
    "pod-reverse-shell-command": {"suspicious-container-command"},
    "pod-psa-baseline-denied": {"admission-probed", "privileged-container"},
    "pod-psa-audit-violation": {"pod-security-flagged"},
    "pod-privileged-dryrun-probe": {"host-namespace-shared", "privileged-container"},
    "pod-privileged-generatename-curl": {"host-path-mounted", "privileged-container"},
    "pod-privileged-server-side-apply": {"host-path-mounted", "privileged-container"},
    "audit-id-collision": {"audit-id-reused", "secrets-listed-in-system-namespace"},
    "workload-image-swapped": {"workload-image-swapped"},
    "deployment-patched-privileged": {"host-namespace-shared", "privileged-container"},
    "cronjob-persistence": {"cronjob-written"},
    "daemonset-persistence": {
        "daemonset-created",
        "host-namespace-shared",
        "host-path-mounted",
        "privileged-container",
    },
    "static-hostpath-pv": {"persistent-volume-on-node"},
    "pod-exec-websocket": {"pod-session-opened", "suspicious-command-in-pod"},
    "pod-exec-spdy": {"pod-session-opened"},
    "pod-exec-kube-system": {"pod-session-opened", "system-pod-session-opened"},
    "pod-exec-denied": {"pod-session-opened"},
    "pod-exec-no-upgrade-400": {"pod-session-opened"},
    "pod-attach": {"pod-session-opened"},
    "pod-portforward": {"pod-session-opened"},
    "service-proxy-access": {"proxied-into-service"},
    "ephemeral-container": {"ephemeral-container-added", "privileged-container"},
    "kubectl-debug-node": {"host-namespace-shared", "host-path-mounted", "privileged-container"},
    "nodes-proxy-access": {"kubelet-reached-through-server"},
    "pod-logs-harvest": {"logs-harvested"},
    "events-deleted": {"events-deleted"},
    "mutating-webhook-created": {"admission-webhook-created"},
    "validating-webhook-weakened": {"admission-guard-deleted", "admission-webhook-weakened"},
    "admission-policy-deleted": {"admission-guard-deleted"},
    "psa-label-downgraded": {"pod-security-weakened"},
    "psa-label-removed": {"pod-security-weakened"},
    "namespace-created-privileged": {"pod-security-weakened"},
    "networkpolicy-deleted": {"network-policy-removed"},
    "networkpolicy-allow-all": {"network-policy-opened"},
    "service-nodeport": {"service-exposed"},
    "service-loadbalancer": {"service-exposed"},
    "service-externalips": {"service-external-ips"},
    "service-externalname": {"service-external-name"},
    "endpointslice-hijack": {"endpoints-written"},
    "coredns-configmap-edited": {"cluster-dns-changed"},
    "aws-auth-configmap-edited": {"identity-map-changed"},
    "apiservice-registered": {"api-service-changed"},
    "crd-created": {"custom-resource-definition-changed"},
    "node-tampering": {"node-tampered"},
    "tool-user-agents": {"attack-tool-user-agent"},
    "xff-spoofed-source": {"source-address-claimed"},
    "tokenreview-by-user": {"others-permissions-checked"},
    "subjectaccessreview-of-others": {"others-permissions-checked"},
    "deployment-deletion-burst": {"mass-deletion"},
    "namespace-deletion": {"namespace-deleted"},
    "secrets-ransom-overwrite": {"secret-changed"},
    "scale-to-zero-burst": {"workloads-scaled-to-zero"},
    "pod-count-bomb": {"replicas-raised"},
    "cleanup-own-traces": {"right-granted-and-revoked"},
}

# What a log cannot show, and where it says so.
UNSEEN = {
    ("gce", "events-deleted"): "The GCE reference policy logs nothing about events (level None).",
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


@dataclass(frozen=True)
class Found:
    """(cluster, audit id) -> rule -> identities that the finding names; and which audit ids somebody used when."""

    hits: dict[tuple[str, str], dict[str, set[str | None]]]
    used: dict[tuple[str, str | None], list[tuple[datetime, str]]]

    def by_time(self, capture: str, user: str | None, start: str, end: str) -> list[str]:
        """Answers of upgraded connections carry no audit id: the ground truth tells those by user and time."""
        since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
        return [audit_id for at, audit_id in self.used[capture, user] if since <= at <= until]


@pytest.fixture(scope="module")
def found(lake: Lake, run: Run) -> Found:
    """What the run found, by the ids of the ground truth."""
    with connect(lake) as con:
        rows = select(
            con, "SELECT event_id, cluster, audit_id, user_name, request_received_at FROM requests"
        ).to_pylist()
    audit = {row["event_id"]: ((row["cluster"], row["audit_id"]), row["user_name"]) for row in rows}
    used: dict[tuple[str, str | None], list[tuple[datetime, str]]] = defaultdict(list)
    for row in rows:
        used[row["cluster"], row["user_name"]].append((row["request_received_at"], row["audit_id"]))
    hits: dict[tuple[str, str], dict[str, set[str | None]]] = defaultdict(lambda: defaultdict(set))
    for finding in run.findings:
        for event_id in finding.event_ids:
            key, user = audit[event_id]
            hits[key][finding.rule_id].add(finding.entity.get("user_name", user))
    return Found(hits, used)


def attacks() -> Iterator[tuple[str, str]]:
    for capture in ("attacks", "gce"):
        for entry in truth(capture):
            if entry["label"] == "attack" and (capture, entry["technique"]) not in UNSEEN:
                yield capture, str(entry["technique"])


@pytest.mark.parametrize(("capture", "technique"), list(attacks()))
def test_an_attack_is_found_as_what_it_is_and_with_who_did_it(capture: str, technique: str, found: Found) -> None:
    """Each attack of the ground truth is found by the rules for it, with the identity that did it."""
    (entry,) = (entry for entry in truth(capture) if entry["technique"] == technique)
    identity = None if entry["identity"] == "(unauthenticated)" else entry["identity"]
    rules: dict[str, set[str | None]] = defaultdict(set)
    upgraded = any(request.get("code") == 101 for request in entry["expected"])
    ids = [*entry["auditIDs"], *(found.by_time(capture, identity, entry["start"], entry["end"]) if upgraded else ())]
    for audit_id in ids:
        for rule, users in found.hits.get((capture, audit_id), {}).items():
            rules[rule] |= users

    assert set(rules) >= EXPECTED[technique]
    for rule in EXPECTED[technique]:
        assert identity in rules[rule]


def test_no_rule_fails_and_what_cannot_judge_says_why(run: Run) -> None:
    """No rule breaks; those without a list of the operator's, enough history or bodies are skipped with that reason."""
    assert run.failed == []
    for item in run.skipped:
        assert (
            item.reason.startswith("no list configured")
            or "long; to know what is new" in item.reason
            or "at level Metadata" in item.reason
        ), item


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
