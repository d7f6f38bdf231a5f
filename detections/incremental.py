"""Judge what was committed since the last run, once; keep findings as revisions in the lake.

The state (the version of the events table that was judged, and by which rules) is one small file below
the lake. It is written after the findings: a crash in between only means that the same events are judged
again, and the same findings are not stored twice.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detections import baseline
from detections.engine import Run, detect
from detections.finding import Finding, finding_rows
from detections.rule import Rule
from lake.delta import Lake
from lake.errors import AshiatoError
from lake.files import make_folder, sync
from lake.query import connect
from lake.timerange import TimeRange

STATE_FILE = "_ashiato/detect.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing findings did: how many were new, changed, or known already."""

    new: int
    changed: int
    known: int


def detect_new(
    lake: Lake,
    rules: Sequence[Rule],
    *,
    params: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> tuple[Run, Stored]:
    """Judge the events committed since the last call, wherever in time they lie, and store the findings.

    Late events are judged when they arrive, together with a window on either side. A rule that is new or
    changed since the last call judges the whole lake once.
    """
    state = _load(lake)
    version = lake.version()
    judged: dict[str, str] = state.get("rules", {})
    known = [rule for rule in rules if judged.get(rule.id) == rule.version]
    fresh = [rule for rule in rules if judged.get(rule.id) != rule.version]
    runs = [detect(lake, fresh, TimeRange(), params=params)] if fresh else []
    since = state.get("version")
    if known and since is not None:
        runs += [detect(lake, known, time_range, params=params) for time_range in lake.added_since(int(since))]
    merged = _merge(runs, rules, version)
    stored = store(lake, merged.findings)
    _save(lake, {"version": version, "rules": {**judged, **{rule.id: rule.version for rule in rules}}})
    # What was new is known from now on; nothing to do where no baseline is kept.
    baseline.advance(lake)
    return merged, stored


def _merge(runs: Sequence[Run], rules: Sequence[Rule], version: int) -> Run:
    findings = {finding.finding_id: finding for run in runs for finding in run.findings}
    skipped = {item.rule_id: item for run in runs for item in run.skipped}
    failed = {item.rule_id: item for run in runs for item in run.failed}
    timings: dict[str, float] = defaultdict(float)
    for run in runs:
        for name, seconds in run.timings.items():
            timings[name] += seconds
    return Run(
        sorted(findings.values(), key=lambda f: (f.first_seen, f.finding_id)),
        list(skipped.values()),
        list(failed.values()),
        list(rules),
        TimeRange(),
        version,
        sum(run.seconds for run in runs),
        dict(timings),
    )


def store(lake: Lake, findings: Sequence[Finding]) -> Stored:
    """Append *findings* to the findings table, those left out whose latest revision says the same."""
    if not findings:
        return Stored(0, 0, 0)
    with connect(lake) as con:
        rows = con.execute("SELECT finding_id, severity, event_count, event_ids FROM findings").to_arrow_table()
    latest = {row["finding_id"]: row for row in rows.to_pylist()}
    write: list[Finding] = []
    new = 0
    for finding in findings:
        row = latest.get(finding.finding_id)
        if row is None:
            new += 1
        elif (row["severity"], row["event_count"], row["event_ids"]) == (
            finding.severity,
            finding.event_count,
            list(finding.event_ids),
        ):
            continue
        write.append(finding)
    if write:
        lake.append("findings", finding_rows(write, datetime.now(UTC)))
    return Stored(new, len(write) - new, len(findings) - len(write))


def _load(lake: Lake) -> dict[str, Any]:
    path = lake.folder / STATE_FILE
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AshiatoError(
            "detect-state-broken",
            f"cannot read {path}: {error}",
            "remove it: everything is judged again, nothing stored twice",
        ) from None
    return state if isinstance(state, dict) else {}


def _save(lake: Lake, state: Mapping[str, Any]) -> None:
    path = Path(lake.folder / STATE_FILE)
    make_folder(path.parent.absolute())
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(state, indent=1, sort_keys=True))
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
