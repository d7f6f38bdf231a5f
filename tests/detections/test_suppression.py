"""Suppressions: strict to read, narrow to match, ended by themselves, and seen in every report."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.cli import run as cli
from detections.engine import Skipped
from detections.finding import Finding
from detections.reports import FORMATS
from detections.suppression import State, Suppression, apply, glob
from detections.suppression_file import SuppressionsInvalid, load_suppressions
from ingest.rows import rows
from lake.delta import Lake
from tests.builders import NOON, audit_event, line
from tests.reports.runs import evidence, rule, whole
from tests.reports.runs import finding as finding_of

TODAY = date(2026, 11, 23)
RULES = [rule("secret-read", "high", entity=("user_name", "source_ip", "user_agent")), rule("pod-made", "low")]
HEAD = "suppressions:\n"
GOOD = """  - rule: secret-read
    match: {user_name: "ci-*"}
    owner: platform@example.com
    reason: Reads its own token.
    expires: 2026-12-31
"""


def entry(**fields: Any) -> Suppression:
    """An active suppression of mallory's secret reads; *fields* over it."""
    ordinary: dict[str, Any] = {
        "rule": "secret-read",
        "match": {"user_name": ("mallory",)},
        "owner": "platform@example.com",
        "reason": "Known.",
        "expires": date(2027, 3, 31),
        "origin": "known.yaml:2",
    }
    return Suppression(**{**ordinary, **fields})


def finding(rows: list[dict[str, Any]] | None = None, **fields: Any) -> Finding:
    """A finding of the rule secret-read about one request of mallory in the namespace shop."""
    return finding_of(RULES[0], 1, rows or [evidence(1)], **fields)


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a file holding *text*, without the file's name."""
    path = tmp_path / "known.yaml"
    path.write_text(text)
    with pytest.raises(SuppressionsInvalid) as caught:
        load_suppressions(path, RULES)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_good_file_gives_its_entries_in_order(tmp_path: Path) -> None:
    """Patterns, owner, reason, last day and place are read as they stand."""
    path = tmp_path / "known.yaml"
    path.write_text(HEAD + GOOD + GOOD.replace('"ci-*"', "[a, null]"))

    first, second = load_suppressions(path, RULES)

    assert first == Suppression(
        "secret-read",
        {"user_name": ("ci-*",)},
        "platform@example.com",
        "Reads its own token.",
        date(2026, 12, 31),
        f"{path}:2",
    )
    assert second.match == {"user_name": ("a", None)}


@pytest.mark.parametrize("text", ["", "# nothing yet\n", HEAD, HEAD + "  []\n"])
def test_an_empty_file_suppresses_nothing(tmp_path: Path, text: str) -> None:
    """A file that somebody has only begun is no mistake."""
    path = tmp_path / "known.yaml"
    path.write_text(text)

    assert load_suppressions(path, RULES) == ()


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("rule: secret-read", "rule: secret-raed", "2: unknown rule 'secret-raed': did you mean secret-read?"),
        ("rule: secret-read", "rule: [secret-read]", "2: unknown rule"),
        ("    owner: platform@example.com\n", "", "2: owner is missing"),
        ("owner: platform@example.com", "owner:", "2: owner is missing"),
        ("owner: platform@example.com", "owner: [a]", "4: owner must be text"),
        ("    reason: Reads its own token.\n", "", "2: reason is missing"),
        ("    expires: 2026-12-31\n", "", "2: expires is missing"),
        ("expires: 2026-12-31", "expires: soon", "6: expires must be a day"),
        ("expires: 2026-12-31", "expires: 2026-02-30", "6: expires must be a day"),
        ("expires: 2026-12-31", "expires: 2026-12-31\n    until: 3", "7: unknown key 'until'"),
        ("expires: 2026-12-31", "expires: 2026-12-31\n    owner: b", "7: owner stands twice"),
        (
            '{user_name: "ci-*"}',
            "{user_nam: x}",
            "3: unknown column of secret-read 'user_nam': did you mean user_name?",
        ),
        ('{user_name: "ci-*"}', "{user_agent: kubectl*}", "3: user_agent is what the client claims"),
        ('{user_name: "ci-*"}', '{user_name: "**"}', "3: user_name: '**' fits anything"),
        ('{user_name: "ci-*"}', "{user_name: 7}", "3: user_name must be text"),
        ('{user_name: "ci-*"}', "{user_name: []}", "3: user_name is an empty list"),
        ('{user_name: "ci-*"}', "{}", "3: match is empty"),
        ('{user_name: "ci-*"}', "everything", "3: match must be a mapping"),
        ('{user_name: "ci-*"}', "{user_name: a, user_name: b}", "3: user_name stands twice"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, before: str, after: str, problem: str) -> None:
    """Each mistake is refused, at the line where it stands."""
    assert before in GOOD
    (found,) = problems(tmp_path, HEAD + GOOD.replace(before, after))

    assert found.startswith(problem)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Nobody mends a file one mistake a run."""
    text = HEAD + GOOD.replace("secret-read", "x") + GOOD.replace("2026", "20") + GOOD + GOOD

    found = problems(tmp_path, text)

    assert [problem.split(":")[0] for problem in found] == ["2", "11", "17"]
    assert "line 12 already" in found[-1]


def test_a_broken_rule_does_not_hinder_the_others(tmp_path: Path) -> None:
    """What is suppressed of a rule that cannot be read is left out; it finds nothing either."""
    path = tmp_path / "known.yaml"
    path.write_text(HEAD + GOOD + GOOD.replace("secret-read", "half-written"))

    assert [entry.rule for entry in load_suppressions(path, RULES, broken=["half-written"])] == ["secret-read"]


@pytest.mark.parametrize("text", ["supressions: []\n", "- rule: x\n", "suppressions: 3\n", "a: [\n", "\tx"])
def test_another_shape_of_file_is_refused(tmp_path: Path, text: str) -> None:
    """A misspelt top key must not mean that there are no suppressions."""
    assert problems(tmp_path, text)


@given(st.text(max_size=400))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any file either has entries or is refused with its problems."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(SuppressionsInvalid):
            load_suppressions(path, RULES)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"user_name": ("mallory",)}, True),
        ({"user_name": ("alice", "mal*y")}, True),
        ({"user_name": ("mal",)}, False),
        ({"user_name": ("Mallory",)}, False),
        ({"cluster": ("prod",)}, True),
        ({"cluster": ("staging",), "user_name": ("mallory",)}, False),
        ({"source_ip": ("203.0.113.*",)}, False),
        ({"namespace": ("shop",)}, True),
        ({"namespace": ("kube-*",)}, False),
    ],
)
def test_every_column_must_fit(match: dict[str, tuple[str | None, ...]], fits: bool) -> None:
    """Columns are joined by and, patterns of one by or; a column that a finding lacks never fits."""
    found = finding(entity={"user_name": "mallory"}, cluster="prod")

    assert entry(match=match).fits(found) is fits


def test_null_fits_only_where_there_is_no_value() -> None:
    """An exception for what a user does in person does not cover what it does as somebody else."""
    own = finding(entity={"user_name": "a", "impersonated_user_name": None})
    borrowed = finding(entity={"user_name": "a", "impersonated_user_name": "root"})
    personal = entry(match={"user_name": ("a",), "impersonated_user_name": (None,)})

    assert (personal.fits(own), personal.fits(borrowed)) == (True, False)


def test_a_namespace_fits_only_when_every_request_is_known_to_lie_in_it() -> None:
    """The twenty-first request, which no evidence shows, may be the one in kube-system."""
    shown = [evidence(1, namespace="shop"), evidence(2, namespace="shop")]
    here = entry(match={"namespace": ("shop",)})

    assert here.fits(finding(shown, event_count=2))
    assert not here.fits(finding(shown, event_count=3))
    assert not here.fits(finding([*shown, evidence(3, namespace="kube-system")], event_count=3))


@given(st.text(), st.text())
def test_a_pattern_without_signs_fits_itself_alone(pattern: str, value: str) -> None:
    """Nothing in a name but * and ? means anything."""
    plain = re.sub(r"[*?]", "", pattern)

    assert glob(plain).fullmatch(plain)
    assert bool(glob(plain).fullmatch(value)) == (plain == value)


def test_a_suppressed_finding_stays_and_carries_its_account() -> None:
    """Nothing disappears: the finding is there with who answers for it, why and until when."""
    run = whole()
    first = run.findings[0]
    by = entry(rule=first.rule_id, match={"cluster": (first.cluster,)})

    judged = apply(run, [by], TODAY)

    assert [f.finding_id for f in judged.findings] == [f.finding_id for f in run.findings]
    assert judged.findings[0].suppressed is not None
    assert judged.findings[0].suppressed.owner == by.owner
    assert judged.outcomes[0].matched >= 1


def test_the_last_day_is_the_last_on_which_it_holds() -> None:
    """An entry holds through the day it names, in UTC, and not an hour longer."""
    run = whole()
    first = run.findings[0]
    by = entry(rule=first.rule_id, match={"cluster": (first.cluster,)}, expires=TODAY)

    assert apply(run, [by], TODAY).findings[0].suppressed is not None
    expired = apply(run, [by], date(2026, 11, 24))
    assert all(found.suppressed is None for found in expired.findings)
    assert expired.outcomes[0].state is State.EXPIRED
    assert expired.outcomes[0].matched >= 1


def test_an_entry_of_a_rule_that_did_not_judge_is_not_called_useless() -> None:
    """That nothing matched means something only when the rule could have found something."""
    run = whole()
    skipped = [item for item in run.skipped if isinstance(item, Skipped)]
    by = entry(rule=skipped[0].rule_id)

    assert not apply(run, [by], TODAY).outcomes[0].judged


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_what_is_suppressed_and_which_entries_need_a_look(name: str) -> None:
    """Owner, reason and last day stand in each report, and so do entries that expired or matched nothing."""
    run = whole()
    first, rule_id = run.findings[0], run.findings[-1].rule_id
    entries = [
        entry(rule=first.rule_id, match={"cluster": (first.cluster,)}),
        entry(rule=rule_id, match={"cluster": ("nowhere",)}, origin="known.yaml:77"),
        entry(rule=rule_id, match={"cluster": ("other",)}, expires=date(2026, 1, 1), origin="known.yaml:88"),
    ]
    rendered = FORMATS[name].render(apply(run, entries, TODAY)).replace("\\", "").replace("&#64;", "@")

    assert "platform@example.com" in rendered
    assert "2027-03-31" in rendered
    if name != "jsonl":
        assert "known.yaml:77" in rendered
        assert "known.yaml:88" in rendered


def test_json_marks_the_finding_and_lists_the_entries() -> None:
    """Programs tell what counts from what does not by one key."""
    run = whole()
    first = run.findings[0]
    by = entry(rule=first.rule_id, match={"cluster": (first.cluster,)})

    document = json.loads(FORMATS["json"].render(apply(run, [by], TODAY)))

    assert document["findings"][0]["suppressed"] == {
        "owner": "platform@example.com",
        "reason": "Known.",
        "expires": "2027-03-31",
        "origin": "known.yaml:2",
    }
    assert document["suppressions"][0]["matched"] >= 1
    assert "suppressed" not in json.loads(FORMATS["json"].render(run))["findings"][0]


@pytest.fixture
def dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a lake in which alice listed every secret."""
    monkeypatch.chdir(tmp_path)
    lake = Lake.open(tmp_path / "lake", create=True)
    listing = audit_event(
        0,
        {"verb": "list", "requestURI": "/api/v1/secrets", "objectRef": {"resource": "secrets"}},
        {"objectRef": {"namespace": None, "name": None}},
    )
    lake.append("events", rows([line(listing)], "prod", "apiserver", NOON))
    return tmp_path


KNOWN = """suppressions:
  - rule: secrets-listed-cluster-wide
    match: {user_name: alice@example.com}
    owner: platform@example.com
    reason: Backup.
    expires: 2999-12-31
"""
DETECT = ["detect", "--rule", "secrets-listed-cluster-wide", "--fail-on", "low"]


def test_suppressed_findings_fail_no_run(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--fail-on counts what nobody answers for, whether the file is named or stands in the configuration."""
    (dumped / "known.yaml").write_text(KNOWN)

    assert cli(DETECT) == 10
    assert cli([*DETECT, "--suppressions", "known.yaml"]) == 0
    (dumped / "ashiato.yaml").write_text("suppressions: known.yaml\n")
    assert cli(DETECT) == 0
    (dumped / "ashiato.yaml").write_text("lake: lake\n" + KNOWN)
    assert cli(DETECT) == 0
    assert "platform@example.com" in capsys.readouterr().out


def test_check_lists_entries_and_refuses_a_wrong_file(dumped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check is clean on a right file, and exits 2 with every line on a wrong one."""
    (dumped / "known.yaml").write_text(KNOWN)
    assert cli(["suppressions", "check", "known.yaml", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["match"]) == ("active", "user_name: alice@example.com")

    (dumped / "known.yaml").write_text(KNOWN.replace("user_name", "user_agent"))
    assert cli(["suppressions", "check", "known.yaml"]) == 2
    assert "known.yaml:3: user_agent" in capsys.readouterr().err
