"""Who may write for which cluster: tokens, client certificates, rotation, and what is refused at the start."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.credentials import Credentials, CredentialSource, Refusal
from ingest.settings import SinkSettings
from lake.errors import UsageError
from tests.builders import audit_event, event_list
from tests.ingest.sink.certificates import Authority
from tests.ingest.sink.process import SinkProcess

StartSink = Callable[..., SinkProcess]
PROD, STAGING = "prod-token-0123456789", "staging-token-0123456789"
BODY = event_list([audit_event(1)])


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def write_tokens(path: Path, clusters: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"clusters": clusters}))
    return path


def code(answer: Any) -> str:
    return json.loads(answer.body)["error"]["code"]


def test_a_token_writes_for_its_own_cluster_only(start_sink: StartSink, tmp_path: Path) -> None:
    """The cluster comes from the credential; another one's path is 403, no or a wrong token 401; nothing is stored."""
    tokens = write_tokens(
        tmp_path / "tokens.yaml",
        {"prod": {"token_sha256": [digest(PROD)]}, "staging": {"token_sha256": [digest(STAGING)]}},
    )
    sink = start_sink(tokens=tokens, insecure=False)

    assert sink.post(BODY, None, token=PROD).status == 200
    assert sink.post(BODY, "staging", token=STAGING).status == 200
    crossed = sink.post(BODY, "staging", token=PROD)
    missing = sink.post(BODY, "prod")
    wrong = sink.post(BODY, "prod", token="x" + PROD)
    sink.wait_committed()

    assert (crossed.status, code(crossed)) == (403, "cluster-forbidden")
    assert (missing.status, code(missing)) == (401, "credential-missing")
    assert (wrong.status, code(wrong)) == (401, "credential-wrong")
    assert sorted(sink.rows(columns="cluster")["cluster"].to_pylist()) == ["prod", "staging"]
    assert sink.metric("requests_total", 'outcome="unauthorized"') == 2
    assert PROD not in sink.log_text()


def test_a_refusal_comes_before_the_body(start_sink: StartSink, tmp_path: Path) -> None:
    """A stranger's body is not read into memory: 401 is out before it is sent."""
    sink = start_sink(tokens=write_tokens(tmp_path / "t.yaml", {"prod": {"token_sha256": digest(PROD)}}))
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as connection:
        connection.sendall(b"POST /audit HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 401 ")


def test_tokens_are_rotated_without_a_restart(start_sink: StartSink, tmp_path: Path) -> None:
    """A new file is in force within seconds; a broken one changes nothing, and is said in log and metrics."""
    path = write_tokens(tmp_path / "tokens.yaml", {"prod": {"token_sha256": [digest(PROD)]}})
    sink = start_sink(tokens=path)
    write_tokens(path, {"prod": {"token_sha256": [digest(PROD), digest("new" + PROD)]}})
    sink.wait_until(lambda: sink.post(BODY, token="new" + PROD, cluster=None).status == 200)
    assert sink.post(BODY, None, token=PROD).status == 200

    path.write_text("clusters: [")
    sink.wait_until(lambda: sink.metric("credentials_current") == 0)
    assert sink.post(BODY, None, token=PROD).status == 200
    assert sink.logged("credentials_broken")

    write_tokens(path, {"prod": {"token_sha256": [digest("new" + PROD)]}})
    sink.wait_until(lambda: sink.post(BODY, None, token=PROD).status == 401)
    assert sink.post(BODY, None, token="new" + PROD).status == 200
    assert sink.metric("credentials_current") == 1


def test_a_token_in_a_file_of_its_own_is_followed(tmp_path: Path) -> None:
    """token_files hold the token itself; when such a file changes, the new token is known."""
    (tmp_path / "secret").write_text(PROD + "\n")
    source = CredentialSource(write_tokens(tmp_path / "t.yaml", {"prod": {"token_files": ["secret"]}}), False, None)
    assert source.current.cluster_for(f"Bearer {PROD}", None, None) == "prod"

    (tmp_path / "secret").write_text(STAGING + "-and-longer\n")
    assert source.reload()

    assert source.current.cluster_for(f"Bearer {STAGING}-and-longer", None, None) == "prod"
    assert isinstance(source.current.cluster_for(f"Bearer {PROD}", None, None), Refusal)
    assert not source.reload()


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        ({"prod": {"token_sha256": ["abc"]}}, "64 hexadecimal digits"),
        ({"prod": {"token_sha265": []}}, "unknown key 'token_sha265'"),
        ({"pr od": {"token_sha256": [digest(PROD)]}}, "'pr od' is no cluster name"),
        ({"a": {"token_sha256": digest(PROD)}, "b": {"token_sha256": digest(PROD)}}, "belongs to a already"),
        ({"a": {"token_files": ["missing"]}}, "cannot read"),
        ({"a": None}, "no credentials"),
        ({}, "must hold one key"),
        ({"a": {"client_certificate_common_names": ["x"]}}, "holds no token"),
    ],
)
def test_a_wrong_tokens_file_is_refused_with_its_place(tmp_path: Path, clusters: dict[str, Any], words: str) -> None:
    """Every mistake is named, with the cluster it belongs to."""
    with pytest.raises(UsageError) as caught:
        CredentialSource(write_tokens(tmp_path / "tokens.yaml", clusters), False, None)

    assert words in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """Two mistakes in a file make one message with both."""
    path = write_tokens(tmp_path / "t.yaml", {"a": {"token_sha256": ["x"]}, "b": {"colour": "red"}})

    with pytest.raises(UsageError) as caught:
        CredentialSource(path, False, None)

    assert "64 hexadecimal digits" in str(caught.value)
    assert "unknown key 'colour'" in str(caught.value)


def test_credentials_do_not_show_in_a_repr() -> None:
    """Not even the digests are printed by accident."""
    credentials = Credentials({bytes.fromhex(digest(PROD)): "prod"}, tokens_known=True)

    assert digest(PROD)[:8] not in repr(credentials)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
def tls(authority: Authority) -> dict[str, Path]:
    certificate, key = authority.issue("localhost", server=True)
    return {"tls_cert": certificate, "tls_key": key, "client_ca": authority.ca}


def by_certificate(authority: Authority, common_name: str) -> dict[str, Any]:
    certificate, key = authority.issue(common_name)
    return {"ca": authority.ca, "cert": certificate, "key": key}


def test_a_client_certificate_names_its_cluster(
    start_sink: StartSink, authority: Authority, tls: dict[str, Path], tmp_path: Path
) -> None:
    """By the file's mapping; an unmapped name is 403, another cluster's path too, no certificate 401."""
    tokens = write_tokens(
        tmp_path / "t.yaml",
        {
            "prod": {"client_certificate_common_names": ["prod-apiserver"]},
            "staging": {"token_sha256": [digest(STAGING)]},
        },
    )
    sink = start_sink(tokens=tokens, insecure=False, **tls)
    prod = by_certificate(authority, "prod-apiserver")

    assert sink.post(BODY, None, **prod).status == 200
    assert sink.post(BODY, "prod", **prod).status == 200
    crossed = sink.post(BODY, "staging", **prod)
    unmapped = sink.post(BODY, None, **by_certificate(authority, "kubelet"))
    missing = sink.post(BODY, None, ca=authority.ca)
    assert sink.post(BODY, None, ca=authority.ca, token=STAGING).status == 200
    # A token decides alone: a wrong one is not made good by a certificate.
    wrong = sink.post(BODY, None, token="x" * 30, **prod)

    assert (crossed.status, code(crossed)) == (403, "cluster-forbidden")
    assert (unmapped.status, code(unmapped)) == (403, "certificate-unknown")
    assert (missing.status, code(missing)) == (401, "credential-missing")
    assert wrong.status == 401


def test_without_a_mapping_the_cluster_is_the_flag_or_the_name(
    start_sink: StartSink, authority: Authority, tls: dict[str, Path]
) -> None:
    """--cluster names the cluster of all certificates; otherwise a certificate's own name does."""
    sink = start_sink(insecure=False, **tls)
    answer = sink.post(BODY, None, **by_certificate(authority, "edge-7"))
    assert json.loads(answer.body)["cluster"] == "edge-7"
    assert sink.post(BODY, None, **by_certificate(authority, "no cluster/name")).status == 403
    sink.kill()

    sink = start_sink(insecure=False, cluster="main", **tls)
    answer = sink.post(BODY, None, **by_certificate(authority, "edge-7"))
    assert json.loads(answer.body)["cluster"] == "main"


def test_a_certificate_of_another_authority_is_no_credential(
    start_sink: StartSink, authority: Authority, tls: dict[str, Path], tmp_path: Path
) -> None:
    """Neither a stranger's certificate nor a server's own opens the door; old TLS is not spoken."""
    sink = start_sink(insecure=False, **tls)
    stranger = by_certificate(Authority(tmp_path / "other"), "prod-apiserver")

    with pytest.raises((ssl.SSLError, ConnectionError)):
        sink.post(BODY, None, **{**stranger, "ca": authority.ca})
    certificate, key = authority.issue("second", server=True)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        sink.post(BODY, None, ca=authority.ca, cert=certificate, key=key)
    old = ssl.create_default_context(cafile=str(authority.ca))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", sink.port), timeout=5) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(connection, server_hostname="127.0.0.1")


def test_a_renewed_server_certificate_is_served_without_a_restart(
    start_sink: StartSink, authority: Authority, tls: dict[str, Path], tmp_path: Path
) -> None:
    """New files are taken into use; broken ones leave the old certificate in place."""
    sink = start_sink(insecure=False, cluster="main", **tls)

    def served() -> bytes | None:
        context = ssl.create_default_context(cafile=str(authority.ca))
        with (
            socket.create_connection(("127.0.0.1", sink.port), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
        ):
            return secured.getpeercert(binary_form=True)

    before = served()
    authority.issue("localhost", server=True)
    sink.wait_until(lambda: served() != before)
    renewed = served()
    tls["tls_key"].write_text("broken")
    sink.wait_until(lambda: bool(sink.logged("certificate_broken")))

    assert served() == renewed


def settings(tmp_path: Path, **given: Any) -> SinkSettings:
    return SinkSettings(lake=str(tmp_path / "lake"), spool=tmp_path / "spool", **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "sink-no-credentials"),
        ({"listen": "0.0.0.0:9443", "insecure": True}, "sink-no-credentials"),
        ({"tokens": Path("t"), "listen": "0.0.0.0:9443"}, "sink-plain-http"),
        ({"tls_cert": Path("c"), "tokens": Path("t")}, "sink-tls-incomplete"),
        ({"client_ca": Path("c")}, "sink-tls-incomplete"),
        ({"insecure": True, "cluster": "-x"}, "cluster-name-invalid"),
        ({"insecure": True, "listen": "localhost"}, "listen-invalid"),
        ({"insecure": True, "listen": "::1:9443"}, "listen-invalid"),
        ({"insecure": True, "max_body_bytes": 1 << 30}, "setting-invalid"),
    ],
)
def test_unsafe_or_senseless_settings_are_refused(tmp_path: Path, given: dict[str, Any], expected: str) -> None:
    """Nobody writes without a credential but on loopback with --insecure; nothing crosses a network in the clear."""
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, **given).check()

    assert caught.value.code == expected


@pytest.mark.parametrize(
    "given",
    [
        {"insecure": True},
        {"insecure": True, "listen": "[::1]:0"},
        {"tokens": Path("t")},
        {"tokens": Path("t"), "listen": "0.0.0.0:9443", "insecure": True},
        {"tokens": Path("t"), "listen": ":9443", "tls_cert": Path("c"), "tls_key": Path("k")},
    ],
)
def test_sound_settings_pass(tmp_path: Path, given: dict[str, Any]) -> None:
    """The forms the documentation shows are accepted."""
    settings(tmp_path, **given).check()
