"""The page of the day and the trial of a rule: what is new, what is noisy, what could not be seen."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detections.backtest import backtest
from detections.catalog import choose, load_catalog
from detections.daily import coverage, daily
from detections.incremental import store
from detections.reports.daily import RENDERERS
from ingest.rows import rows
from lake.delta import Lake
from lake.timerange import TimeRange
from tests.builders import NOON, audit_event

RULES = choose(load_catalog(), ["secrets-listed-cluster-wide", "many-secrets-read", "user-outside-list"])
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def put(lake: Lake, *events: dict[str, Any]) -> None:
    lake.append("events", rows([json.dumps(event).encode() for event in events], "prod", "apiserver", NOON))


def dump(number: int, user: str = "mallory") -> dict[str, Any]:
    return audit_event(
        number,
        {
            "verb": "list",
            "user": {"username": user},
            "objectRef": {"resource": "secrets", "namespace": None, "name": None},
        },
    )


def test_what_was_stored_is_new_no_more(lake: Lake) -> None:
    """The first page calls a finding new; once stored, the next page does not; a new one it does."""
    put(lake, dump(0))
    first = daily(lake, RULES, TimeRange())
    store(lake, first.run.findings)
    second = daily(lake, RULES, TimeRange())
    put(lake, dump(5, "eve"))
    third = daily(lake, RULES, TimeRange())

    assert first.new == {finding.finding_id for finding in first.run.findings}
    assert second.new == frozenset()
    assert {f.entity["user_name"] for f in third.run.findings if f.finding_id in third.new} == {"eve"}


def test_a_silent_hour_is_told(lake: Lake) -> None:
    """An hour without events between others is on the page; the time before and after is not."""
    put(lake, audit_event(0), audit_event(3 * 3600))

    page = daily(lake, RULES, TimeRange())

    assert [row["hour"] for row in page.silent.to_pylist()] == [NOON + timedelta(hours=1), NOON + timedelta(hours=2)]
    assert sum(page.hours["events"].to_pylist()) == 2


def test_coverage_adds_up(lake: Lake) -> None:
    """Each rule counts once per practice, layer and control: judged, or not; findings are those of its rules."""
    put(lake, dump(0))
    run = daily(lake, RULES, TimeRange()).run

    counted = coverage(run)

    for dimension in ("practice", "layer", "control"):
        assert sum(judged + idle for judged, idle, _ in counted[dimension].values()) == len(RULES)
        assert sum(found for _, _, found in counted[dimension].values()) == len(run.findings)
    assert sum(idle for _, idle, _ in counted["practice"].values()) == len(run.skipped) == 1


@pytest.mark.parametrize("form", list(RENDERERS))
def test_a_page_obeys_nothing_that_the_log_says(lake: Lake, form: str) -> None:
    """Markup in names stays text in every form, and the page says what was found."""
    put(lake, dump(0, MARKUP))

    page = RENDERERS[form](daily(lake, RULES, TimeRange()))

    assert "Every secret of the cluster was read at once" in page
    if form == "json":
        assert json.loads(page)["findings"][0]["new"] is True
    else:
        # What stands between backticks is text to Markdown anyway.
        assert not re.search(r"(?<!\\)<script", re.sub(r"`[^`\n]*`", "", page))


def test_a_rule_is_tried_on_the_past(lake: Lake) -> None:
    """Findings and requests add up over days and entities."""
    put(lake, dump(0), dump(1), dump(86_400), dump(86_401, "eve"))
    (rule,) = choose(load_catalog(), ["secrets-listed-cluster-wide"])

    done = backtest(lake, rule)

    assert (done.events, done.days, len(done.run.findings)) == (4, 2, 3)
    assert sum(done.per_day["findings"].to_pylist()) == sum(done.per_entity["findings"].to_pylist()) == 3
    assert sum(done.per_day["requests"].to_pylist()) == 4
    assert done.before is None


def test_a_rule_is_compared_with_the_version_before(lake: Lake) -> None:
    """What only one of two versions finds is told apart from what both find."""
    put(lake, dump(0), dump(10, "eve"))
    (rule,) = choose(load_catalog(), ["secrets-listed-cluster-wide"])
    narrow = replace(rule, sql=f"SELECT * FROM ({rule.sql}) WHERE user_name = 'eve'", version="narrow")

    done = backtest(lake, narrow, against=rule)
    back = backtest(lake, rule, against=narrow)

    assert ([f.entity["user_name"] for f in done.vanished], list(done.appeared)) == (["mallory"], [])
    assert ([f.entity["user_name"] for f in back.appeared], list(back.vanished)) == (["mallory"], [])
