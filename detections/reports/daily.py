"""The daily report as a page, a ticket or data: one page first, everything else behind it."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from detections.daily import Daily
from detections.engine import Run
from detections.reports import html, markdown, wording
from detections.reports import json as json_report
from detections.reports.tables import rows_of


def render_html(day: Daily) -> str:
    """One self-contained page, printable; charts are drawn in SVG, no script."""
    template = html.environment().get_template("daily.html.jinja")
    return template.render(**_context(day)).rstrip("\n") + "\n"


def render_markdown(day: Daily) -> str:
    """The same page as Markdown, with the findings of the run below."""
    template = html.environment(autoescape=False).get_template("daily.md.jinja")
    return template.render(**_context(day), escape=markdown.escape).rstrip("\n") + "\n\n" + markdown.render(day.run)


def render_json(day: Daily) -> str:
    """Everything as one JSON object: ``findings`` as in ``detect --format json``, each with ``new``."""
    found = json_text.loads(json_report.render(day.run))
    for finding in found["findings"]:
        finding["new"] = finding["finding_id"] in day.new
    found |= {
        "made_at": day.made_at.isoformat(),
        "risk": [
            {
                "cluster": one.subject.cluster, "name": one.subject.name, "acting_as": one.subject.acting_as or None,
                "score": round(one.score, 2), "before": round(_before(day, one.subject), 2), "tactics": one.tactics, "chain": one.chain,
            }
            for one in day.risk
        ],
        "hours": list(rows_of(day.hours)),
        "sources": list(rows_of(day.sources)),
        "silent_hours": list(rows_of(day.silent)),
        "quarantine": list(rows_of(day.quarantine)),
        "coverage": {
            dimension: {value: dict(zip(("judged", "not_judged", "findings"), counts, strict=True)) for value, counts in values.items()}
            for dimension, values in day.coverage.items()
        },
    }  # fmt: skip
    return json_text.dumps(found, ensure_ascii=False, indent=2) + "\n"


RENDERERS: Mapping[str, Callable[[Daily], str]] = MappingProxyType(
    {"html": render_html, "markdown": render_markdown, "json": render_json}
)


def _before(day: Daily, subject: Any) -> float:
    return day.before.get((subject.cluster, subject.name, subject.acting_as), 0.0)


def _context(day: Daily) -> dict[str, Any]:
    run: Run = day.run
    hours = day.hours.to_pylist()
    most = max((hour["events"] for hour in hours), default=1)
    return {
        "run": run,
        "headline": wording.headline(run),
        "period": wording.period(run),
        "counts": wording.counts(run),
        "sections": wording.sections(run),
        "new": day.new,
        "advice": wording.advice(run),
        "reasons": wording.reasons(run),
        "risk": [(one, one.score - _before(day, one.subject)) for one in day.risk],
        "hours": [
            {"events": hour["events"], "refused": hour["refused"], "hour": hour["hour"], "height": 60 * hour["events"] / most,
             "refused_height": 60 * hour["refused"] / most}
            for hour in hours[-24 * 14 :]
        ],
        "most": most,
        "sources": day.sources.to_pylist(),
        "silent": day.silent.to_pylist(),
        "quarantine": day.quarantine.to_pylist(),
        "coverage": day.coverage,
        "made_at": day.made_at,
    }  # fmt: skip
