"""The views that rules stand on: every form of a write shows the same facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.views import create_views
from ingest.rows import rows
from lake.delta import Lake
from lake.query import connect
from tests.builders import NOON, REMOVE, audit_event

RBAC = "rbac.authorization.k8s.io"


def shown(folder: Path, query: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """What *query* over the detections' views gives for a lake of *events*."""
    lake = Lake.open(folder / "lake", create=True)
    lake.append("events", rows([json.dumps(event).encode() for event in events], "prod", "apiserver", NOON))
    with connect(lake) as con:
        create_views(con)
        return con.execute(query).to_arrow_table().to_pylist()


def write(verb: str, resource: str, body: Any, number: int = 0, group: str = "", **fields: Any) -> dict[str, Any]:
    group = group or ("argoproj.io" if resource == "rollouts" else "")
    code = 201 if verb == "create" else 200
    reference = {"resource": resource, "namespace": "shop", "name": "web", "apiGroup": group or REMOVE}
    own = {
        "level": "Request",
        "verb": verb,
        "objectRef": reference,
        "requestObject": body,
        "responseStatus": {"code": code},
    }
    return audit_event(number, own, fields)


POD = {"containers": [{"name": "a", "image": "web:1", "securityContext": {"privileged": True}}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
WORKLOADS = [
    ("pods", {"spec": POD}, "/spec"),
    ("deployments", {"spec": {"replicas": 1, "template": TEMPLATE}}, "/spec/template/spec"),
    ("daemonsets", {"spec": {"template": TEMPLATE}}, "/spec/template/spec"),
    ("statefulsets", {"spec": {"template": TEMPLATE}}, "/spec/template/spec"),
    ("replicasets", {"spec": {"template": TEMPLATE}}, "/spec/template/spec"),
    ("replicationcontrollers", {"spec": {"template": TEMPLATE}}, "/spec/template/spec"),
    ("jobs", {"spec": {"template": TEMPLATE}}, "/spec/template/spec"),
    ("cronjobs", {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}}, "/spec/jobTemplate/spec/template/spec"),
    ("podtemplates", {"template": TEMPLATE}, "/template/spec"),
    ("rollouts", {"spec": {"template": TEMPLATE}}, "/spec/template/spec"),
]


@pytest.mark.parametrize(("resource", "body", "path"), WORKLOADS, ids=[workload[0] for workload in WORKLOADS])
def test_a_container_is_seen_in_every_form_of_a_write(tmp_path: Path, resource: str, body: Any, path: str) -> None:
    """Created, replaced, merged, applied or patched at any depth: the privileged container shows each time."""
    container = POD["containers"][0]
    parent, _, last = path.rpartition("/")
    forms = [
        write("create", resource, body, 0),
        write("update", resource, body, 1),
        write("patch", resource, body, 2),
        write("patch", resource, [{"op": "replace", "path": path, "value": POD}], 3),
        write("patch", resource, [{"op": "add", "path": parent, "value": {last: POD}}], 4),
        write("patch", resource, [{"op": "add", "path": f"{path}/containers/-", "value": container}], 5),
        write("patch", resource, [{"op": "add", "path": f"{path}/initContainers/0", "value": container}], 6),
        write("patch", resource, [{"op": "replace", "path": "", "value": body}], 7),
    ]

    found = shown(
        tmp_path,
        "SELECT request_received_at, container_kind, json_extract_string(container, '$.securityContext.privileged') AS privileged "
        "FROM containers ORDER BY ALL",
        *forms,
    )

    assert [row["container_kind"] for row in found] == ["container"] * 6 + ["init", "container"]
    assert {row["privileged"] for row in found} == {"true"}


def test_the_stored_object_is_shown_whole_where_the_level_shows_it(tmp_path: Path) -> None:
    """Of a patch that names one container, the object as stored tells the others."""
    stored = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}}}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b"}]}}}}
    event = write("patch", "deployments", patch, level="RequestResponse", responseObject=stored)

    found = shown(
        tmp_path, "SELECT json_extract_string(container, '$.name') AS name FROM containers ORDER BY name", event
    )

    assert [row["name"] for row in found] == ["a", "b"]


def test_ephemeral_containers_are_containers(tmp_path: Path) -> None:
    """`kubectl debug` writes a subresource of the pod; what it adds is shown as ephemeral."""
    body = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "busybox"}]}}
    event = write("patch", "pods", body)
    event["objectRef"]["subresource"] = "ephemeralcontainers"

    found = shown(
        tmp_path, "SELECT container_kind, json_extract_string(container, '$.image') AS image FROM containers", event
    )

    assert found == [{"container_kind": "ephemeral", "image": "busybox"}]


def test_other_subresources_and_kinds_are_no_workload(tmp_path: Path) -> None:
    """A status update and a ConfigMap that looks like a pod are not pod specs."""
    status = write("update", "deployments", {"spec": {"template": TEMPLATE}}, 0)
    status["objectRef"]["subresource"] = "status"
    lookalike = write("create", "configmaps", {"spec": {"template": TEMPLATE}}, 1)

    assert shown(tmp_path, "SELECT * FROM pod_specs", status, lookalike) == []


SUBJECT = {"kind": "User", "name": "mallory"}
REFERENCE = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
BINDING = {"kind": "ClusterRoleBinding", "metadata": {"name": "web"}, "roleRef": REFERENCE, "subjects": [SUBJECT]}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("create", BINDING),
        ("update", BINDING),
        ("patch", {"subjects": [SUBJECT]}),
        ("patch", [{"op": "add", "path": "/subjects/-", "value": SUBJECT}]),
        ("patch", [{"op": "replace", "path": "/subjects", "value": [SUBJECT]}]),
        ("patch", [{"op": "replace", "path": "/subjects/0", "value": SUBJECT}]),
    ],
)
def test_a_subject_is_seen_with_its_role(tmp_path: Path, verb: str, body: Any) -> None:
    """The role comes from the request, or from the object as stored where the request names none."""
    event = write(verb, "clusterrolebindings", body, group=RBAC, level="RequestResponse", responseObject=BINDING)

    found = shown(tmp_path, "SELECT subject_kind, subject_name, role_kind, role_name FROM rbac_subjects", event)

    expected = {
        "subject_kind": "User",
        "subject_name": "mallory",
        "role_kind": "ClusterRole",
        "role_name": "cluster-admin",
    }
    assert found == [expected]


def test_a_role_is_remembered_for_patches_that_do_not_name_it(tmp_path: Path) -> None:
    """At level Request a patch of subjects says no role: the binding's creation, seen before, does."""
    created = write("create", "clusterrolebindings", BINDING, 0, RBAC)
    patched = write("patch", "clusterrolebindings", [{"op": "add", "path": "/subjects/-", "value": SUBJECT}], 1, RBAC)

    found = shown(tmp_path, "SELECT role_name FROM rbac_subjects WHERE verb = 'patch'", created, patched)

    assert found == [{"role_name": "cluster-admin"}]


RULE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("create", {"rules": [RULE]}),
        ("update", {"rules": [RULE]}),
        ("patch", {"rules": [RULE]}),
        ("patch", [{"op": "add", "path": "/rules/-", "value": RULE}]),
        ("patch", [{"op": "replace", "path": "/rules", "value": [RULE]}]),
        ("patch", [{"op": "add", "path": "/rules/0/verbs/-", "value": "get"}]),
    ],
)
def test_a_rule_entry_is_seen_whole(tmp_path: Path, verb: str, body: Any) -> None:
    """Verbs and resources of one entry stand together, even where a patch touched only its verbs."""
    stored = {"kind": "ClusterRole", "rules": [RULE]}
    event = write(verb, "clusterroles", body, group=RBAC, level="RequestResponse", responseObject=stored)

    found = shown(tmp_path, "SELECT rule_verbs, rule_resources, rule_api_groups FROM rbac_rules", event)

    assert found == [{"rule_verbs": ["get"], "rule_resources": ["secrets"], "rule_api_groups": [""]}]


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_command_is_decoded_from_the_uri(tmp_path: Path, verb: str) -> None:
    """WebSocket (get) and SPDY (create) sessions show the command, however it is escaped and wherever it stands."""
    uri = "/api/v1/namespaces/shop/pods/web/exec?stdin=true&command=sh&command=-c&tty=1&command=cat%20%2Fetc%2Fshadow+x&container=a"
    event = audit_event(0, verb=verb, requestURI=uri, objectRef={"resource": "pods", "subresource": "exec"})

    (found,) = shown(tmp_path, "SELECT command, container_name, stdin, tty FROM exec_commands", event)

    assert found == {"command": ["sh", "-c", "cat /etc/shadow x"], "container_name": "a", "stdin": True, "tty": True}


@pytest.mark.parametrize(
    ("uri", "dry"),
    [
        ("/x?dryRun=All", True),
        ("/x?fieldManager=a&dryRun=All", True),
        ("/x?dry%52un=All", True),
        ("/x?dryRun=", False),
        ("/x?name=dryRun=All", False),
        ("/x", False),
    ],
)
def test_a_dry_run_is_no_write(tmp_path: Path, uri: str, dry: bool) -> None:
    """dryRun=All in any spelling that the kube-apiserver reads means that nothing was stored."""
    event = write("create", "pods", {"spec": POD}, requestURI=uri)

    (found,) = shown(tmp_path, "SELECT applied FROM written_documents", event)

    assert found["applied"] is not dry


escaped = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8).filter(
    lambda text: text != "-" and not text.isdigit()
)


@given(key=escaped, value=st.one_of(st.text(max_size=5), st.integers(-5, 5), st.booleans(), st.none()))
def test_a_json_patch_reads_as_the_document_it_makes(
    key: str, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A path with ~0, ~1, quotes or any other character becomes a key of exactly that name (RFC 6901)."""
    path = "/metadata/labels/" + key.replace("~", "~0").replace("/", "~1")
    with duckdb.connect() as con:
        con.execute("CREATE TABLE requests (verb VARCHAR, request_object VARCHAR, response_object VARCHAR, name VARCHAR, "
                    "response_code INTEGER, request_uri VARCHAR)")  # fmt: skip
        body = json.dumps([{"op": "add", "path": path, "value": value}])
        con.execute("INSERT INTO requests VALUES ('patch', $body, NULL, 'n', 200, '/x')", {"body": body})
        for sql in ("10_macros.sql", "20_written_documents.sql"):
            con.execute((Path(__file__).resolve().parents[2] / "detections/views" / sql).read_text())
        (document,) = con.execute("SELECT document FROM written_documents").fetchall()[0]

    assert json.loads(document) == {"metadata": {"labels": {key: value}}}
