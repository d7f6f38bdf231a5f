"""The report as one HTML file: to read on a screen, print or send; no script, nothing loaded from elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from detections.engine import Run
from detections.reports import suppressed, wording

_FOLDER = Path(__file__).parent


def environment(*, lake: str | None = None, autoescape: bool = True) -> jinja2.Environment:
    """The template engine with the filters of all pages; *lake* is named in the commands that they show."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=autoescape,  # noqa: S701 - off for Markdown only, which escapes for itself
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        visible=wording.visible,
        short=wording.short,
        span=lambda finding: wording.span(finding.first_seen, finding.last_seen),
        identities=wording.identities,
        identity=wording.identity,
        agents=wording.agents,
        remark=wording.remark,
        request=wording.request,
        listed=wording.listed,
        plural=wording.plural,
        moment=wording.moment,
        command=lambda finding: wording.timeline_command(finding, lake),
        time=_time,
        words=lambda text: " ".join(str(text).split()),
    )
    return environment


def render(run: Run, *, lake: str | None = None) -> str:
    """The page. Everything is escaped by the template engine, what is invisible is made visible before."""
    page = (
        environment(lake=lake)
        .get_template("page.html.jinja")
        .render(
            run=run,
            headline=wording.headline(run),
            coverage=wording.coverage(run),
            period=wording.period(run),
            counts=wording.counts(run),
            sections=wording.sections(run),
            found=len(wording.counting(run)),
            hidden=suppressed.hidden(run),
            notes=suppressed.suppression_notes(run),
            reasons=wording.reasons(run),
            advice=wording.advice(run),
        )
    )
    return page.rstrip("\n") + "\n"


def _time(at: Any) -> str:
    """Time of day with milliseconds; the day stands in the finding's head."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at.strftime("%H:%M:%S.%f")[:-3] if isinstance(at, datetime) else ""
