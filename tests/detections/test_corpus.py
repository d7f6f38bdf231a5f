"""What holds for every rule: one corpus, checked as a whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ashiato.ruletest import case_file, run_cases
from detections.catalog import RULES_FOLDER, load_catalog
from detections.rule import Confidence, Rule
from detections.techniques import techniques

RULES = load_catalog()
# ATT&CK ids that the catalogue of techniques knows, and no others.
ATTACK = {attack for technique in techniques().values() for attack in technique.attack}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_does_what_its_cases_say(rule: Rule) -> None:
    """Each rule's own events, through the real decode path, lake and engine, fire or stay quiet as written."""
    problems = [f"{result.case}: {result.problem}" for result in run_cases([rule]) if result.problem]

    assert problems == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_names_what_exists(rule: Rule) -> None:
    """Techniques and ATT&CK ids are known ones, and the front matter tells a reader what to do."""
    assert set(rule.techniques) <= set(techniques())
    assert set(rule.attack) <= ATTACK
    assert all(re.fullmatch(r"MS-TA\d{4}", matrix) for matrix in rule.threat_matrix)
    assert len(rule.triage) >= 2
    assert case_file(rule).is_file()


def test_every_case_file_has_its_rule() -> None:
    """No test file lies around without the rule it tests."""
    orphans = [
        path
        for path in Path(RULES_FOLDER).rglob("*.test.yml")
        if not path.with_suffix("").with_suffix(".sql").is_file()
    ]

    assert orphans == []


def test_the_headline_needs_are_covered() -> None:
    """At least five rules each for anonymous access, secret reads and RBAC escalation."""
    covered = {technique for rule in RULES for technique in rule.techniques}

    assert {"A01", "A02", "A03", "A04", "A05"} <= covered
    assert {"B02", "B03", "B04", "B05", "B06", "B11"} <= covered
    assert {"E01", "E03", "E07", "E11", "E13", "E17", "N11", "N15"} <= covered


def test_what_a_client_claims_is_never_certain() -> None:
    """A rule that reads the user agent, the claimed hops or the audit id says so and is not of high confidence."""
    for rule in RULES:
        assert not (rule.claims and rule.confidence is Confidence.HIGH), rule.id


def test_no_rule_exempts_by_the_beginning_of_a_name() -> None:
    """LIKE with a prefix and starts_with never stand behind a NOT on a user: look-alikes would pass."""
    for rule in RULES:
        query = re.sub(r"--[^\n]*", "", rule.sql)
        assert not re.search(r"NOT\s*\(?\s*starts_with\(\s*user_name", query), rule.id
        assert not re.search(r"user_name\s+NOT\s+LIKE", query), rule.id
