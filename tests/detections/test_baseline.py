"""Baselines: what was learnt and what came since say together what the whole history says."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.cli import run as cli
from detections import baseline, rarity
from detections.baseline_files import FOLDER
from detections.catalog import choose, load_catalog
from detections.engine import detect
from detections.views import create_views
from ingest.rows import rows
from lake.delta import Lake
from lake.errors import NothingToRead
from lake.maintenance import compact
from lake.query import connect
from lake.timerange import TimeRange
from tests.builders import NOON, REMOVE, audit_event, line

FIRST_USES = "SELECT * FROM first_uses ORDER BY ALL"


def put(lake: Lake, events: list[dict[str, Any]], cluster: str = "prod") -> None:
    """Commit *events* at once."""
    lake.append("events", rows([line(event) for event in events], cluster, "apiserver", NOON))


def first_uses(lake: Lake, when: TimeRange, learnt: Path | None) -> list[dict[str, Any]]:
    """All rows of first_uses on a connection that sees *when* and knows what was *learnt*."""
    with connect(lake, when) as con:
        baseline.register(con, learnt)
        create_views(con)
        return con.execute(FIRST_USES).to_arrow_table().to_pylist()


def facts(lake: Lake) -> list[dict[str, Any]]:
    """The rows of all stored files, counts included."""
    folder = baseline.stored(lake)
    assert folder is not None
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def use(number: int, user: str = "alice", **fields: Any) -> dict[str, Any]:
    return audit_event(number, {"user": {"username": user}}, fields)


@st.composite
def uses(draw: st.DrawFn) -> dict[str, Any]:
    """A request or a stage of one, by one of few users with few facts, in any order of time, some without a source."""
    patch: dict[str, Any] = {
        "user": {"username": draw(st.sampled_from(["alice", "bob", "system:serviceaccount:ci:bot"]))},
        "verb": draw(st.sampled_from(["get", "list", "watch"])),
        "stage": draw(st.sampled_from(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"])),
        "sourceIPs": draw(st.sampled_from([["192.0.2.1"], ["192.0.2.2"], REMOVE])),
        "userAgent": draw(st.sampled_from(["kubectl/v1", "curl/8", "kubectl/v2"])),
        "objectRef": draw(st.sampled_from([{"resource": "secrets", "name": "a"}, {"resource": "pods"}])),
        "responseStatus": {"code": draw(st.sampled_from([200, 403]))},
        "impersonatedUser": draw(st.sampled_from([REMOVE, {"username": "root"}])),
    }
    return audit_event(draw(st.integers(0, 30)), patch)


@settings(max_examples=12)
@given(st.lists(st.lists(uses(), min_size=1, max_size=5), min_size=2, max_size=5), st.data())
def test_the_baseline_and_what_came_since_equal_the_whole_history(
    batches: list[list[Any]], data: st.DataObject
) -> None:
    """Wherever the log is cut, and however much of the old part is read again, first uses are the same."""
    cut = data.draw(st.integers(1, len(batches) - 1))
    again = data.draw(st.integers(-5, 40))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(Path(folder) / "lake", create=True)
        for batch in batches[:cut]:
            put(lake, batch)
        baseline.learn(lake, None)
        for batch in batches[cut:]:
            put(lake, batch)
        learnt = baseline.stored(lake)
        needed = baseline.reach(lake, learnt, TimeRange(NOON + timedelta(seconds=again)))

        assert first_uses(lake, needed, learnt) == first_uses(lake, TimeRange(), None)


@settings(max_examples=8)
@given(st.lists(st.lists(uses(), min_size=1, max_size=5), min_size=2, max_size=5), st.booleans())
def test_advancing_equals_learning_anew(batches: list[list[Any]], compacted: bool) -> None:
    """A baseline carried on from commit to commit holds what one learnt at the end would, counts included."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(Path(folder) / "lake", create=True)
        put(lake, batches[0])
        baseline.learn(lake, None)
        for batch in batches[1:]:
            put(lake, batch)
            if compacted:
                compact(lake)
            baseline.advance(lake)
        carried = facts(lake)
        baseline.learn(lake, None)

        assert carried == facts(lake)


def test_only_what_came_since_is_read(lake: Lake) -> None:
    """With a baseline, the connection begins where the newest commits do, not days before."""
    put(lake, [use(number) for number in range(100)])
    baseline.learn(lake, None)
    put(lake, [use(5000)])
    asked = TimeRange(NOON + timedelta(seconds=4990))
    learnt = baseline.stored(lake)

    assert baseline.reach(lake, learnt, asked) == asked
    put(lake, [use(4000, "late")])
    since = baseline.reach(lake, learnt, asked).since
    assert since is not None
    assert NOON + timedelta(seconds=3999) < since <= NOON + timedelta(seconds=4001)


def test_a_rule_about_first_uses_needs_no_history_once_it_is_learnt(lake: Lake) -> None:
    """The days before are read where nothing is learnt, or where less is learnt than the rule wants."""
    (rule,) = choose(load_catalog(), ["service-account-first-writes-rbac"])
    put(lake, [use(0)])
    wanted = timedelta(days=7) + rule.window

    assert baseline.history(rule, baseline.stored(lake)) == wanted
    baseline.learn(lake, timedelta(days=3))
    assert baseline.history(rule, baseline.stored(lake)) == wanted
    baseline.learn(lake, timedelta(days=30))
    assert baseline.history(rule, baseline.stored(lake)) == timedelta()
    (other,) = choose(load_catalog(), ["secrets-listed-cluster-wide"])
    assert not baseline.reads(other)


def test_a_new_cluster_has_to_be_learnt_first(lake: Lake) -> None:
    """One cluster without a baseline would find everything new: then none is used, unless it is not asked for."""
    put(lake, [use(0)])
    baseline.learn(lake, None)
    assert baseline.stored(lake) is not None

    put(lake, [use(1)], "edge/../x")

    assert baseline.stored(lake) is None
    assert baseline.stored(lake, ["prod"]) is not None
    baseline.learn(lake, None)
    assert sorted(item.cluster for item in baseline.described(lake)) == ["edge/../x", "prod"]
    assert {path.parent for path in lake.folder.rglob("*.parquet") if "prod.parquet" in path.name} == {
        lake.folder / FOLDER
    }


def test_a_broken_or_foreign_file_is_no_baseline(lake: Lake) -> None:
    """What cannot be read, or was written by other views, is learnt anew rather than trusted."""
    put(lake, [use(0)])
    assert baseline.stored(lake) is None
    baseline.learn(lake, None)
    path = lake.folder / FOLDER / "prod.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    assert baseline.stored(lake) is None

    path.write_bytes(b"PAR1 and nothing")

    assert baseline.stored(lake) is None
    with pytest.raises(NothingToRead, match="ashiato baseline learn"):
        baseline.described(lake)


def test_a_baseline_of_a_lake_that_was_made_anew_is_not_used(lake: Lake) -> None:
    """A version that the lake has not reached was another lake's."""
    for number in range(4):
        put(lake, [use(number)])
    baseline.learn(lake, None)
    other = Lake.open(lake.folder.parent / "other", create=True)
    put(other, [use(0)])
    (other.folder / "_ashiato").mkdir()
    (lake.folder / FOLDER).rename(other.folder / FOLDER)

    assert baseline.stored(other) is None


def test_learning_again_replaces_the_file_and_leaves_nothing_beside_it(lake: Lake) -> None:
    """A reader finds the old file or the new one, and no halves."""
    put(lake, [use(0)])
    baseline.learn(lake, None)
    (old,) = baseline.described(lake)
    put(lake, [use(1, "bob")])

    (new,) = baseline.learn(lake, None)

    assert (old.version, new.version) == (lake.version() - 1, lake.version())
    assert new.facts == 2 * old.facts
    assert [path.name for path in (lake.folder / FOLDER).iterdir()] == ["prod.parquet"]


def test_a_window_leaves_out_what_lies_before(lake: Lake) -> None:
    """What was last done before the window is new again."""
    now = datetime.now(tz=NOON.tzinfo)
    ago = int((now - timedelta(days=40) - NOON).total_seconds())
    put(lake, [use(ago, "gone"), use(ago + 86400 * 39, "here")])

    baseline.learn(lake, timedelta(days=30))

    assert {row["user_name"] for row in facts(lake)} == {"here"}


def test_show_says_how_rare_a_fact_is(lake: Lake) -> None:
    """Of each fact: how often, which part of what the principal does, and how many principals share it."""
    put(lake, [use(0), use(1), use(2, verb="delete"), use(3, "bob")])
    baseline.learn(lake, None)

    shown = rarity.show(lake, user="alice", kind="verb_resource").to_pylist()

    assert [
        (row["fact"], row["requests"], row["percent"], row["principals"], row["of_principals"]) for row in shown
    ] == [
        ("delete configmaps", 1, 33.3, 1, 2),
        ("get configmaps", 2, 66.7, 2, 2),
    ]
    assert rarity.show(lake, most=1).num_rows == 1


@pytest.mark.parametrize("learnt", [True, False])
def test_explain_says_what_was_new_about_an_event(lake: Lake, learnt: bool) -> None:
    """With a baseline or by reading the lake: what was done before is known, the rest is new."""
    put(lake, [use(0), use(1, "bob", verb="delete")])
    if learnt:
        baseline.learn(lake, None)
    put(lake, [use(10, verb="delete"), use(20, verb="delete")])
    with connect(lake) as con:
        ids = con.execute("SELECT event_id FROM events WHERE user_name = 'alice' ORDER BY stage_at").fetchall()
    states = []
    for (event_id,) in ids[1:]:
        about, table = rarity.explain_event(lake, event_id)
        assert about["user_name"] == "alice"
        states.append({row["fact"]: (row["state"], row["principals"]) for row in table.to_pylist()})

    assert states[0]["delete configmaps"] == ("new", 2)
    assert states[0]["192.0.2.10"] == ("known", 2)
    assert states[1]["delete configmaps"] == ("known", 2)


@pytest.mark.parametrize("learnt", [True, False])
def test_explain_says_what_a_user_did_for_the_first_time(lake: Lake, learnt: bool) -> None:
    """Only what is new within the range, and only this user's."""
    put(lake, [use(0)])
    if learnt:
        baseline.learn(lake, None)
    put(lake, [use(10), use(11, verb="delete"), use(12, "bob")])

    new = rarity.explain_user(lake, "alice", TimeRange(NOON + timedelta(seconds=5))).to_pylist()

    assert [(row["kind"], row["fact"]) for row in new] == [("verb_resource", "delete configmaps")]


def test_the_commands_learn_show_and_explain(
    lake: Lake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line: nothing to show before learning, everything after, a hint on what to name."""
    monkeypatch.setenv("ASHIATO_LAKE", lake.location)
    put(lake, [use(0)])
    assert cli(["baseline", "show"]) == 3
    assert "ashiato baseline learn" in capsys.readouterr().err
    assert cli(["baseline", "learn", "--all"]) == 0
    assert cli(["baseline", "show", "--kind", "namespace", "--format", "json"]) == 0
    assert '"fact": "shop"' in capsys.readouterr().out
    assert cli(["baseline", "explain", "--user", "alice"]) == 0
    assert "verb_resource" in capsys.readouterr().out
    assert cli(["baseline", "explain"]) == 2
    assert cli(["baseline", "explain", "0123"]) == 3


def test_rules_about_first_uses_find_the_same_with_a_baseline(lake: Lake) -> None:
    """A run over new events alone finds what a run that reads the days before finds."""
    day = 86400
    bot = {
        "username": "system:serviceaccount:ci:bot",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:ci"],
    }
    grant = {
        "user": bot,
        "verb": "create",
        "objectRef": {"resource": "rolebindings", "apiGroup": "rbac.authorization.k8s.io"},
    }
    rules = choose(load_catalog(), ["service-account-first-writes-rbac"])
    put(lake, [audit_event(number * day // 4, {"user": bot}) for number in range(80)])
    put(lake, [audit_event(20 * day + number, grant) for number in range(3)])
    asked = TimeRange(NOON + timedelta(days=20), NOON + timedelta(days=20, minutes=5))
    cold = detect(lake, rules, asked)

    baseline.learn(lake, None)
    warm = detect(lake, rules, asked)

    assert len(cold.findings) == 1
    assert warm.findings == cold.findings
    assert warm.skipped == []
