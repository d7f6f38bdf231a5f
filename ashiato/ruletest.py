"""Run the test cases beside a rule: their events go through the real decode path, lake and engine.

``x.test.yml`` holds ``fires`` and ``quiet``, lists of cases. A case has a ``name``, ``events`` (each a JSON
merge patch, RFC 7396, onto ``_base_event.json``; ``repeat: N`` makes N of it, ``{n}`` in a text is the
number of each; ``at`` is seconds from the start, default one after another) and, where it fires, ``expect``:
a list of partial findings (any of severity, confidence, event_count, entity fields). A quiet case in which the
rule could not judge at all has failed, unless it says ``skipped: true``.
"""

from __future__ import annotations

import copy
import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from detections.catalog import RULES_FOLDER
from detections.engine import Run, check, detect
from detections.finding import Finding
from detections.rule import Rule
from detections.views import create_views
from ingest.event import Quarantined
from ingest.redact import Redactor, accept
from ingest.rows import rows
from lake.delta import Lake
from lake.errors import AshiatoError, UsageError
from lake.query import connect

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CLUSTER = "test"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and what went wrong with it (None: it passed)."""

    rule_id: str
    case: str
    problem: str | None


def case_file(rule: Rule) -> Path:
    """Where a rule's cases lie."""
    return rule.path.with_suffix("").with_suffix(".test.yml")


def run_cases(rules: Sequence[Rule]) -> Iterator[CaseResult]:
    """Every case of *rules*, one result each; a rule without both kinds of case is a failure of its own."""
    base = json.loads((RULES_FOLDER / "_base_event.json").read_text())
    with tempfile.TemporaryDirectory(prefix="ashiato-rules-") as folder:
        empty = Lake.open(Path(folder) / "empty", create=True)
        for rule in rules:
            try:
                with connect(empty) as con:
                    create_views(con)
                    check(con, rule)
                content = _load(case_file(rule))
            except AshiatoError as error:
                yield CaseResult(rule.id, "the rule itself", error.message)
                continue
            for kind in ("fires", "quiet"):
                if not content.get(kind):
                    yield CaseResult(rule.id, kind, f"no {kind} case in {case_file(rule).name}")
            for kind in ("fires", "quiet"):
                for number, case in enumerate(content.get(kind) or []):
                    name = f"{kind}: {case.get('name', number)}"
                    lake = Path(folder) / uuid.uuid4().hex
                    yield CaseResult(rule.id, name, _problem(rule, kind, case, base, lake))


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UsageError(
            "rule-untested", f"there is no {path.name} beside the rule", "write one: at least one case of each kind"
        ) from None
    except yaml.YAMLError as error:
        raise UsageError("rule-test-invalid", f"{path.name}: {error}", "it must be YAML") from None
    if not isinstance(content, dict) or not set(content) <= {"fires", "quiet"}:
        raise UsageError("rule-test-invalid", f"{path.name} may hold fires and quiet", "see ashiato/ruletest.py")
    return content


def _problem(rule: Rule, kind: str, case: Mapping[str, Any], base: Mapping[str, Any], folder: Path) -> str | None:
    unknown = set(case) - {"name", "events", "expect", "params", "skipped"}
    if unknown:
        return f"unknown keys in the case: {', '.join(sorted(unknown))}"
    try:
        lake = _lake_of(case.get("events") or [], base, folder)
    except ValueError as error:
        return str(error)
    run = detect(lake, [rule], params={rule.id: case.get("params") or {}})
    if run.failed:
        return run.failed[0].error
    if kind == "quiet":
        if bool(run.skipped) != bool(case.get("skipped")):
            return f"it was skipped: {run.skipped[0].reason}" if run.skipped else "it was not skipped"
        return None if not run.findings else f"it fired: {_described(run)}"
    if not run.findings:
        return f"it did not fire{'; skipped: ' + run.skipped[0].reason if run.skipped else ''}"
    expected = case.get("expect")
    if expected is None:
        return None
    if len(expected) != len(run.findings):
        return f"{len(run.findings)} findings, expected {len(expected)}: {_described(run)}"
    left = list(run.findings)
    for wanted in expected:
        match = next((finding for finding in left if _matches(finding, wanted)), None)
        if match is None:
            return f"no finding like {wanted}: {_described(run)}"
        left.remove(match)
    return None


def _matches(finding: Finding, wanted: Mapping[str, Any]) -> bool:
    facts = {
        **finding.entity,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "event_count": finding.event_count,
    }
    return all(key in facts and facts[key] == value for key, value in wanted.items())


def _described(run: Run) -> str:
    return "; ".join(
        f"{f.severity} x{f.event_count} {dict(f.entity)} {f.evidence[0].get('detail')}" for f in run.findings
    )


def _lake_of(patches: Sequence[Mapping[str, Any]], base: Mapping[str, Any], folder: Path) -> Lake:
    redactor = Redactor(bytes(32))
    accepted = []
    for event in _events(patches, base):
        item = accept(json.dumps(event).encode(), redactor)
        if isinstance(item, Quarantined):
            raise ValueError(f"an event of the case is none: {item.reason}")  # noqa: TRY004 - a wrong value
        accepted.append(item)
    lake = Lake.open(folder, create=True)
    if accepted:
        lake.append("events", rows(accepted, CLUSTER, "apiserver", START))
    return lake


def _events(patches: Sequence[Mapping[str, Any]], base: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    at = 0.0
    for given in patches:
        patch = dict(given)
        repeat = int(patch.pop("repeat", 1))
        at = float(patch.pop("at", at))
        for number in range(repeat):
            moment = (START + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            own = {"auditID": str(uuid.uuid4()), "requestReceivedTimestamp": moment, "stageTimestamp": moment}
            event = merge({**copy.deepcopy(dict(base)), **own}, _numbered(patch, number))
            yield event
            at += 1.0


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396): objects merge, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif key in ("requestObject", "responseObject"):
            result[key] = value
        else:
            result[key] = merge(result.get(key), value)
    return result


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    if isinstance(value, Mapping):
        return {key: _numbered(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbered(item, number) for item in value]
    return value
