"""Exceptions with an owner, a reason and an end: what findings somebody has looked at and answers for.

A suppressed finding stays in the run, marked, and does not count. An entry matches on what the server knows
(a rule's entity columns, the cluster, the namespace), never on what a client claims: an attacker would only
have to claim it too. What is past its last day no longer suppresses, and what never matched is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from enum import StrEnum

from detections.engine import Run
from detections.finding import Finding, Suppressed

ANYWHERE = ("cluster", "namespace")
"""What every rule's findings can be matched on, besides the entity columns of the rule."""
SOON = timedelta(days=14)


class State(StrEnum):
    """Whether a suppression holds on a day."""

    ACTIVE = "active"
    ENDS_SOON = "ends soon"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry of a suppressions file, checked; see ``load_suppressions``.

    ``match`` maps a column to the patterns one of which must fit, with ``*`` for any text and ``?`` for any
    character; None among them fits where there is no value. Every column must fit. ``expires`` is the last
    day (UTC) on which it holds; ``origin`` is ``file:line``.
    """

    rule: str
    match: Mapping[str, tuple[str | None, ...]]
    owner: str
    reason: str
    expires: date
    origin: str

    def state(self, today: date) -> State:
        """Whether it holds on *today* (UTC)."""
        if today > self.expires:
            return State.EXPIRED
        return State.ENDS_SOON if self.expires - today <= SOON else State.ACTIVE

    def fits(self, finding: Finding) -> bool:
        """Whether *finding* is what this entry is about, expired or not."""
        return finding.rule_id == self.rule and all(
            _fits(patterns, value) for column, patterns in self.match.items() for value in _values(finding, column)
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one suppression did in a run: ``matched`` findings were suppressed, or would be were it not expired.

    ``judged`` is False when its rule was not among those that judged: then no match says nothing.
    """

    suppression: Suppression
    state: State
    matched: int
    judged: bool


@dataclass(frozen=True, slots=True)
class SuppressedRun(Run):
    """A run whose findings carry their suppressions; ``outcomes`` has one entry a suppression, in file order."""

    outcomes: tuple[Outcome, ...] = ()


def apply(run: Run, suppressions: Sequence[Suppression], today: date) -> SuppressedRun:
    """*run* with the findings marked that one of *suppressions* covers on *today* (UTC); the first that fits wins."""
    active = [entry for entry in suppressions if entry.state(today) is not State.EXPIRED]
    unable = {skipped.rule_id for skipped in run.skipped} | {failed.rule_id for failed in run.failed}
    judged = {rule.id for rule in run.rules} - unable
    outcomes = tuple(
        Outcome(entry, entry.state(today), sum(map(entry.fits, run.findings)), entry.rule in judged)
        for entry in suppressions
    )
    kept = {field.name: getattr(run, field.name) for field in fields(Run)}
    return SuppressedRun(**{**kept, "findings": marked(run.findings, active)}, outcomes=outcomes)


def marked(findings: Sequence[Finding], active: Sequence[Suppression]) -> list[Finding]:
    """*findings* in their order, each with the first of *active* that fits it."""
    by_rule: dict[str, list[Suppression]] = {}
    for entry in active:
        by_rule.setdefault(entry.rule, []).append(entry)
    made = []
    for finding in findings:
        first = next((entry for entry in by_rule.get(finding.rule_id, ()) if entry.fits(finding)), None)
        by = Suppressed(first.owner, first.reason, first.expires, first.origin) if first else None
        made.append(replace(finding, suppressed=by))
    return made


_NOT_SHOWN = object()


def _values(finding: Finding, column: str) -> Sequence[object]:
    """The values of *column* in *finding*, all of which must fit."""
    if column == "cluster":
        return [finding.cluster]
    if column in finding.entity:
        return [finding.entity[column]]
    if column != "namespace":
        return [_NOT_SHOWN]
    # A finding lies in a namespace when all of its requests do. Of those that are not shown nobody can say: one of
    # them may be the one that matters.
    shown = [row.get("namespace") for row in finding.evidence]
    return shown if len(shown) >= finding.event_count else [*shown, _NOT_SHOWN]


def _fits(patterns: Sequence[str | None], value: object) -> bool:
    if value is None:
        return None in patterns
    return isinstance(value, str) and any(
        pattern is not None and glob(pattern).fullmatch(value) is not None for pattern in patterns
    )


def glob(pattern: str) -> re.Pattern[str]:
    """*pattern* as a regular expression: ``*`` is any text, ``?`` any character, all else itself."""
    parts = (".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in pattern)
    return re.compile("".join(parts), re.DOTALL)
