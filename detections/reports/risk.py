"""Scores as a report: for a terminal, a ticket, a page, a program. Every score shows the sum it is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jinja2
import pyarrow as pa
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule as Line
from rich.table import Table
from rich.text import Text

from detections.reports import markdown
from detections.reports.wording import listed, moment, plural, short, timestamp, visible
from detections.risk import By, Reason, Score

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path(__file__).parent
_MOST_REASONS = 8
_COLUMNS = pa.schema(
    [
        ("cluster", pa.string()),
        ("name", pa.string()),
        ("acting_as", pa.string()),
        ("score", pa.float64()),
        ("points", pa.float64()),
        ("tactics_factor", pa.float64()),
        ("chain_factor", pa.float64()),
        ("tactics", pa.list_(pa.string())),
        ("chain", pa.list_(pa.string())),
        ("findings", pa.int64()),
        ("since", pa.timestamp("us", tz="UTC")),
        ("last_seen", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Risk:
    """Scores of one kind as of ``at`` (UTC), the highest first, and what they were made of.

    ``findings`` were added up, ``suppressed`` left out; ``origin`` says where they came from; ``subjects`` is how
    many scores there are, of which ``scores`` may be the highest. ``failed`` names the rules that broke.
    """

    by: By
    at: datetime
    half_life: timedelta
    origin: str
    findings: int
    suppressed: int
    subjects: int
    scores: tuple[Score, ...]
    failed: tuple[str, ...] = ()

    def table(self) -> pa.Table:
        """One row a score: cluster, name, acting_as, score and its factors, tactics, chain, findings, since, last_seen."""
        return pa.Table.from_pylist(
            [
                {
                    "cluster": one.subject.cluster,
                    "name": one.subject.name,
                    "acting_as": one.subject.acting_as or None,
                    "score": one.score,
                    "points": one.points,
                    "tactics_factor": one.tactics_factor,
                    "chain_factor": one.chain_factor,
                    "tactics": list(one.tactics),
                    "chain": list(one.chain),
                    "findings": sum(reason.findings for reason in one.reasons),
                    "since": one.since,
                    "last_seen": one.last_seen,
                }
                for one in self.scores
            ],
            schema=_COLUMNS,
        )

    def to_pandas(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        frame: pd.DataFrame = self.table().to_pandas()
        return frame

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def name(one: Score) -> str:
    """Who or what a score is about, in words and without what cannot be seen."""
    acting = f" acting as {short(one.subject.acting_as, 100)}" if one.subject.acting_as else ""
    return short(one.subject.name, 100) + acting


def formula(one: Score) -> str:
    """``153.4 points × 1.75 for 4 tactics × 2 for a chain of 4``; factors of 1 are left out."""
    parts = [f"{one.points:,.1f} points"]
    if one.tactics_factor > 1:
        parts.append(f"× {one.tactics_factor:g} for {plural(len(one.tactics), 'tactic')}")
    if one.chain_factor > 1:
        parts.append(f"× {one.chain_factor:g} for {' → '.join(one.chain)} within a day")
    return " ".join(parts)


def because(reason: Reason) -> str:
    """What a rule's points rest on: ``critical, high confidence, 3 findings since ...``."""
    count = f"{plural(reason.findings, 'finding')}, " if reason.findings > 1 else ""
    tactic = f", {reason.tactic}" if reason.tactic else ""
    return f"{reason.severity}, {reason.confidence} confidence{tactic}; {count}since {moment(reason.since)}"


def head(risk: Risk) -> str:
    """One sentence: of what, as of when, from how many findings."""
    left_out = f", {risk.suppressed:,} suppressed left out" if risk.suppressed else ""
    broken = f"; {plural(len(risk.failed), 'rule')} failed: {listed([*risk.failed], 3)}" if risk.failed else ""
    hours = risk.half_life / timedelta(hours=1)
    return (
        f"as of {moment(risk.at)} UTC, from {plural(risk.findings, 'finding')} {risk.origin}{left_out}; "
        f"points halve every {hours:g} h{broken}"
    )


def title(risk: Risk) -> str:
    """``Risk by identity: 12 identities``."""
    many = {"identity": "identities", "workload": "workloads", "source": "addresses", "namespace": "namespaces"}[
        risk.by
    ]
    shown = f", the highest {len(risk.scores)}" if len(risk.scores) < risk.subjects else ""
    return f"Risk by {risk.by}: {risk.subjects} {many if risk.subjects != 1 else str(risk.by)}{shown}"


def as_text(risk: Risk, width: int = 100, colour: bool = False) -> str:
    """Lines of at most *width* columns."""
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
    parts: list[RenderableType] = [Text(title(risk), style="bold"), Text(head(risk), style="dim"), Text("")]
    parts += [_drawn(one) for one in risk.scores]
    with console.capture() as captured:
        console.print(Group(*parts))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _drawn(one: Score) -> RenderableType:
    top = Table.grid(padding=(0, 2), expand=True)
    top.add_column(justify="right", no_wrap=True, min_width=8, style="bold")
    top.add_column(ratio=1, overflow="fold", style="bold")
    top.add_column(justify="right", style="dim", overflow="fold")
    top.add_row(f"{one.score:,.1f}", Text(name(one)), Text(f"cluster {visible(one.subject.cluster)}"))
    rows = Table.grid(padding=(0, 2))
    rows.add_column(justify="right", no_wrap=True, min_width=8)
    rows.add_column(overflow="fold")
    for reason in one.reasons[:_MOST_REASONS]:
        what = Text.assemble(visible(reason.title), "\n", (f"{reason.rule_id}: {because(reason)}", "dim"))
        rows.add_row(f"{reason.points:,.1f}", what)
    rest = one.reasons[_MOST_REASONS:]
    if rest:
        rows.add_row(f"{sum(reason.points for reason in rest):,.1f}", Text(plural(len(rest), "more rule"), style="dim"))
    return Group(
        Line(style="dim", characters="─"), top, Padding(Text(formula(one)), (0, 0, 0, 10)), Padding(rows, (0, 0, 1, 0))
    )


def document(risk: Risk) -> dict[str, Any]:
    """The scores as JSON-ready values; numbers are not rounded."""
    return {
        "by": str(risk.by),
        "at": timestamp(risk.at),
        "half_life_seconds": risk.half_life.total_seconds(),
        "findings": risk.findings,
        "suppressed": risk.suppressed,
        "subjects": risk.subjects,
        "failed": list(risk.failed),
        "scores": [_score(one) for one in risk.scores],
    }


def _score(one: Score) -> dict[str, Any]:
    return {
        "cluster": one.subject.cluster,
        "name": one.subject.name,
        "acting_as": one.subject.acting_as or None,
        "score": one.score,
        "points": one.points,
        "tactics": list(one.tactics),
        "tactics_factor": one.tactics_factor,
        "chain": list(one.chain),
        "chain_factor": one.chain_factor,
        "since": timestamp(one.since),
        "last_seen": timestamp(one.last_seen),
        "reasons": [
            {
                "rule_id": reason.rule_id,
                "title": reason.title,
                "severity": reason.severity,
                "confidence": reason.confidence,
                "tactic": reason.tactic,
                "points": reason.points,
                "findings": reason.findings,
                "since": timestamp(reason.since),
                "last_seen": timestamp(reason.last_seen),
                "finding_ids": list(reason.finding_ids),
            }
            for reason in one.reasons
        ],
    }


def as_json(risk: Risk) -> str:
    """One document."""
    return json.dumps(document(risk), indent=2) + "\n"


def as_jsonl(risk: Risk) -> str:
    """One score a line."""
    common = {"by": str(risk.by), "at": timestamp(risk.at)}
    return "".join(json.dumps({**common, **_score(one)}) + "\n" for one in risk.scores)


def as_markdown(risk: Risk) -> str:
    """A table of scores, then each with its sum."""
    out = [f"# {title(risk)}", "", f"{head(risk)}.", ""]
    if risk.scores:
        out += ["| score | who or what | cluster | since (UTC) | last seen (UTC) |", "| ---: | --- | --- | --- | --- |"]
        out += [
            f"| {one.score:,.1f} | {markdown.cell(markdown.code(name(one)))} | {markdown.cell(markdown.code(one.subject.cluster))} "
            f"| {moment(one.since)} | {moment(one.last_seen)} |"
            for one in risk.scores
        ]
        out.append("")
    for one in risk.scores:
        out += [f"## {one.score:,.1f}: {markdown.code(name(one))}", "", f"{formula(one)}.", ""]
        out += [
            f"- {reason.points:,.1f}: {markdown.escape(reason.title)} ({markdown.code(reason.rule_id)}, {because(reason)})"
            for reason in one.reasons
        ]
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


def as_html(risk: Risk) -> str:
    """One page without scripts; everything is escaped by the template engine."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        moment=moment, plural=plural, visible=visible, subject=name, formula=formula, because=because
    )
    page = environment.get_template("risk.html.jinja").render(
        title=title(risk), head=head(risk), risk=risk, highest=max((one.score for one in risk.scores), default=1.0)
    )
    return page.rstrip("\n") + "\n"


FORMATS: Mapping[str, Callable[[Risk], str]] = MappingProxyType(
    {"table": as_text, "json": as_json, "jsonl": as_jsonl, "markdown": as_markdown, "html": as_html}
)
