"""What an analyst asks of the lake: answers are exact, stay right while events arrive, and say what is not known."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.catalog import choose, load_catalog
from detections.engine import detect
from detections.incremental import store
from detections.investigation.compare import compare
from detections.investigation.difference import changes
from detections.investigation.identity import identity
from detections.investigation.matching import Matching
from detections.investigation.object_history import object_history
from detections.investigation.pivots import BY, pivot
from detections.investigation.search import search
from detections.investigation.secret_access import secret_access
from detections.investigation.sessions import sessions
from detections.investigation.timeline import timeline
from ingest.rows import rows
from lake.delta import Lake
from lake.errors import UsageError
from lake.timerange import TimeRange
from tests.builders import NOON, audit_event, timestamp


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def put(lake: Lake, *events: dict[str, Any], cluster: str = "prod") -> None:
    lake.append("events", rows([json.dumps(event).encode() for event in events], cluster, "apiserver", NOON))


def secret(
    number: int, user: str = "alice", verb: str = "get", name: str | None = "login", **fields: Any
) -> dict[str, Any]:
    reference = {"resource": "secrets", "namespace": "shop", "name": name}
    return audit_event(number, {"verb": verb, "user": {"username": user}, "objectRef": reference}, fields)


def test_a_timeline_matches_the_acting_and_the_acted_as(lake: Lake) -> None:
    """A user's timeline holds what the user did and what others did in its name, in time order."""
    put(
        lake,
        audit_event(2, user={"username": "mallory"}),
        audit_event(1, user={"username": "admin"}, impersonatedUser={"username": "mallory"}),
        audit_event(3, user={"username": "bob"}),
    )

    found = timeline(lake, matching=Matching(user_name="mallory")).to_pylist()

    assert [(row["user_name"], row["acting_as"]) for row in found] == [("admin", "mallory"), ("mallory", None)]


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_hold_every_request_once_while_events_arrive(lake: Lake, newest_first: bool) -> None:
    """Paging by the last row's time and id neither repeats nor loses what was there when it began."""
    put(lake, *(audit_event(n // 3, auditID=f"{n:08d}-0000-4000-8000-000000000000") for n in range(40)))
    seen: list[str] = []
    after = None
    for page in range(20):
        found = timeline(lake, limit=7, newest_first=newest_first, after=after).to_pylist()
        if not found:
            break
        seen += [row["event_id"] for row in found]
        after = (found[-1]["time"], found[-1]["event_id"])
        # New events behind the end where reading forward, and in front of the beginning where reading back.
        put(lake, audit_event((1000 if newest_first else -1000) + page))

    assert len(seen) == len(set(seen))
    assert len(seen) == 40


def test_findings_stand_in_the_timeline_at_their_first_request(lake: Lake) -> None:
    """Stored findings about the requests of a page come with it, and no others."""
    put(lake, audit_event(0), secret(5, verb="list", name=None, objectRef={"resource": "secrets", "namespace": None}))
    run = detect(lake, choose(load_catalog(), ["secrets-listed-cluster-wide"]))
    store(lake, run.findings)

    found = timeline(lake, matching=Matching(resource="secrets"), with_findings=True).to_pylist()
    none = timeline(lake, matching=Matching(resource="configmaps"), with_findings=True).to_pylist()

    assert [row["kind"] for row in found] == ["finding", "request"]
    assert found[0]["rule_id"] == "secrets-listed-cluster-wide"
    assert [row["kind"] for row in none] == ["request"]


@pytest.mark.parametrize("by", list(BY))
def test_a_pivot_adds_up(lake: Lake, by: str) -> None:
    """Every pivot works, and never counts more requests than there are."""
    extra = {
        "authentication.kubernetes.io/credential-id": ["JTI=1"],
        "authentication.kubernetes.io/pod-name": ["web-1"],
    }
    put(lake, *(secret(n, user=f"user-{n % 3}", responseStatus={"code": 200 if n % 4 else 403}) for n in range(12)))
    robot = secret(20, "robot")
    robot["user"]["extra"] = extra
    put(lake, robot)

    found = pivot(lake, by, matching=Matching(resource="secrets")).to_pylist()

    assert sum(row["requests"] for row in found) <= 13
    if by == "user":
        assert (found[0]["value"], found[0]["requests"], found[0]["denied"]) == ("user-0", 4, 1)


def test_an_unknown_pivot_is_refused_with_the_choices(lake: Lake) -> None:
    """What cannot be pivoted on is an error that lists what can."""
    with pytest.raises(UsageError, match="shoe_size") as caught:
        pivot(lake, "shoe_size")
    assert "source_ip" in str(caught.value.hint)


def test_an_identity_page_adds_up(lake: Lake) -> None:
    """Requests, refusals and times of the summary are those of the actions; impersonation shows both ways."""
    put(
        lake,
        audit_event(0, user={"username": "bob", "groups": ["dev"]}),
        audit_event(1, user={"username": "bob", "groups": ["dev"]}, responseStatus={"code": 403}),
        audit_event(2, user={"username": "bob", "groups": ["dev"]}, impersonatedUser={"username": "root"}),
        audit_event(3, user={"username": "admin"}, impersonatedUser={"username": "bob"}),
        audit_event(4, user={"username": "carol"}),
    )

    page = identity(lake, "bob")

    (summary,) = page.summary.to_pylist()
    assert (summary["requests"], summary["denied"], summary["denied_ratio"], summary["groups"]) == (4, 1, 0.25, ["dev"])
    assert sum(page.actions["requests"].to_pylist()) == 4
    assert (summary["first_seen"], summary["last_seen"]) == (NOON, NOON + timedelta(seconds=3))
    assert page.acted_as["user_name"].to_pylist() == ["root"]
    assert page.acted_by["user_name"].to_pylist() == ["admin"]


def test_an_unseen_identity_is_an_empty_page(lake: Lake) -> None:
    """A name that the log does not know gives no rows, not an error."""
    put(lake, audit_event(0))

    page = identity(lake, "nobody")

    assert page.summary.to_pylist()[0]["requests"] == 0
    assert page.actions.num_rows == page.findings.num_rows == 0


def test_a_session_has_two_ends(lake: Lake) -> None:
    """Start and end of one exec are one session with its length; one that the log does not see end has none."""
    uri = "/api/v1/namespaces/shop/pods/web/exec?command=sh&command=-c&command=id%20-u&container=a&tty=true"
    facts = {"verb": "get", "requestURI": uri, "objectRef": {"resource": "pods", "subresource": "exec", "name": "web"}}
    start = audit_event(0, facts, stage="ResponseStarted", responseStatus={"code": 101})
    end = audit_event(0, facts, responseStatus={"code": 101}, stageTimestamp=timestamp(NOON + timedelta(seconds=90)))
    other = audit_event(5, facts, stage="ResponseStarted", responseStatus={"code": 101})
    put(lake, start, end, other)

    found = sessions(lake).to_pylist()

    assert [(row["seconds"], row["ended"] is None) for row in found] == [(90.0, False), (None, True)]
    assert found[0]["command"] == ["sh", "-c", "id -u"]
    assert (found[0]["container"], found[0]["tty"], found[0]["stdin"], found[0]["kind"]) == (
        "a",
        True,
        False,
        "pods/exec",
    )
    assert len(found[0]["event_ids"]) == 2


def test_secret_access_knows_what_is_new(lake: Lake) -> None:
    """A principal that read a secret before the range is not new; a list shows every secret and says so."""
    later = TimeRange(NOON + timedelta(seconds=100))
    put(
        lake,
        secret(0, "alice"),
        secret(200, "alice"),
        secret(201, "mallory"),
        secret(202, "backup", "list", None),
        secret(203, "probe", responseStatus={"code": 403}),
    )

    found = {row["user_name"]: row for row in secret_access(lake, later, namespace="shop", name="login").to_pylist()}

    assert {name: row["is_new"] for name, row in found.items()} == {
        "alice": False, "mallory": True, "backup": True, "probe": False,
    }  # fmt: skip
    assert found["backup"]["name"] == "*"
    assert (found["probe"]["reads"], found["probe"]["refused"]) == (0, 1)
    assert found["alice"]["first_ever"] == NOON


def test_a_comparison_names_what_is_new_and_gone(lake: Lake) -> None:
    """Facts of both windows are in neither list."""
    put(lake, audit_event(0, user={"username": "old"}), audit_event(1, user={"username": "both"}))
    put(lake, audit_event(100, user={"username": "both"}), audit_event(101, user={"username": "fresh"}))
    middle = NOON + timedelta(seconds=50)

    found = compare(lake, TimeRange(None, middle), TimeRange(middle)).to_pylist()

    assert {(row["change"], row["fact"]) for row in found if row["kind"] == "user"} == {
        ("new", "fresh"),
        ("gone", "old"),
    }


def test_a_search_looks_into_bodies(lake: Lake) -> None:
    """Text in a body is found whatever its case, with what stands around it."""
    put(
        lake,
        audit_event(0, level="Request", verb="create", requestObject={"data": {"key": "before Needle after"}}),
        audit_event(1),
    )

    (found,) = search(lake, "needle").to_pylist()

    assert (found["place"], "before Needle after" in found["snippet"]) == ("request_object", True)


def test_a_search_for_next_to_nothing_is_refused(lake: Lake) -> None:
    """Two characters match everything."""
    with pytest.raises(UsageError, match="three characters"):
        search(lake, "a ")


DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "web", "resourceVersion": "1", "labels": {"a/b": "1"}},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
}


def write(number: int, verb: str, body: Any, **fields: Any) -> dict[str, Any]:
    reference = {"resource": "deployments", "apiGroup": "apps", "namespace": "shop", "name": "web"}
    own = {"level": "Request", "verb": verb, "objectRef": reference, "requestObject": body}
    return audit_event(number, own, fields)


def test_an_object_has_a_history(lake: Lake) -> None:
    """Versions follow from whole objects and patches of every form; the server's bookkeeping is no change."""
    put(
        lake,
        write(0, "create", DEPLOYMENT, responseStatus={"code": 201}),
        write(1, "patch", {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "evil:1"}]}}}}),
        write(
            2,
            "patch",
            [
                {"op": "remove", "path": "/metadata/labels/a~1b"},
                {"op": "replace", "path": "/spec/replicas", "value": 3},
            ],
        ),
        write(3, "patch", {"spec": {"replicas": 9}}, requestURI="/apis/apps/v1/x?dryRun=All"),
        write(4, "update", {**DEPLOYMENT, "spec": {"replicas": 0}}, responseStatus={"code": 403}),
        write(5, "patch", {"metadata": {"resourceVersion": "7"}}),
        write(6, "delete", None),
    )

    found = object_history(lake, "deployments", "web", "shop").to_pylist()

    told = [
        None
        if row["changes"] is None
        else {(c["operation"], c["path"], json.dumps(c["after"])) for c in json.loads(row["changes"])}
        for row in found
    ]
    assert [row["known_by"] for row in found] == ["request", "patch", "patch", None, None, "patch", "delete"]
    assert told[1] == {("replace", "/spec/template/spec/containers/web/image", '"evil:1"')}
    assert told[2] == {("remove", "/metadata/labels/a~1b", "null"), ("replace", "/spec/replicas", "3")}
    assert told[3:6] == [None, None, set()]
    assert (told[0], told[6]) == (None, None)
    assert (found[0]["object"] is not None, found[6]["object"]) == (True, None)
    assert [row["applied"] for row in found] == [True, True, True, False, False, True, True]


def test_what_the_level_hides_is_said(lake: Lake) -> None:
    """Without bodies a write is listed and its change is unknown; the stored object in an answer brings it back."""
    put(
        lake,
        write(0, "patch", None),
        write(1, "patch", {"spec": {"replicas": 2}}, level="RequestResponse", responseObject=DEPLOYMENT),
        write(2, "patch", {"spec": {"replicas": 5}}),
    )

    found = object_history(lake, "deployments", "web", "shop").to_pylist()

    assert [(row["known_by"], row["changes"] is None) for row in found] == [
        (None, True),
        ("response", True),
        ("patch", False),
    ]


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@given(values)
def test_nothing_changed_is_no_change(value: Any) -> None:
    """An object compared with itself has no differences."""
    assert changes(value, json.loads(json.dumps(value))) == []


@given(values, values)
def test_every_difference_shows_from_both_sides(before: Any, after: Any) -> None:
    """What differs gives changes, and turning the sides around gives the same paths the other way round."""
    there, back = changes(before, after), changes(after, before)

    assert bool(there) == (json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True) and before != after)
    assert [(c.path, c.before, c.after) for c in there] == [(c.path, c.after, c.before) for c in back]
