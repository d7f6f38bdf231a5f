"""Secrets never reach the disk, whatever form they travel in; everything else stays as it was."""

from __future__ import annotations

import base64
import copy
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event import Quarantined
from ingest.redact import Redactor, accept, load_redactor
from ingest.rows import quarantine_rows, rows
from lake.delta import Lake
from lake.errors import AshiatoError
from tests.builders import NOON, audit_event, item, line, patched, secret_write, with_raw_body

REDACTOR = Redactor(b"\x07" * 32)

# Marked, so that it cannot occur by chance, and long enough to be found in base64 at any offset.
secret_values = st.text(min_size=0, max_size=12).map(lambda text: f"s3cr3t-{text}-hunter2")


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def accepted(event: dict[str, Any] | bytes) -> bytes:
    found = accept(event if isinstance(event, bytes) else line(event), REDACTOR)
    assert isinstance(found, bytes), found
    return found


def traces(value: str) -> list[bytes]:
    """What must not be found: the value and its mark in plain, JSON, base64 at every offset, and URL escapes."""
    found = [value.encode(), b"s3cr3t-", b"hunter2", json.dumps(value)[1:-1].encode()]
    # Of base64 only the characters that no neighbour takes part in.
    found += [base64.b64encode(b"\0" * offset + b"s3cr3t-")[4 if offset else 0 : 8] for offset in range(3)]
    found += [quote(value).encode(), quote_plus(value).encode(), quote(b64(value)).encode()]
    return found


def assert_hidden(value: str, *texts: bytes) -> None:
    for text in texts:
        for trace in traces(value):
            assert trace not in text, (trace, text)


def apply_annotation(value: str) -> dict[str, Any]:
    applied = {"apiVersion": "v1", "kind": "Secret", "data": {"p": b64(value)}, "stringData": {"q": value}}
    return {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)}


def secret(value: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "annotations": apply_annotation(value)},
        "data": {"password": b64(value), "tls.key": b64(f"-----{value}-----")},
        "stringData": {"plain": value},
        "type": "Opaque",
    }


def operations(value: str) -> list[dict[str, Any]]:
    annotation = json.dumps(secret(value))
    return [
        {"op": "replace", "path": "/data/password", "value": b64(value)},
        {"op": "test", "path": "/data/a~1b~0c", "value": b64(value)},
        {"op": "add", "path": "/stringData/plain", "value": value},
        {"op": "add", "path": "/data", "value": {"password": b64(value)}},
        {"op": "add", "path": "/stringData", "value": {"deep": {"er": [value]}}},
        {"op": "replace", "path": "", "value": secret(value)},
        {"op": "add", "path": "/data/nested/deeper", "value": {"x": [b64(value)]}},
        {"op": "add", "path": "/metadata/annotations", "value": apply_annotation(value)},
        {
            "op": "add",
            "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
            "value": annotation,
        },
        {"path": "/data/no-op", "value": b64(value)},
        {"op": "remove", "path": "/data/old"},
    ]


Form = Callable[[str], dict[str, Any] | bytes]


def response(event: dict[str, Any], body: Any) -> dict[str, Any]:
    return {**event, "level": "RequestResponse", "responseObject": body}


def read(body: Any, **fields: Any) -> dict[str, Any]:
    reference = {"objectRef": {"resource": "secrets", "name": "login"}}
    return response(audit_event(0, reference, fields), body)


def other_kind(body: Any, resource: str = "manifestworks", **fields: Any) -> dict[str, Any]:
    reference = {"objectRef": {"resource": resource, "apiGroup": "example.com"}}
    return audit_event(0, reference, {"level": "Request", "verb": "create", "requestObject": body}, fields)


def token_event(subresource: str | None, resource: str, **bodies: Any) -> dict[str, Any]:
    reference: dict[str, Any] = {"resource": resource, "name": "web"}
    if subresource:
        reference["subresource"] = subresource
    return audit_event(0, {"objectRef": reference, "verb": "create", "level": "RequestResponse"}, bodies)


def failed(message: str, value: str) -> dict[str, Any]:
    status = {
        "status": "Failure",
        "reason": "Invalid",
        "message": message,
        "details": {"name": "login", "causes": [{"reason": "FieldValueInvalid", "message": message, "field": "data"}]},
        "code": 422,
    }
    event = secret_write("update", secret(value), responseStatus=status)
    return response(event, {"kind": "Status", "apiVersion": "v1", "metadata": {}, **status})


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


FORMS: dict[str, Form] = {
    "object": lambda v: secret_write("create", secret(v)),
    "object without kind": lambda v: secret_write("update", {"data": {"a": b64(v)}, "stringData": {"b": v}}),
    "object read": lambda v: read(secret(v)),
    "list": lambda v: read({"kind": "SecretList", "apiVersion": "v1", "items": [secret(v), {"data": {"x": b64(v)}}]}),
    "table": lambda v: read(
        {"kind": "Table", "rows": [{"cells": ["login", "Opaque", 2], "object": secret(v)}], "columnDefinitions": []}
    ),
    "watch": lambda v: read({"type": "ADDED", "object": secret(v)}, verb="watch"),
    "v1 List": lambda v: other_kind({"kind": "List", "apiVersion": "v1", "items": [secret(v)]}, "lists"),
    "other kind": lambda v: other_kind({"spec": {"workload": {"manifests": [secret(v)]}}}),
    "other kind's annotation": lambda v: other_kind(
        {"metadata": {"annotations": {"x/last-applied-configuration": json.dumps({"spec": [secret(v)]})}}}
    ),
    "other kind, escaped": lambda v: with_raw_body(
        other_kind(None, verb="patch"),
        json.dumps({"spec": secret(v)}).replace("Secret", escaped("Secret")).encode(),
    ),
    "strategic merge patch": lambda v: secret_write("patch", {"data": {"p": b64(v)}, "$setElementOrder/x": []}),
    "merge patch": lambda v: secret_write("patch", {"stringData": {"p": v, "gone": None}}),
    "misspelt": lambda v: secret_write("patch", {"Data": {"p": b64(v)}, "stringdata": {"p": v}}),
    "server-side apply": lambda v: secret_write(
        "patch", {"apiVersion": "v1", "kind": "Secret", "data": {"p": b64(v)}}, requestURI="/x?fieldManager=kubectl"
    ),
    "json patch": lambda v: secret_write("patch", operations(v)),
    "odd json patch": lambda v: secret_write("patch", [5, *operations(v), "x", None]),
    "single operation": lambda v: secret_write("patch", operations(v)[0]),
    "escaped json patch": lambda v: with_raw_body(
        secret_write("patch", None),
        (
            f'[{{"{escaped("op")}":"add","{escaped("path")}":"{escaped("/data/p")}","value":"{escaped(b64(v))}"}},'
            f'{{"op":"add","path":"{escaped("/stringData")}","value":{{"q":{json.dumps(v)}}}}}]'
        ).encode(),
    ),
    "duplicate keys": lambda v: with_raw_body(
        secret_write("patch", None), json.dumps({"data": {"p": b64(v)}})[:-1].encode() + b',"data":null}'
    ),
    "shadowed by a duplicate": lambda v: with_raw_body(
        other_kind(None, verb="patch"), json.dumps({"spec": secret(v)})[:-1].encode() + b',"spec":1}'
    ),
    "half a pair": lambda v: with_raw_body(
        secret_write("patch", None), json.dumps({"data": {"p": b64(v)}, "x": "@"}).replace("@", r"\ud800").encode()
    ),
    "not utf-8": lambda v: with_raw_body(
        secret_write("patch", None), json.dumps({"data": {"p": b64(v)}, "x": "@"}).encode().replace(b"@", b"\xff")
    ),
    "infinite": lambda v: with_raw_body(
        secret_write("patch", None), json.dumps({"data": {"p": b64(v)}})[:-1].encode() + b',"n":1e999}'
    ),
    "long number": lambda v: with_raw_body(
        secret_write("patch", None), json.dumps({"data": {"p": b64(v)}})[:-1].encode() + b',"n":' + b"9" * 5000 + b"}"
    ),
    "deep": lambda v: with_raw_body(
        secret_write("patch", None),
        b'{"a":[' * 350 + json.dumps({"data": {"p": b64(v)}}).encode() + b"]}" * 350,
    ),
    "below the limit": lambda v: with_raw_body(
        secret_write("patch", None),
        b'{"a":[' * 95 + json.dumps({"data": {"p": b64(v)}}).encode() + b"]}" * 95,
    ),
    "deep annotation": lambda v: secret_write(
        "create",
        {"metadata": {"annotations": {"last-applied-configuration": "[" * 800 + json.dumps(secret(v)) + "]" * 800}}},
    ),
    "a string": lambda v: secret_write("patch", json.dumps({"data": {"p": b64(v)}, "stringData": {"p": v}})),
    "last applied": lambda v: secret_write("patch", {"metadata": {"annotations": apply_annotation(v)}}),
    "nested last applied": lambda v: secret_write(
        "patch",
        {
            "metadata": {
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                        {"metadata": {"annotations": apply_annotation(v)}}
                    )
                }
            }
        },
    ),
    "unknown field": lambda v: {**secret_write("get", None), "oldObject": secret(v)},
    "unknown user field": lambda v: patched(secret_write("get", None), {"user": {"more": secret(v)}}),
    "token request": lambda v: token_event(
        "token",
        "serviceaccounts",
        requestObject={"kind": "TokenRequest", "spec": {"audiences": ["a"]}},
        responseObject={"kind": "TokenRequest", "spec": {"audiences": ["a"]}, "status": {"token": v}},
    ),
    "token request without kind": lambda v: token_event(
        "token", "serviceaccounts", responseObject={"status": {"token": v, "expirationTimestamp": "t"}}
    ),
    "token review": lambda v: token_event(
        None, "tokenreviews", requestObject={"kind": "TokenReview", "spec": {"token": v}}
    ),
    "token review answered": lambda v: token_event(
        None,
        "tokenreviews",
        responseObject={"kind": "TokenReview", "spec": {"token": v}, "status": {"authenticated": True}},
    ),
    "bootstrap token": lambda v: secret_write(
        "create",
        {
            "kind": "Secret",
            "type": "bootstrap.kubernetes.io/token",
            "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
            "stringData": {"token-id": "abcdef", "token-secret": v},
        },
    ),
    "webhook patch": lambda v: secret_write(
        "create",
        secret(v),
        annotations={
            "patch.webhook.admission.k8s.io/round_0_index_0": json.dumps(
                {
                    "configuration": "c",
                    "webhook": "w",
                    "patch": [{"op": "add", "path": "/data/injected", "value": b64(v)}],
                    "patchType": "JSONPatch",
                }
            )
        },
    ),
    "webhook patch of another kind": lambda v: other_kind(
        {"spec": {}},
        annotations={
            "patch.webhook.admission.k8s.io/round_0_index_0": json.dumps(
                {"patch": [{"op": "add", "path": "/spec/manifests/0", "value": secret(v)}]}
            )
        },
    ),
    "invalid value": lambda v: failed(f'Secret "login" is invalid: data[p]: Invalid value: "{v}": no', v),
    "invalid map": lambda v: failed(f'patch: Invalid value: "map[data:map[p:{b64(v)}] kind:Secret]": no', v),
    "several errors": lambda v: failed(
        f'[type: Required value, data[p]: Invalid value: "{v}", x: Invalid value: 1]', v
    ),
    "unsupported": lambda v: failed(f'type: Unsupported value: "{v}": supported values: "a"', v),
    "decoder": lambda v: failed(f"error decoding: {json.dumps(secret(v))}", v),
    "decoder's context": lambda v: failed(
        f'illegal base64 data, error found in #10 byte of ...|word":"{v}"}},"k|..., bigger context ...|x|...', v
    ),
    "go map": lambda v: failed(f"cannot convert map[data:map[p:{v}]] to Secret", v),
    "yaml": lambda v: failed(f"error converting YAML to JSON: line 1: cannot unmarshal !!str `{v}` into Secret", v),
    "escaped in message": lambda v: failed(f"cannot handle {json.dumps(json.dumps(secret(v)))}", v),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@given(value=secret_values)
def test_secret_values_are_nowhere_in_accepted_text(form: Form, value: str) -> None:
    """A secret value is gone in plain, base64 and URL-encoded form, and a second redaction changes nothing."""
    once = accepted(form(value))

    assert_hidden(value, once)
    assert accepted(once) == once
    assert rows([once], "c", "s", NOON)["event_id"] == rows([accepted(once)], "c", "s", NOON)["event_id"]


def test_no_byte_under_the_lake_holds_a_secret(tmp_path: Path) -> None:
    """Nothing under the lake's folder holds a secret value: tables, log, statistics, quarantine."""
    value = "s3cr3t-völlig-hunter2"
    lake = Lake.open(tmp_path / "lake", create=True)
    texts = [accepted(form(value)) for form in FORMS.values()]
    broken = [
        Quarantined("json-invalid", "not JSON", line(secret_write("create", secret(value)))[:-9], "webhook"),
        *(
            found
            for patch in ({"user": 5}, {"stage": 7}, {"kind": "X"}, {"stageTimestamp": "never"})
            if isinstance(
                found := accept(line({**secret_write("create", secret(value)), **patch}), REDACTOR), Quarantined
            )
        ),
    ]
    assert len(broken) == 5

    lake.append("events", rows(texts, "prod", "apiserver", NOON))
    lake.append("quarantine", quarantine_rows(broken, "prod", "apiserver", NOON, REDACTOR))

    files = [path for path in (tmp_path / "lake").rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert_hidden(value, path.read_bytes())
    # Parquet is compressed: look at the values too.
    import pyarrow.parquet as pq

    for path in files:
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            assert_hidden(value, repr(table.to_pylist()).encode())


# --- query strings ----------------------------------------------------------------------------------

CREDENTIALS = [
    "token", "Token", "TOKEN", "access_token", "access-token", "accessToken", "id_token", "refresh_token", "password",
    "passwd", "pwd", "Secret", "client_secret", "api_key", "apikey", "api-key", "X-Amz-Signature",
    "X-Amz-Security-Token", "X-Amz-Credential", "sig", "Authorization", "bearer", "to%6ben", "%74oken", "%20token",
    "token+", "access%5Ftoken", "AcCeSs%5ftOkEn",
]  # fmt: skip


@pytest.mark.parametrize("name", CREDENTIALS)
@given(value=secret_values, where=st.sampled_from(["?{}", "?watch=true&{}", "?{}&limit=5", "?a=b;{}", "?x=?&{}&y"]))
def test_credentials_in_a_query_are_taken_out(name: str, value: str, where: str) -> None:
    """A credential in the query string is gone, however its name is spelt and its value encoded."""
    for encoded in (quote_plus(value), quote(value, safe=""), "".join(f"%{byte:02X}" for byte in value.encode())):
        path = "/api/v1/namespaces/shop/services/web/proxy/login"
        uri = path + where.format(f"{name}={encoded}")

        once = accepted(audit_event(requestURI=uri))

        assert_hidden(value, once)
        assert encoded.encode() not in once
        clean = json.loads(once)["requestURI"]
        assert clean == uri.replace(encoded, REDACTOR.fingerprint(value.encode()))
        assert accepted(once) == once


@pytest.mark.parametrize(
    "query",
    ["watch=true&resourceVersion=7", "labelSelector=app%3Dtoken", "command=sh&command=-c&command=cat+token",
     "fieldManager=auth", "token=", "token", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEi", "tokens=3", "dryRun=All",
     "name%3Dx=token%3Dy", "&&;=?=&"],
)  # fmt: skip
def test_other_parameters_stay(query: str) -> None:
    """A query without credentials stays byte for byte."""
    raw = line(audit_event(requestURI=f"/api/v1/pods?{query}"))

    assert accepted(raw) is raw


def test_a_credential_is_not_hidden_by_looking_like_a_fingerprint() -> None:
    """A value that merely begins like a fingerprint is taken out like any other."""
    assert b"hunter2" not in accepted(audit_event(requestURI="/x?token=redacted:hunter2"))
    body = {"stringData": {"a": "redacted:hunter2", "b": "Invalid value: redacted:hunter2"}}
    assert b"hunter2" not in accepted(secret_write("create", body))


@pytest.mark.parametrize(
    "uri",
    ["/x?" + "%" * 300_000, "/x?" + "?" * 300_000, "/x?" + "&" * 300_000, "/x?" + "token" * 60_000,
     "/x?" + "a%20" * 80_000 + "=", "/x?" + "&token=" * 40_000],
    ids=["percent", "question", "ampersand", "name", "encoded", "many"],
)  # fmt: skip
def test_long_queries_take_linear_time(uri: str) -> None:
    """A client cannot keep the sink busy with a long, odd query string."""
    began = time.process_time()

    accepted(audit_event(requestURI=uri))

    assert time.process_time() - began < 2


# --- what stays -------------------------------------------------------------------------------------


def test_nothing_else_changes() -> None:
    """Redaction replaces the secret values and leaves every other value as it was."""
    value = "s3cr3t-hunter2"
    event = response(secret_write("create", secret(value)), {**secret(value), "immutable": True, "n": [1, 2.5, None]})

    found = json.loads(accepted(event))

    expected = copy.deepcopy(event)
    for name in ("requestObject", "responseObject"):
        body = expected[name]
        plain = REDACTOR.fingerprint(value.encode())
        body["data"] = {"password": plain, "tls.key": REDACTOR.fingerprint(f"-----{value}-----".encode())}
        body["stringData"] = {"plain": plain}
        key = "kubectl.kubernetes.io/last-applied-configuration"
        applied = json.loads(found[name]["metadata"]["annotations"].pop(key))
        body["metadata"]["annotations"].pop(key)
        assert applied == {"apiVersion": "v1", "kind": "Secret", "data": {"p": plain}, "stringData": {"q": plain}}
    assert found == expected


@pytest.mark.parametrize(
    "event",
    [
        audit_event(),
        audit_event(0, level="Request", verb="create", requestObject={"kind": "ConfigMap", "data": {"a": "b"}}),
        audit_event(0, level="Request", verb="create", requestObject={"spec": {"imagePullSecrets": [{"name": "x"}]}}),
        audit_event(0, requestObject={"kind": "SecretStore", "data": {"a": "b"}, "note": "Invalid value: 5"}),
        audit_event(0, verb="patch", requestObject=[{"op": "add", "path": "/data/Secret", "value": "x"}]),
        secret_write("delete", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}),
        secret_write("get", None, responseStatus={"code": 404, "message": 'secrets "login" not found', "details": {}}),
        secret_write("patch", {"metadata": {"labels": {"a": "b"}}}),
        secret_write("patch", [{"op": "remove", "path": "/data/old"}, {"op": "test", "path": "/type", "value": "T"}]),
        token_event("token", "serviceaccounts", requestObject={"kind": "TokenRequest", "spec": {"audiences": ["a"]}}),
        token_event(None, "tokenreviews", responseObject={"status": {"authenticated": False, "error": "no"}}),
    ],
)
def test_events_without_secrets_stay_byte_for_byte(event: dict[str, Any]) -> None:
    """What holds no secret value is passed on as the very bytes that came."""
    for raw in (line(event), item(event)):
        assert accepted(raw) is raw


def test_a_hostile_body_is_not_hidden_by_the_word_secret() -> None:
    """An odd patch of a Pod that mentions secrets keeps its column: a client cannot hide it from the rules."""
    spec = b'{"spec":{"hostPID":true,"imagePullSecrets":[{"name":"Secret"}]}'
    for body in (
        spec + b',"x":1,"x":2}',
        spec + rb',"x":"\ud800"}',
        spec + b',"x":1e999}',
        spec + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        spec + b',"x":' + b"9" * 5000 + b"}",
    ):
        event = audit_event(0, {"objectRef": {"resource": "pods"}, "verb": "patch", "level": "Request"})
        row = rows([accepted(with_raw_body(event, body))], "c", "s", NOON).to_pylist()[0]
        assert json.loads(row["request_object"])["spec"]["hostPID"] is True


def test_numbers_survive_a_neighbouring_secret() -> None:
    """Numbers of any size beside a secret keep their value."""
    body = {"data": {"p": b64("s3cr3t")}, "big": 2**70, "negative": -(2**70), "float": 1.5e300, "small": 5e-324}

    found = json.loads(accepted(secret_write("create", body)))["requestObject"]

    assert {name: found[name] for name in body if name != "data"} == {n: v for n, v in body.items() if n != "data"}


# --- fingerprints -----------------------------------------------------------------------------------


def fingerprints(body: dict[str, Any], redactor: Redactor = REDACTOR) -> dict[str, str]:
    found = accept(line(secret_write("create", body)), redactor)
    assert isinstance(found, bytes)
    clean = json.loads(found)["requestObject"]
    return {**clean.get("data", {}), **clean.get("stringData", {})}


@given(st.one_of(st.text(), st.sampled_from(["test", "aGVsbG8=", "0000", "", "=", "abcd\n"])))
def test_equal_values_have_equal_fingerprints(value: str) -> None:
    """A value has one fingerprint, in data (base64, also wrapped) as in stringData, also if it looks like base64."""
    encoded = b64(value)
    wrapped = "\r\n".join(encoded[at : at + 3] for at in range(0, len(encoded), 3))

    found = fingerprints({"data": {"a": encoded, "b": wrapped}, "stringData": {"c": value}})

    assert set(found.values()) == {REDACTOR.fingerprint(value.encode())}


@given(st.binary(), st.binary())
def test_different_values_and_keys_have_different_fingerprints(one: bytes, other: bytes) -> None:
    """Different values differ, and so does one value under another key."""
    assert (REDACTOR.fingerprint(one) == REDACTOR.fingerprint(other)) == (one == other)
    assert REDACTOR.fingerprint(one) != Redactor(b"\x08" * 32).fingerprint(one)


def test_a_fingerprint_tells_nothing_without_the_key() -> None:
    """The redactor does not show its key, and its fingerprint is no plain hash."""
    import hashlib

    assert "0707" not in repr(REDACTOR)
    assert hashlib.sha256(b"x").hexdigest()[:24] not in REDACTOR.fingerprint(b"x")


# --- sealing and keys -------------------------------------------------------------------------------


@given(st.binary())
def test_seal_and_unseal(payload: bytes) -> None:
    """Sealed bytes open with the same key only, and only unaltered; sealing twice looks different."""
    sealed = REDACTOR.seal(payload)

    assert REDACTOR.unseal(sealed) == payload
    assert sealed != REDACTOR.seal(payload)
    for bad in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", b"short"):
        with pytest.raises(AshiatoError) as caught:
            REDACTOR.unseal(bad)
        assert caught.value.code == "seal-broken"
    with pytest.raises(AshiatoError):
        Redactor(b"\x08" * 32).unseal(sealed)


def test_a_redactor_travels_to_workers() -> None:
    """A pickled redactor gives the same fingerprints."""
    import pickle

    assert pickle.loads(pickle.dumps(REDACTOR)).fingerprint(b"x") == REDACTOR.fingerprint(b"x")


def test_the_key_is_made_once(tmp_path: Path) -> None:
    """The key file is made with mode 0600 in folders that are made, and read from then on."""
    path = tmp_path / "a" / "b" / "redaction.key"

    first, second = load_redactor(path), load_redactor(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert first.key_id == second.key_id
    assert [entry.name for entry in path.parent.iterdir()] == ["redaction.key"]


def test_two_starters_get_one_key(tmp_path: Path) -> None:
    """However many start at the same moment, all of them have the one key that is in the file."""
    for attempt in range(20):
        path = tmp_path / str(attempt) / "redaction.key"
        found: list[Any] = []
        barrier = threading.Barrier(4)

        def start(path: Path = path, found: list[Any] = found, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                found.append(load_redactor(path).key_id)
            except AshiatoError as error:
                found.append(error)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [load_redactor(path).key_id] * 4


def test_a_bad_key_file_says_so(tmp_path: Path) -> None:
    """A key file that others can read, that is no key, or that cannot be made is refused with a code."""
    path = tmp_path / "key"
    load_redactor(path)
    path.chmod(0o644)
    with pytest.raises(AshiatoError) as caught:
        load_redactor(path)
    assert caught.value.code == "redaction-key-readable"

    for text in ("", "xyz", "ab" * 31):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(AshiatoError) as caught:
            load_redactor(path)
        assert caught.value.code == "redaction-key-invalid"

    with pytest.raises(AshiatoError) as caught:
        load_redactor(path / "below-a-file")
    assert caught.value.code == "redaction-key-unreadable"


def test_the_environment_names_the_key(tmp_path: Path) -> None:
    """ASHIATO_REDACTION_KEY, else XDG_STATE_HOME, decides where the key lies."""
    script = "from ingest.redact import load_redactor; print(load_redactor().key_id)"

    def key_id(**environment: str) -> str:
        clean = {k: v for k, v in os.environ.items() if k != "ASHIATO_REDACTION_KEY"}
        done = subprocess.run(
            [sys.executable, "-c", script], env={**clean, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    named = key_id(ASHIATO_REDACTION_KEY=str(tmp_path / "k"))
    assert named == load_redactor(tmp_path / "k").key_id
    default = key_id(XDG_STATE_HOME=str(tmp_path))
    assert default == load_redactor(tmp_path / "ashiato" / "redaction.key").key_id != named
