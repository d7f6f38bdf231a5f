"""The report as Markdown: for a ticket, a chat or a wiki, which may render HTML and links in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from detections.engine import Run
from detections.finding import Finding
from detections.reports.suppressed import hidden, suppression_notes
from detections.reports.wording import (
    Section,
    advice,
    counting,
    coverage,
    headline,
    identities,
    listed,
    moment,
    period,
    plural,
    reasons,
    remark,
    request,
    sections,
    short,
    span,
    timeline_command,
    timestamp,
)

MOST_FINDINGS = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&@:$]|(?<=www)\.)")


def escape(text: object) -> str:
    """*text* as nothing but text: no markup, link, mention, HTML or table cell can come of it."""
    return _SPECIAL.sub(r"\\\1", short(text, 400))


def code(text: object) -> str:
    """*text* in a code span that it cannot end, on one line."""
    shown = short(text, 400)
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def cell(markdown: str) -> str:
    """*markdown* inside a table, where a bar would end the cell even in a code span."""
    return re.sub(r"(?<!\\)\|", r"\\|", markdown)


def render(run: Run, *, lake: str | None = None) -> str:
    """The report; findings by rule, the worst first."""
    out = [
        f"# {escape_words(headline(run))}",
        "",
        f"{coverage(run)}; {period(run)}; lake version {run.lake_version}.",
        "",
    ]
    if counting(run):
        out += ["| severity | what happened | who | first seen (UTC) | requests |", "| --- | --- | --- | --- | ---: |"]
        out += [_row(section) for section in sections(run)]
        out.append("")
    for section in sections(run):
        out += _section(section, lake)
    out += _suppressed(run)
    if run.skipped:
        out += ["## Skipped: these rules could not judge this log", ""]
        out += [f"- {escape(reason)}: {', '.join(code(rule_id) for rule_id in ids)}" for reason, ids in reasons(run)]
        out.append("")
    if run.failed:
        out += ["## Failed", ""]
        out += [f"- {code(failed.rule_id)}: {escape(failed.error)}" for failed in run.failed]
        out.append("")
    out += ["## Next", "", escape_words(advice(run))]
    return "\n".join(out) + "\n"


def _suppressed(run: Run) -> list[str]:
    groups, notes = hidden(run), suppression_notes(run)
    out: list[str] = []
    if groups:
        count = sum(group.findings for group in groups)
        out += [f"## Suppressed: {plural(count, 'finding')} that somebody answers for", ""]
        for group in groups:
            who = _codes(list(group.users), 3)
            out.append(
                f"- {escape(group.title)} ({code(group.rule_id)}, {plural(group.findings, 'finding')}): {who}. {escape(group.account)}"
            )
        out.append("")
    if notes:
        out += ["## Suppressions to look at", "", *(f"- {escape(note)}" for note in notes), ""]
    return out


def escape_words(text: str) -> str:
    """Our own sentence: commands in backticks stay, all else is plain already."""
    return text.replace("|", "\\|")


def _row(section: Section) -> str:
    return (
        f"| {section.severity} | {escape(section.rule.title)} | {cell(_codes(section.users, 2))} | {moment(section.first_seen)} "
        f"| {section.requests:,} |"
    )


def _codes(names: list[str], most: int) -> str:
    """Names as code spans: a chat or forge must not take one for a mention or a link."""
    return listed([code(name) for name in names], most)


def _section(section: Section, lake: str | None) -> list[str]:
    rule = section.rule
    out = [f"## {section.severity.capitalize()}: {escape(rule.title)}", ""]
    out += [f"{escape(' '.join(rule.why.split()))}", ""]
    out += [f"Rule {code(rule.id)}, confidence {section.findings[0].confidence}.", ""]
    for finding in section.findings[:MOST_FINDINGS]:
        out += _finding(finding)
    rest = len(section.findings) - MOST_FINDINGS
    if rest > 0:
        out += [f"And {plural(rest, 'more finding')} of this rule: {code(f'ashiato detect --rule {rule.id}')}", ""]
    out += ["To check:", ""]
    out += [f"{number}. {escape(' '.join(step.split()))}" for number, step in enumerate(rule.triage, 1)]
    command = timeline_command(section.findings[0], lake)
    if command:
        out += ["", f"What else happened around it: {code(command)}"]
    return [*out, ""]


def _what(row: Mapping[str, Any]) -> str:
    return code(request(row)) + (f" {escape(remark(row))}" if remark(row) else "")


def _finding(finding: Finding) -> list[str]:
    when = f"{span(finding.first_seen, finding.last_seen)}, {plural(finding.event_count, 'request')}"
    out = [
        f"### {_codes(identities(finding), 3)}",
        "",
        f"{when}, cluster {code(finding.cluster)}, finding {code(finding.finding_id)}",
        "",
        "| time (UTC) | request | user agent, as claimed |",
        "| --- | --- | --- |",
    ]
    for row in finding.evidence[:5]:
        at = row.get("request_received_at")
        out.append(
            f"| {timestamp(at) if isinstance(at, datetime) else escape(at)} | {cell(_what(row))} "
            f"| {cell(code(row.get('user_agent') or '-'))} |"
        )
    rest = finding.event_count - min(5, len(finding.evidence))
    if rest > 0:
        out += ["", f"And {plural(rest, 'more request')}."]
    return [*out, ""]
