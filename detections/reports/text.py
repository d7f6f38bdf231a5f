"""The report for a terminal: what happened, who did it, and what to do, in five minutes' reading."""

from __future__ import annotations

import io

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule as Line
from rich.table import Table
from rich.text import Text

from detections.engine import Run
from detections.finding import Finding
from detections.reports.suppressed import hidden, suppression_notes
from detections.reports.wording import (
    Section,
    advice,
    counting,
    coverage,
    deeds,
    headline,
    identities,
    listed,
    period,
    plural,
    reasons,
    sections,
    span,
    timeline_command,
    visible,
)

DEFAULT_WIDTH = 100
MOST_FINDINGS = 4
MOST_DEEDS = 3
_COLOURS = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold blue",
    "informational": "bold",
}


def render(run: Run, *, lake: str | None = None, width: int = DEFAULT_WIDTH, colour: bool = False) -> str:
    """The report as lines of at most *width* columns; *colour* adds ANSI colours, for a terminal only."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(document(run, lake))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def document(run: Run, lake: str | None = None) -> RenderableType:
    """The report for a rich console of any width."""
    parts: list[RenderableType] = [_head(run)]
    parts += [_section(section, lake) for section in sections(run)]
    parts += _suppressed(run)
    if run.skipped:
        parts.append(_skipped(run))
    if run.failed:
        parts.append(_failed(run))
    if counting(run):
        parts.append(_overview(run))
    parts += [Line(style="dim", characters="─"), Text.assemble(("Next  ", "bold"), advice(run))]
    return Group(*parts)


def _overview(run: Run) -> RenderableType:
    """One line a rule, at the end: what a person sees who ran the command and has not scrolled."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    lines.add_column(overflow="fold")
    lines.add_column(justify="right", no_wrap=True, style="dim")
    for section in sections(run):
        lines.add_row(
            Text(section.severity, style=_COLOURS[section.severity].replace(" on red", "").replace("white", "red")),
            Text(section.rule.title),
            Text(listed(section.users, 1)),
            Text(plural(section.requests, "request")),
        )
    title = Text(f"In short: {headline(run)}", style="bold")
    return Group(Line(style="dim", characters="─"), title, Padding(lines, (0, 0, 1, 2)))


def _head(run: Run) -> RenderableType:
    line = Text(headline(run), style="bold")
    below = Text(f"{coverage(run)}  ·  {period(run)}  ·  lake version {run.lake_version}", style="dim")
    return Group(line, below, Text(""))


def _section(section: Section, lake: str | None) -> RenderableType:
    rule = section.rule
    title = Table.grid(padding=(0, 2), expand=True)
    title.add_column(no_wrap=True)
    title.add_column(ratio=1)
    title.add_column(justify="right", style="dim", overflow="fold")
    badge = Text(f" {section.severity.upper()} ", style=_COLOURS[section.severity])
    title.add_row(badge, Text(rule.title, style="bold"), Text(rule.id))
    parts: list[RenderableType] = [Line(style="dim", characters="─"), title]
    parts += [_finding(finding) for finding in section.findings[:MOST_FINDINGS]]
    rest = len(section.findings) - MOST_FINDINGS
    if rest > 0:
        more = f"and {plural(rest, 'more finding')} of this rule: ashiato detect --rule {rule.id} --format markdown"
        parts.append(Padding(Text(more, style="dim"), (0, 0, 0, 2)))
    facts = _grid()
    facts.add_row("Why", Text(" ".join(rule.why.split())))
    for number, step in enumerate(rule.triage):
        facts.add_row("Check" if number == 0 else "", Text(f"{number + 1}. {' '.join(step.split())}"))
    command = timeline_command(section.findings[0], lake)
    if command:
        facts.add_row("Look", Text(command, style="cyan"))
    parts += [Padding(facts, (0, 0, 1, 2))]
    return Group(*parts)


def _finding(finding: Finding) -> RenderableType:
    facts = _grid()
    facts.add_row("Who", Text(listed(identities(finding), 3), style="bold"))
    done = deeds(finding.evidence)
    what = Text("\n".join(text + (f"  ×{count}" if count > 1 else "") for text, count in done[:MOST_DEEDS]))
    rest = finding.event_count - sum(count for _, count in done[:MOST_DEEDS])
    if rest > 0:
        what.append(f"\nand {plural(rest, 'more request')}", style="dim")
    facts.add_row("What", what)
    where = f"  ·  cluster {visible(finding.cluster)}" if finding.cluster else ""
    when = f"{span(finding.first_seen, finding.last_seen)}  ·  {plural(finding.event_count, 'request')}{where}"
    facts.add_row("When", Text(when))
    return Padding(facts, (0, 0, 1, 2))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=5)
    grid.add_column(overflow="fold")
    return grid


def _suppressed(run: Run) -> list[RenderableType]:
    parts: list[RenderableType] = []
    groups, notes = hidden(run), suppression_notes(run)
    if groups:
        lines = Table.grid(padding=(0, 2))
        lines.add_column(overflow="fold", ratio=2)
        lines.add_column(overflow="fold", ratio=3)
        for group in groups:
            what = Text.assemble(group.title, ("  " + plural(group.findings, "finding"), "dim"))
            lines.add_row(what, Text.assemble(listed(list(group.users), 2), "\n", (group.account, "dim")))
        count = sum(group.findings for group in groups)
        title = Text(f"Suppressed: {plural(count, 'finding')} that somebody answers for", style="bold")
        parts.append(Group(Line(style="dim", characters="─"), title, Padding(lines, (0, 0, 1, 2))))
    if notes:
        title = Text("Suppressions to look at", style="bold")
        parts.append(Group(Line(style="dim", characters="─"), title, Padding(Text("\n".join(notes)), (0, 0, 1, 2))))
    return parts


def _skipped(run: Run) -> RenderableType:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(overflow="fold")
    for reason, ids in reasons(run):
        lines.add_row(Text.assemble(visible(reason), ("  " + listed(ids, 6), "dim")))
    title = Text(f"Skipped: {plural(len(run.skipped), 'rule')} could not judge this log", style="bold")
    return Group(Line(style="dim", characters="─"), title, Padding(lines, (0, 0, 1, 2)))


def _failed(run: Run) -> RenderableType:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for failed in run.failed:
        lines.add_row(Text(failed.rule_id), Text(visible(failed.error)))
    title = Text(f"Failed: {plural(len(run.failed), 'rule')}", style="bold red")
    return Group(Line(style="dim", characters="─"), title, Padding(lines, (0, 0, 1, 2)))
