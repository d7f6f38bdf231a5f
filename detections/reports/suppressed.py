"""Suppressed findings and their suppressions in a person's words, the same in every format."""

from __future__ import annotations

from dataclasses import dataclass

from detections.engine import Run
from detections.finding import Finding
from detections.reports.wording import identities, plural, short
from detections.suppression import State, SuppressedRun


@dataclass(frozen=True, slots=True)
class Hidden:
    """Findings of one rule that one suppression covers."""

    rule_id: str
    title: str
    users: tuple[str, ...]
    findings: int
    account: str


def hidden(run: Run) -> list[Hidden]:
    """The suppressed findings by the entry that covers them, in the order of the run."""
    groups: dict[str, list[Finding]] = {}
    for finding in run.findings:
        if finding.suppressed is not None:
            groups.setdefault(finding.suppressed.origin, []).append(finding)
    made = []
    for found in groups.values():
        by = found[0].suppressed
        if by is not None:
            users = dict.fromkeys(name for finding in found for name in identities(finding))
            account = f"{short(by.reason, 400)} ({short(by.owner)}, until {by.expires.isoformat()})"
            made.append(Hidden(found[0].rule_id, found[0].title, tuple(users), len(found), account))
    return made


def suppression_notes(run: Run) -> list[str]:
    """What is wrong with the suppressions of the run: expired, soon to end, or covering nothing."""
    notes = []
    for outcome in run.outcomes if isinstance(run, SuppressedRun) else ():
        entry = outcome.suppression
        name = f"{short(entry.origin)} ({entry.rule}, {short(entry.owner)})"
        if outcome.state is State.EXPIRED:
            rest = f": {plural(outcome.matched, 'finding')} count again" if outcome.matched else ""
            notes.append(f"{name} expired on {entry.expires.isoformat()}{rest}")
        elif outcome.judged and not outcome.matched:
            notes.append(f"{name} matched nothing in this run")
        elif outcome.state is State.ENDS_SOON:
            notes.append(f"{name} ends on {entry.expires.isoformat()}")
    return notes
