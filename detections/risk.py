"""Findings added up: how much there is to say against an identity, a workload, an address or a namespace.

A pure function over findings; no lake, no clock. Every score is the product of numbers that it shows:

    points of a finding = severity x confidence, halved for every half-life that has passed since it was last seen
    points of a rule    = its findings' points, the largest whole, the next halved, the next quartered, ...
    score               = sum over rules x (1 + 0.25 for each ATT&CK tactic beyond the first) x chain

where chain is 1.5, 2 or 3 when three, four or all five steps of an attack (looking around, secrets, rights,
workload, cleaning up) follow each other in that order within 24 hours. A suppressed finding counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from detections.finding import Finding
from detections.subjects import Subject, identities, namespaces, sources, workloads
from detections.tactics import chain, step_of, tactic_of

SEVERITY_POINTS: Mapping[str, float] = MappingProxyType(
    {"critical": 100.0, "high": 50.0, "medium": 20.0, "low": 5.0, "informational": 1.0}
)
CONFIDENCE_FACTOR: Mapping[str, float] = MappingProxyType({"high": 1.0, "medium": 0.7, "low": 0.4})
TACTIC_BONUS = 0.25
CHAIN_FACTOR: Mapping[int, float] = MappingProxyType({3: 1.5, 4: 2.0, 5: 3.0})
CHAIN_SPAN = timedelta(hours=24)
HALF_LIFE = timedelta(hours=24)


class By(StrEnum):
    """What scores are about."""

    IDENTITY = "identity"
    WORKLOAD = "workload"
    SOURCE = "source"
    NAMESPACE = "namespace"


_SUBJECTS = MappingProxyType(
    {By.IDENTITY: identities, By.WORKLOAD: workloads, By.SOURCE: sources, By.NAMESPACE: namespaces}
)


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule contributes: ``points`` after decay and repetition, before the factors of the score.

    ``severity`` and ``confidence`` are those of the finding that weighs most; ``since`` and ``last_seen``
    (UTC) span all ``findings``; ``finding_ids`` are in the order of their weight.
    """

    rule_id: str
    title: str
    severity: str
    confidence: str
    tactic: str | None
    points: float
    findings: int
    since: datetime
    last_seen: datetime
    finding_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How much there is to say against *subject*, and why: the reasons, the weightiest first.

    ``score`` = ``points`` x ``tactics_factor`` x ``chain_factor``. ``chain`` names the steps that follow each
    other within a day, fewer than three of which are none. Times are UTC.
    """

    subject: Subject
    score: float
    points: float
    tactics: tuple[str, ...]
    tactics_factor: float
    chain: tuple[str, ...]
    chain_factor: float
    since: datetime
    last_seen: datetime
    reasons: tuple[Reason, ...]


def score(
    findings: Iterable[Finding], at: datetime, by: By = By.IDENTITY, half_life: timedelta = HALF_LIFE
) -> list[Score]:
    """Scores as of *at* (UTC), the highest first; a finding without a subject of this kind is in none.

    A finding about several (two namespaces, say) counts whole for each.
    """
    about: dict[Subject, list[Finding]] = {}
    for finding in findings:
        if finding.suppressed is None:
            for subject in _SUBJECTS[by](finding):
                about.setdefault(subject, []).append(finding)
    made = [_score(subject, found, at, half_life) for subject, found in about.items()]
    return sorted(made, key=lambda one: (-one.score, one.subject))


def points(finding: Finding, at: datetime, half_life: timedelta = HALF_LIFE) -> float:
    """What one finding weighs as of *at*: from 100 for a critical one that is certain and fresh, towards 0."""
    age = max(at - finding.last_seen, timedelta())
    weight = SEVERITY_POINTS[finding.severity] * CONFIDENCE_FACTOR[finding.confidence]
    return weight * float(0.5 ** (age / half_life))


def _score(subject: Subject, findings: Sequence[Finding], at: datetime, half_life: timedelta) -> Score:
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule_id, []).append(finding)
    reasons = sorted(
        (_reason(found, at, half_life) for found in by_rule.values()),
        key=lambda reason: (-reason.points, reason.rule_id),
    )
    total = sum(reason.points for reason in reasons)
    tactics = tuple(sorted({reason.tactic for reason in reasons if reason.tactic}))
    tactics_factor = 1 + TACTIC_BONUS * max(len(tactics) - 1, 0)
    steps = _longest_chain(findings)
    chain_factor = CHAIN_FACTOR.get(len(steps), 1.0)
    return Score(
        subject,
        total * tactics_factor * chain_factor,
        total,
        tactics,
        tactics_factor,
        steps if chain_factor > 1 else (),
        chain_factor,
        min(reason.since for reason in reasons),
        max(reason.last_seen for reason in reasons),
        tuple(reasons),
    )


def _reason(findings: Sequence[Finding], at: datetime, half_life: timedelta) -> Reason:
    weighed = sorted(
        ((points(finding, at, half_life), finding) for finding in findings), key=lambda w: (-w[0], w[1].finding_id)
    )
    first = weighed[0][1]
    return Reason(
        first.rule_id,
        first.title,
        first.severity,
        first.confidence,
        tactic_of(first.techniques),
        # A hundred findings of one rule say little more than two: the sum stays below twice the largest.
        sum(weight * 0.5**position for position, (weight, _) in enumerate(weighed)),
        len(findings),
        min(finding.first_seen for finding in findings),
        max(finding.last_seen for finding in findings),
        tuple(finding.finding_id for _, finding in weighed),
    )


def _longest_chain(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The most steps of ``chain()`` that follow each other in order within a day, each at a finding's first or last time."""
    moments = sorted(
        (moment, step)
        for finding in findings
        if (step := step_of(finding.techniques)) is not None
        for moment in {finding.first_seen, finding.last_seen}
    )
    # For each sequence of steps the latest moment at which one such chain began: a later beginning reaches further.
    begun: dict[tuple[int, ...], datetime] = {}
    for moment, step in moments:
        longer = {
            (*steps, step): start for steps, start in begun.items() if steps[-1] < step and moment - start <= CHAIN_SPAN
        }
        for steps, start in {**longer, (step,): moment}.items():
            begun[steps] = max(start, begun.get(steps, start))
    best = max(begun, key=lambda steps: (len(steps), steps), default=())
    return tuple(chain()[step] for step in best)
