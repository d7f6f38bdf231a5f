"""Risk: findings add up, age, repeat less, and every score is the sum it shows."""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ashiato
from ashiato.cli import run as cli
from detections.catalog import load_catalog
from detections.finding import Finding, Suppressed
from detections.incremental import detect_new
from detections.reports.risk import FORMATS, Risk
from detections.risk import CHAIN_FACTOR, SEVERITY_POINTS, By, Score, points, score
from detections.rule import Severity
from detections.subjects import Subject
from detections.tactics import chain, step_of, tactic, tactic_of
from detections.techniques import techniques
from ingest.rows import rows
from lake.delta import Lake
from tests.builders import NOON, audit_event, line
from tests.reports.runs import HOSTILE, evidence, rule
from tests.reports.runs import finding as finding_of

RECON, SECRETS, RIGHTS, WORKLOAD, CLEANUP = ("C25",), ("B04",), ("E01",), ("D01",), ("F12",)
ALLOWED = Suppressed("a@example.com", "Known.", NOON.date(), "known.yaml:2")


def found(
    rule_id: str = "some-rule",
    *,
    user: str | None = "mallory",
    at: datetime = NOON,
    severity: str = "high",
    confidence: str = "high",
    techniques: tuple[str, ...] = SECRETS,
    row: dict[str, Any] | None = None,
    **fields: Any,
) -> Finding:
    """A finding about *user* at *at*, with one request as evidence; *row* and *fields* over the ordinary ones."""
    of = rule(rule_id, Severity(severity), techniques=techniques)
    own = evidence(1, **{"user_name": user, "request_received_at": at, **(row or {})})
    number = fields.pop("number", zlib.crc32(repr((rule_id, at, user)).encode()))
    entity = {"user_name": own["user_name"], "impersonated_user_name": own["impersonated_user_name"]}
    return finding_of(of, number, [own], **{"entity": entity, "confidence": confidence, **fields})


def only(findings: list[Finding], by: By = By.IDENTITY, at: datetime = NOON) -> Score:
    (one,) = score(findings, at, by)
    return one


@pytest.mark.parametrize(
    ("severity", "confidence", "expected"),
    [("critical", "high", 100), ("high", "medium", 35), ("medium", "low", 8), ("informational", "high", 1)],
)
def test_a_finding_weighs_its_severity_times_its_confidence(severity: str, confidence: str, expected: float) -> None:
    """A fresh finding of certain, critical kind is 100 points."""
    assert points(found(severity=severity, confidence=confidence), NOON) == pytest.approx(expected)


def test_points_halve_with_each_half_life() -> None:
    """What was last seen two half-lives ago weighs a quarter; what lies ahead of the end weighs whole."""
    old = found(at=NOON - timedelta(hours=48))

    assert points(old, NOON) == pytest.approx(50 / 4)
    assert points(old, NOON, timedelta(hours=48)) == pytest.approx(50 / 2)
    assert points(found(at=NOON + timedelta(hours=48)), NOON) == pytest.approx(50)


def test_repeats_of_one_rule_never_reach_twice_the_first() -> None:
    """A noisy rule cannot outweigh a second rule for ever."""
    many = [found(number=number) for number in range(200)]

    one = only(many)

    assert one.reasons[0].findings == 200
    assert 50 * 1.99 < one.score <= 50 * 2


def test_different_tactics_raise_the_score() -> None:
    """The same points from another tactic count a quarter more in all."""
    same = only([found("a"), found("b")])
    other = only([found("a"), found("b", techniques=("E01",))])

    assert same.tactics == ("Credential Access",)
    assert other.tactics == ("Credential Access", "Privilege Escalation")
    assert (same.score, other.score) == (pytest.approx(100), pytest.approx(125))


def test_a_chain_of_steps_in_order_multiplies() -> None:
    """Looking around, secrets and rights within a day are more than their sum; so much the more all five."""
    steps = [
        found(f"rule-{number}", at=NOON + timedelta(hours=number), techniques=step)
        for number, step in enumerate((RECON, SECRETS, RIGHTS, WORKLOAD, CLEANUP))
    ]

    assert [only(steps[:count]).chain_factor for count in range(1, 6)] == [1, 1, 1.5, 2, 3]
    assert only(steps).chain == ("recon", "secrets", "rights", "workload", "cleanup")


def test_the_same_steps_in_another_order_or_over_days_are_no_chain() -> None:
    """Work goes the other way round too, and a week holds everything."""
    order = (RIGHTS, SECRETS, RECON)
    backwards = [found(f"r{n}", at=NOON + timedelta(hours=n), techniques=step) for n, step in enumerate(order)]
    slow = [found(f"r{n}", at=NOON + timedelta(hours=13 * n), techniques=s) for n, s in enumerate(order[::-1])]

    assert only(backwards).chain_factor == 1
    assert only(slow).chain_factor == 1
    assert only(slow).chain == ()


def test_a_chain_may_begin_late() -> None:
    """An early look around does not hide that another one began the chain."""
    hours = ((0, RECON), (20, RECON), (30, SECRETS), (40, RIGHTS))

    assert only([found(f"r{n}", at=NOON + timedelta(hours=n), techniques=s) for n, s in hours]).chain_factor == 1.5


def test_suppressed_findings_count_nothing() -> None:
    """What somebody answers for raises no score, and makes no subject."""
    assert score([found(suppressed=ALLOWED)], NOON) == []


def test_acting_as_another_counts_for_the_user_and_apart() -> None:
    """A user cannot spread its score over those it impersonates; what it does as one of them is seen as well."""
    borrowed = found("b", row={"impersonated_user_name": "root"})

    scores = {one.subject: one.score for one in score([found("a"), borrowed], NOON)}

    assert scores == {
        Subject("prod-eu", "mallory"): pytest.approx(100),
        Subject("prod-eu", "mallory", "root"): pytest.approx(50),
    }


def test_the_same_name_in_two_clusters_is_two_identities() -> None:
    """Clusters have users of their own."""
    assert len(score([found(), found(cluster="other")], NOON)) == 2


@pytest.mark.parametrize(
    ("by", "row", "names"),
    [
        (By.SOURCE, {}, {"203.0.113.66"}),
        (By.NAMESPACE, {}, {"shop"}),
        (By.NAMESPACE, {"namespace": None}, set()),
        (By.WORKLOAD, {}, set()),
        (By.WORKLOAD, {"resource": "pods", "subresource": "exec", "name": "cart"}, {"pod shop/cart"}),
        (By.WORKLOAD, {"user_name": "system:serviceaccount:ci:bot"}, {"serviceaccount ci/bot"}),
        (By.IDENTITY, {"user_name": None}, set()),
    ],
)
def test_subjects_come_from_entity_and_evidence(by: By, row: dict[str, Any], names: set[str]) -> None:
    """Each kind of score finds what it is about, or nothing."""
    assert {one.subject.name for one in score([found(row=row)], NOON, by)} == names


@given(
    st.lists(
        st.builds(
            found,
            st.sampled_from(["a", "b", "c"]),
            user=st.sampled_from(["mallory", "bob", None]),
            at=st.integers(-200, 0).map(lambda hours: NOON + timedelta(hours=hours)),
            severity=st.sampled_from(list(SEVERITY_POINTS)),
            confidence=st.sampled_from(["high", "medium", "low"]),
            techniques=st.sampled_from([RECON, SECRETS, RIGHTS, WORKLOAD, CLEANUP, ("F14",), ()]),
        ),
        max_size=12,
    )
)
def test_every_score_is_the_sum_it_shows(findings: list[Finding]) -> None:
    """Reasons add up to the points, points times factors to the score, whatever the order of the findings."""
    scores = score(findings, NOON)

    assert scores == score(findings[::-1], NOON)
    assert [one.score for one in scores] == sorted((one.score for one in scores), reverse=True)
    for one in scores:
        assert sum(reason.points for reason in one.reasons) == pytest.approx(one.points)
        assert one.points * one.tactics_factor * one.chain_factor == pytest.approx(one.score)
        assert one.since == min(reason.since for reason in one.reasons)
        assert one.chain_factor == CHAIN_FACTOR.get(len(one.chain), 1)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4)), max_size=9))
def test_the_chain_is_the_longest_there_is(moments: list[tuple[int, int]]) -> None:
    """The quick search finds what trying every subset finds."""
    steps = (RECON, SECRETS, RIGHTS, WORKLOAD, CLEANUP)
    ordered = sorted(moments)

    def longest(first: int, begun: int, last_step: int) -> int:
        best = 0
        for position in range(first, len(ordered)):
            hour, step = ordered[position]
            if step > last_step and hour - begun <= 24:
                best = max(best, 1 + longest(position + 1, begun, step))
        return best

    expected = max((1 + longest(p + 1, hour, step) for p, (hour, step) in enumerate(ordered)), default=0)
    findings = [
        found(f"r{n}", at=NOON + timedelta(hours=hour), techniques=steps[step], number=n)
        for n, (hour, step) in enumerate(moments)
    ]

    for one in score(findings, NOON):
        assert len(one.chain) == (expected if expected >= 3 else 0)


def test_every_attack_id_in_use_has_a_tactic() -> None:
    """Neither the catalogue nor a rule names an ATT&CK technique that the table does not know."""
    used = {attack for technique in techniques().values() for attack in technique.attack}
    used |= {attack for one in load_catalog() for attack in one.attack}

    assert sorted(attack for attack in used if tactic(attack) is None) == []


def test_steps_name_techniques_that_exist_once() -> None:
    """Every technique of the chain stands in the catalogue; the order is the attack's."""
    assert chain() == ("recon", "secrets", "rights", "workload", "cleanup")
    assert [step_of(step) for step in (RECON, SECRETS, RIGHTS, WORKLOAD, CLEANUP)] == [0, 1, 2, 3, 4]
    assert step_of(("F14", "none")) is None
    assert tactic_of(("F14", "B04")) == "Credential Access"
    import yaml

    from detections.tactics import _FILE

    named = [name for step in yaml.safe_load(_FILE.read_text())["chain"].values() for name in step]
    assert sorted(named) == sorted(set(named))
    assert set(named) <= set(techniques())


def risk_of(findings: list[Finding]) -> Risk:
    scores = score(findings, NOON)
    return Risk(
        By.IDENTITY, NOON, timedelta(hours=24), "kept in the lake", len(findings), 0, len(scores), tuple(scores)
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_each_score_with_its_reasons(name: str) -> None:
    """Who, how much, and for which rules, in each format; the same bytes every time."""
    risk = risk_of([found("secrets-read"), found("right-granted", techniques=RIGHTS)])
    rendered = FORMATS[name](risk)

    assert rendered == FORMATS[name](risk)
    assert rendered.endswith("\n")
    for text in ("mallory", "secrets-read", "right-granted", "125.0"):
        assert text in rendered


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_is_obeyed(name: str, text: str) -> None:
    """A user name is an attacker's to choose: no control character and no markup comes through."""
    rendered = FORMATS[name](risk_of([found(user=text)]))

    assert not set(rendered) & {"\x1b", "\x07", "\x00", "\u202e", "\u200b", "\u2066"}
    assert "<script>alert" not in rendered or name in {"json", "jsonl", "table", "markdown"}
    if name == "html":
        assert "<img" not in rendered
    rendered.encode("utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_found_is_a_report_too(name: str) -> None:
    """Without findings there are no scores, and every format says so without breaking."""
    assert "mallory" not in FORMATS[name](risk_of([]))


@pytest.fixture
def dumped(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake in which alice listed every secret; the command line's default."""
    listing = audit_event(
        0,
        {"verb": "list", "requestURI": "/api/v1/secrets", "objectRef": {"resource": "secrets"}},
        {"objectRef": {"namespace": None, "name": None}},
    )
    lake.append("events", rows([line(listing)], "prod", "apiserver", NOON))
    monkeypatch.setenv("ASHIATO_LAKE", lake.location)
    return lake


def test_stored_findings_weigh_as_much_as_fresh_ones(dumped: Lake) -> None:
    """A run now and the findings that an earlier run kept give the same scores."""
    opened = ashiato.open_lake(dumped.location)
    fresh = ashiato.risk(opened)
    assert "run over all events" in fresh.origin

    detect_new(dumped, load_catalog())
    stored = ashiato.risk(opened)

    assert stored.origin == "kept in the lake"
    assert stored.scores == fresh.scores
    assert fresh.scores[0].subject.name == "alice@example.com"


def test_a_notebook_gets_a_frame(dumped: Lake) -> None:
    """The facade's answer turns into pandas, one row a score, and shows itself."""
    risk = ashiato.risk(ashiato.open_lake(dumped.location), by="source", since="2026-11-23")
    frame = risk.to_pandas()

    assert list(frame["name"]) == ["192.0.2.10"]
    assert frame["score"][0] == pytest.approx(risk.scores[0].score)
    assert "192.0.2.10" in repr(risk)
    assert "<article" in risk._repr_html_()


def test_the_command_adds_up_by_what_is_asked(dumped: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """--by, --top, --stored and formats; ranges without findings are clean."""
    assert cli(["risk", "--by", "source", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scores"][0]["name"] == "192.0.2.10"
    assert document["scores"][0]["reasons"][0]["since"] == "2026-11-23T12:00:00.000000Z"
    assert cli(["risk", "--stored", "--top", "1"]) == 0
    assert "0 identities" in capsys.readouterr().out
    assert cli(["risk", "--since", "2027-01-01", "--format", "jsonl"]) == 0
    assert capsys.readouterr().out == ""
    assert cli(["risk", "--half-life", "0s"]) == 2


def test_a_rule_that_failed_is_named(dumped: Lake, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A score that lacks what a broken rule would have found says so, and the exit code too."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "half-written.sql").write_text("SELECT 1")

    assert cli(["risk", "--rules", str(tmp_path / "rules")]) == 1
    assert "1 rule failed: half-written" in " ".join(capsys.readouterr().out.split())


def test_the_command_leaves_out_what_is_suppressed(
    dumped: Lake, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A suppression lowers the score by all that its finding weighs."""
    known = tmp_path / "known.yaml"
    entry = "{rule: %s, match: {cluster: prod}, owner: a, reason: b, expires: 2999-01-01}"
    assert cli(["risk", "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["scores"]
    ids = [reason["rule_id"] for reason in one["reasons"]]
    known.write_text("suppressions:\n" + "".join(f"  - {entry % name}\n" for name in ids))

    assert cli(["risk", "--format", "json", "--suppressions", str(known)]) == 0
    document = json.loads(capsys.readouterr().out)

    assert (document["scores"], document["findings"]) == ([], 0)
    assert document["suppressed"] == sum(reason["findings"] for reason in one["reasons"])
