"""A finding in a person's words: who, what, when, from where, and what to do next.

Every format says it the same way, so a terminal, a page and a ticket can be compared. Nothing here escapes
for a format; ``visible`` only makes characters seen that a reader would not see.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from detections.engine import Run
from detections.finding import Finding
from detections.rule import Rule

SEVERITIES = ("critical", "high", "medium", "low", "informational")
CONFIDENCES = ("high", "medium", "low")
_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_LONG = 160


def visible(text: object) -> str:
    """*text* with control, bidirectional and invisible characters shown as ``\\uXXXX``."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", "" if text is None else str(text))


def short(text: object, length: int = _LONG) -> str:
    """*text* made visible and cut to *length* characters."""
    shown = visible(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def plural(count: int, noun: str) -> str:
    """``1 finding``, ``1,200 findings``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def moment(at: datetime) -> str:
    """``2026-11-23 08:34:25`` in UTC."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def span(first: datetime, last: datetime) -> str:
    """``2026-11-23 08:34:25 to 08:35:01 UTC``; the day stands once where it can."""
    if moment(first) == moment(last):
        return f"{moment(first)} UTC"
    end = last.strftime("%H:%M:%S") if first.date() == last.date() else moment(last)
    return f"{moment(first)} to {end} UTC"


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as the JSON formats and commands write it."""
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def request(row: Mapping[str, Any]) -> str:
    """One request: ``create clusterrolebindings backdoor → 201``, or ``get /version → 200``."""
    words = [str(row.get("verb") or "?")]
    if row.get("resource"):
        words.append("/".join(str(part) for part in (row["resource"], row.get("subresource")) if part))
        place = "/".join(str(part) for part in (row.get("namespace"), row.get("name")) if part)
        if place:
            words.append(place)
    else:
        words.append(str(row.get("request_uri") or "?"))
    code = row.get("response_code")
    return short(" ".join(words) + (f" → {code}" if code is not None else ""))


def remark(row: Mapping[str, Any]) -> str:
    """What the rule says about one request, without the name that stands before it already; '' for nothing."""
    name, borrowed = row.get("user_name") or "nobody", row.get("impersonated_user_name")
    parts = str(row.get("detail") or "").split("; ")
    for known in (f"{name} as {borrowed} ", f"{name} "):
        parts = [part.removeprefix(known) for part in parts]
    return short("; ".join(parts), 2 * _LONG)


def deeds(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """What was done, in the rule's words where it has any, and how often; first seen first."""
    return list(Counter(_deed(row) for row in rows).items())


def _deed(row: Mapping[str, Any]) -> str:
    said, code = remark(row), row.get("response_code")
    if not said:
        return request(row)
    return said if code is None else f"{said} → {code}"


def identities(finding: Finding) -> list[str]:
    """Who did it: ``mallory from 203.0.113.66``, with whom it acted as; nobody where a credential was refused."""
    pairs = Counter(identity(row) for row in finding.evidence)
    return list(pairs) or [", ".join(short(value, 100) for value in finding.entity.values() if value) or "unknown"]


def agents(finding: Finding) -> list[str]:
    """What the clients call themselves, each once: a claim."""
    return list(dict.fromkeys(short(row["user_agent"], 80) for row in finding.evidence if row.get("user_agent")))


def user(row: Mapping[str, Any]) -> str:
    """Whose credential made one request."""
    return short(row["user_name"], 100) if row.get("user_name") else "nobody (credential refused)"


def identity(row: Mapping[str, Any]) -> str:
    """Who made one request and from where: ``mallory (acting as ci) from 203.0.113.66``."""
    borrowed = f" (acting as {short(row['impersonated_user_name'], 100)})" if row.get("impersonated_user_name") else ""
    return user(row) + borrowed + (f" from {short(row['source_ip'], 60)}" if row.get("source_ip") else "")


def listed(items: Sequence[str], most: int) -> str:
    """The first *most* of *items* with commas, and how many more there are."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def timeline_command(finding: Finding, lake: str | None = None) -> str | None:
    """The command that shows what else the same user or address did around the finding, in the lake at *lake*."""
    columns = {name: {row.get(name) for row in finding.evidence} for name in ("user_name", "source_ip")}
    for column, option in (("user_name", "--user"), ("source_ip", "--source-ip")):
        values = columns[column] - {None}
        # A name with hidden characters cannot be typed; a command that finds something else would mislead.
        if len(values) == 1 and (value := str(values.pop())) == visible(value) and len(value) <= _LONG:
            since = (finding.first_seen - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:00Z")
            until = (finding.last_seen + timedelta(minutes=11)).strftime("%Y-%m-%dT%H:%M:00Z")
            where = f"--lake {shlex.quote(lake)} " if lake else ""
            return f"ashiato timeline {where}{option} {shlex.quote(value)} --since {since} --until {until}"
    return None


@dataclass(frozen=True, slots=True)
class Section:
    """One rule and what it found, the worst first, then the earliest."""

    rule: Rule
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> str:
        """The worst severity among the findings."""
        return min((finding.severity for finding in self.findings), key=SEVERITIES.index)

    @property
    def first_seen(self) -> datetime:
        """Earliest evidence of all the findings (UTC)."""
        return min(finding.first_seen for finding in self.findings)

    @property
    def users(self) -> list[str]:
        """Whose credentials were used, each once, in order of appearance."""
        return list(dict.fromkeys(user(row) for finding in self.findings for row in finding.evidence)) or ["unknown"]

    @property
    def requests(self) -> int:
        """Requests that are evidence, over all the findings."""
        return sum(finding.event_count for finding in self.findings)


def counting(run: Run) -> list[Finding]:
    """The findings that count: those nobody answers for with a suppression."""
    return [finding for finding in run.findings if finding.suppressed is None]


def sections(run: Run) -> list[Section]:
    """The findings that count, by rule: the worst first, then the surest, then the earliest."""
    rules = {rule.id: rule for rule in run.rules}
    by_rule: dict[str, list[Finding]] = {}
    for finding in sorted(counting(run), key=lambda f: (SEVERITIES.index(f.severity), f.first_seen, f.finding_id)):
        by_rule.setdefault(finding.rule_id, []).append(finding)
    made = [Section(rules[rule_id], tuple(found)) for rule_id, found in by_rule.items()]
    return sorted(
        made,
        key=lambda s: (
            SEVERITIES.index(s.severity),
            CONFIDENCES.index(s.rule.confidence),
            s.findings[0].first_seen,
            s.rule.id,
        ),
    )


def counts(run: Run) -> list[tuple[str, int]]:
    """Findings per severity, the worst first, severities without any left out."""
    found = Counter(finding.severity for finding in counting(run))
    return [(severity, found[severity]) for severity in SEVERITIES if found[severity]]


def judged(run: Run) -> int:
    """How many rules were neither skipped nor failed."""
    unable = {skipped.rule_id for skipped in run.skipped} | {failed.rule_id for failed in run.failed}
    return sum(rule.id not in unable for rule in run.rules)


def headline(run: Run) -> str:
    """``12 findings: 3 critical, 9 high; 2 suppressed`` or, with as much care, that there are none."""
    found, hidden = len(counting(run)), len(run.findings) - len(counting(run))
    rest = f"; {hidden:,} suppressed" if hidden else ""
    if not found:
        return ("No findings" if judged(run) else "No rule could judge") + rest
    return f"{plural(found, 'finding')}: " + ", ".join(f"{count} {name}" for name, count in counts(run)) + rest


def coverage(run: Run) -> str:
    """How many rules judged, and how many could not: a quiet report is worth as much as what it could see."""
    parts = [f"{judged(run)} of {plural(len(run.rules), 'rule')} judged"]
    if run.skipped:
        parts.append(f"{len(run.skipped)} skipped")
    if run.failed:
        parts.append(f"{len(run.failed)} failed")
    return ", ".join(parts)


def reasons(run: Run) -> list[tuple[str, list[str]]]:
    """Why rules were skipped, each reason once with its rules, the most frequent first."""
    grouped: dict[str, list[str]] = {}
    for skipped in run.skipped:
        grouped.setdefault(skipped.reason, []).append(skipped.rule_id)
    return sorted(((reason, sorted(ids)) for reason, ids in grouped.items()), key=lambda item: (-len(item[1]), item[0]))


def period(run: Run) -> str:
    """Which events the run looked at."""
    since, until = run.time_range.since, run.time_range.until
    if since is None and until is None:
        return "all events in the lake"
    if since is None or until is None:
        return f"events from {moment(since)} UTC on" if since else f"events before {moment(until)} UTC"  # type: ignore[arg-type]
    return f"events from {span(since, until)}"


def advice(run: Run) -> str:
    """One sentence: what to do next."""
    if run.failed:
        return "Mend the rules that failed first: what they look for was not judged."
    if counting(run):
        return f"Start with {sections(run)[0].rule.title!r}: what to check stands with it."
    if run.findings:
        return "All that was found is suppressed: see who answers for it, and until when."
    if run.skipped:
        return "Nothing was found by the rules that could judge; see why the others were skipped before you rely on it."
    return "Nothing was found. `ashiato rules list` shows what was looked for."
