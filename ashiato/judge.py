"""Detect and report: what the facade, the command line and the demo share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from detections.catalog import choose, load_catalog, read_catalog
from detections.engine import Failed, Run
from detections.engine import detect as run_rules
from detections.reports import falco, html, jsonl, markdown, text
from detections.reports import json as json_report
from detections.reports.risk import Risk
from detections.risk import HALF_LIFE, By, score
from detections.rule import Rule, RuleInvalid
from detections.stored_findings import stored_findings
from detections.suppression import State, Suppression, apply, marked
from detections.suppression_file import load_suppressions
from lake.delta import Lake
from lake.errors import UsageError
from lake.timerange import TimeRange

REPORTS: Mapping[str, Callable[[Run], str]] = MappingProxyType(
    {
        "table": text.render,
        "json": json_report.render,
        "jsonl": jsonl.render,
        "markdown": markdown.render,
        "html": html.render,
        "falco": falco.render,
    }
)


def rules(
    ids: Sequence[str] = (),
    *,
    severity: str | None = None,
    techniques: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> list[Rule]:
    """The rules that come with Ashiato and those of *folders*, chosen by id, least severity and technique."""
    return choose(load_catalog(folders), ids, severity, techniques)


def readable_rules(
    ids: Sequence[str] = (), *, techniques: Sequence[str] = (), folders: Sequence[Path] = ()
) -> tuple[list[Rule], list[Failed]]:
    """As ``rules``, but a broken rule file does not hinder the others: it is one that failed.

    Asked for by its id, a broken rule is an error (RuleInvalid) as ever.
    """
    catalog = read_catalog(folders)
    for name in ids:
        if name in catalog.problems:
            raise RuleInvalid(catalog.problems[name])
    broken = [] if ids or techniques else [Failed(name, "; ".join(found)) for name, found in catalog.problems.items()]
    return choose(catalog.rules, ids, None, techniques), broken


def judge(
    lake: Lake,
    chosen: Sequence[Rule],
    time_range: TimeRange = TimeRange(),
    *,
    clusters: Sequence[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    on_progress: Callable[[Rule, int, int], None] = lambda rule, done, total: None,
) -> Run:
    """Run *chosen* over *lake*; see ``detections.engine.detect``."""
    return run_rules(lake, chosen, time_range, clusters=clusters, params=params, on_progress=on_progress)


def suppressions(
    path: Path | None, folders: Sequence[Path] = (), *, within_config: bool = False
) -> tuple[Suppression, ...]:
    """The entries of a suppressions file, none without one; SuppressionsInvalid with all that is wrong with it."""
    if path is None:
        return ()
    catalog = read_catalog(folders)
    return load_suppressions(path, catalog.rules, broken=catalog.problems, within_config=within_config)


def suppress(run: Run, entries: Sequence[Suppression]) -> Run:
    """*run* with the findings marked that *entries* cover today (UTC); as it is when there are none."""
    return apply(run, entries, datetime.now(UTC).date()) if entries else run


def risk(
    lake: Lake,
    time_range: TimeRange = TimeRange(),
    *,
    by: str = "identity",
    top: int | None = None,
    half_life: timedelta = HALF_LIFE,
    stored: bool | None = None,
    clusters: Sequence[str] | None = None,
    folders: Sequence[Path] = (),
    suppressions: Sequence[Suppression] = (),
    live: bool = False,
) -> Risk:
    """Scores of the findings of *time_range*; ``stored`` None: those kept in the lake when no range is given.

    Age counts to the end of the range; of an open one to the newest event, or for a ``live`` one to now.
    UsageError for a half-life of nothing.
    """
    if not half_life:
        raise UsageError("half-life-invalid", "a half-life must last some time", "write 24h, 7d or more")
    now = datetime.now(UTC)
    ranged = time_range.since is not None or time_range.until is not None
    found = stored_findings(lake, time_range, clusters) if stored or (stored is None and not ranged) else []
    origin = "kept in the lake"
    failed: list[Failed] = []
    if not found and not stored:
        chosen, broken = readable_rules(folders=folders)
        run = judge(lake, chosen, time_range, clusters=clusters)
        found, failed = run.findings, [*broken, *run.failed]
        origin = "of a run over all events" if not ranged else "of a run over the range"
    active = [entry for entry in suppressions if entry.state(now.date()) is not State.EXPIRED]
    found = marked(found, active)
    newest = max((file.until for file in lake.files(clusters=clusters) if file.until), default=now)
    at = time_range.until or (now if live else newest)
    scores = score(found, at, By(by), half_life)
    hidden = sum(finding.suppressed is not None for finding in found)
    counted = len(found) - hidden
    unable = tuple(item.rule_id for item in failed)
    return Risk(By(by), at, half_life, origin, counted, hidden, len(scores), tuple(scores[:top]), unable)


def report(run: Run, form: str = "table") -> str:
    """The run as a report; *form* is one of table, json, jsonl, markdown, html, falco."""
    if form not in REPORTS:
        raise UsageError("format-unknown", f"no report is called {form!r}", f"one of: {', '.join(REPORTS)}")
    return REPORTS[form](run)


def load_params(path: Path | None, chosen: Sequence[Rule]) -> dict[str, dict[str, Any]]:
    """Parameters of rules from a YAML file (``rule-id: {name: value}``); unknown names are errors."""
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("params-invalid", f"cannot read {path}: {error}", "it must be YAML") from None
    known = {rule.id: {param.name for param in rule.params} for rule in chosen}
    params: dict[str, dict[str, Any]] = {}
    for rule_id, values in (content or {}).items():
        if rule_id not in known:
            raise UsageError("params-invalid", f"{path}: no rule is called {rule_id!r}", "see: ashiato rules list")
        if not isinstance(values, dict) or not set(values) <= known[rule_id]:
            names = ", ".join(sorted(known[rule_id])) or "none"
            raise UsageError("params-invalid", f"{path}: unknown parameter of {rule_id}", f"it has: {names}")
        params[rule_id] = values
    return params
