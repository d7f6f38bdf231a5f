"""Whom and what a finding is about: identities, workloads, source addresses, namespaces.

They come from the finding's entity where it names them, else from its evidence (up to 20 requests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from detections.finding import Finding

_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_WORKLOADS = {
    "pods": "pod",
    "deployments": "deployment",
    "replicasets": "replicaset",
    "replicationcontrollers": "replicationcontroller",
    "statefulsets": "statefulset",
    "daemonsets": "daemonset",
    "jobs": "job",
    "cronjobs": "cronjob",
    "serviceaccounts": "serviceaccount",
}


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One of what scores are about, in one cluster; ``acting_as`` is whom an identity impersonated, else ''."""

    cluster: str
    name: str
    acting_as: str = ""


def identities(finding: Finding) -> set[Subject]:
    """Each user whose credential was used; what it did as somebody else is counted apart as well as with it."""
    found = set()
    for user, borrowed in _pairs(finding):
        if user:
            found.add(Subject(finding.cluster, user))
            if borrowed:
                found.add(Subject(finding.cluster, user, borrowed))
    return found


def workloads(finding: Finding) -> set[Subject]:
    """Service accounts that acted or were acted upon, and pods and their controllers that were acted upon.

    Named as ``pod shop/cart-7f9``, ``serviceaccount ci/deployer``.
    """
    users = [name for pair in _pairs(finding) for name in pair if name]
    acting = (_SERVICE_ACCOUNT.fullmatch(name) for name in users)
    names = {f"serviceaccount {match[1]}/{match[2]}" for match in acting if match}
    for row in finding.evidence:
        kind = _WORKLOADS.get(str(row.get("resource")))
        if kind and row.get("namespace") and row.get("name"):
            names.add(f"{kind} {row['namespace']}/{row['name']}")
    return {Subject(finding.cluster, name) for name in names}


def sources(finding: Finding) -> set[Subject]:
    """The addresses the requests came from: the last hop, which no client can choose."""
    return {Subject(finding.cluster, address) for address in _column(finding, "source_ip")}


def namespaces(finding: Finding) -> set[Subject]:
    """The namespaces of the objects; cluster-wide requests have none."""
    return {Subject(finding.cluster, name) for name in _column(finding, "namespace")}


def _pairs(finding: Finding) -> Iterable[tuple[str | None, str | None]]:
    entity = finding.entity
    if "user_name" in entity and "impersonated_user_name" in entity:
        return [(entity["user_name"], entity["impersonated_user_name"])]
    user = entity.get("user_name")
    return {
        (row.get("user_name"), row.get("impersonated_user_name"))
        for row in finding.evidence
        if user is None or row.get("user_name") == user
    } or {(user, None)}


def _column(finding: Finding, name: str) -> set[str]:
    rows: Iterable[Mapping[str, Any]] = [finding.entity] if name in finding.entity else finding.evidence
    return {str(row[name]) for row in rows if row.get(name)}
