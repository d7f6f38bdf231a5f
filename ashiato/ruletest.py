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

import pyarrow as pa
import yaml

from detections.catalog import RULES_FOLDER
from detections.engine import check, detect, why_not
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
            cases = [
                _Case(kind, f"{kind}: {case.get('name', number)}", case, f"{kind}-{number}")
                for kind in ("fires", "quiet")
                for number, case in enumerate(content.get(kind) or [])
            ]
            for case, problem in _problems(rule, cases, base, Path(folder) / uuid.uuid4().hex):
                yield CaseResult(rule.id, case.name, problem)


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


@dataclass(frozen=True, slots=True)
class _Case:
    kind: str
    name: str
    content: Mapping[str, Any]
    cluster: str


def _problems(
    rule: Rule, cases: Sequence[_Case], base: Mapping[str, Any], folder: Path
) -> Iterator[tuple[_Case, str | None]]:
    """All cases of a rule in one lake, each a cluster of its own: one run for each set of parameters.

    That a rule keeps clusters apart is tested by the way.
    """
    lake = Lake.open(folder, create=True)
    by_params: dict[str, list[_Case]] = {}
    tables = []
    for case in cases:
        unknown = set(case.content) - {"name", "events", "expect", "params", "skipped"}
        if unknown:
            yield case, f"unknown keys in the case: {', '.join(sorted(unknown))}"
            continue
        try:
            tables += _rows_of(case.content.get("events") or [], base, case.cluster)
        except ValueError as error:
            yield case, str(error)
            continue
        by_params.setdefault(json.dumps(case.content.get("params") or {}, sort_keys=True), []).append(case)
    if tables:
        lake.append("events", pa.concat_tables(tables))
    for text, group in by_params.items():
        params = {rule.id: json.loads(text)}
        run = detect(lake, [rule], params=params, clusters=[case.cluster for case in group])
        for case in group:
            if run.failed:
                yield case, run.failed[0].error
                continue
            reason = why_not(lake, rule, params[rule.id], [case.cluster])
            findings = [finding for finding in run.findings if finding.cluster == case.cluster]
            yield case, _problem(case, findings, reason)


def _problem(case: _Case, findings: Sequence[Finding], skipped: str | None) -> str | None:
    if case.kind == "quiet":
        if bool(skipped) != bool(case.content.get("skipped")):
            return f"it was skipped: {skipped}" if skipped else "it was not skipped"
        return f"it fired: {_described(findings)}" if findings else None
    if skipped or not findings:
        return f"it did not fire{f'; skipped: {skipped}' if skipped else ''}"
    expected = case.content.get("expect")
    if expected is None:
        return None
    if len(expected) != len(findings):
        return f"{len(findings)} findings, expected {len(expected)}: {_described(findings)}"
    left = list(findings)
    for wanted in expected:
        match = next((finding for finding in left if _matches(finding, wanted)), None)
        if match is None:
            return f"no finding like {wanted}: {_described(findings)}"
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


def _described(findings: Sequence[Finding]) -> str:
    return "; ".join(f"{f.severity} x{f.event_count} {dict(f.entity)} {f.evidence[0].get('detail')}" for f in findings)


def _rows_of(patches: Sequence[Mapping[str, Any]], base: Mapping[str, Any], cluster: str) -> list[pa.Table]:
    redactor = Redactor(bytes(32))
    accepted = []
    for event in _events(patches, base):
        item = accept(json.dumps(event).encode(), redactor)
        if isinstance(item, Quarantined):
            raise ValueError(f"an event of the case is none: {item.reason}")  # noqa: TRY004 - a wrong value
        accepted.append(item)
    return [rows(accepted, cluster, "apiserver", START)] if accepted else []


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
