"""Deploy files do what the guides say: credentials made with openssl alone let a cluster write, and only its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
MAKE = ROOT / "deploy/make-credentials"

pytestmark = pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("bash")), reason="make-credentials needs openssl and bash"
)


def _ashiato(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ashiato", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Credentials of two clusters, made as the guides say."""
    folder = tmp_path_factory.mktemp("credentials")
    for cluster in ("prod-eu", "staging"):
        subprocess.run([MAKE, folder, cluster, "127.0.0.1:9443", "localhost"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def sink(credentials: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running sink with these credentials, started as the guides say."""
    work = tmp_path_factory.mktemp("sink")
    own = credentials / "sink"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ashiato", "sink", "--lake", work / "lake", "--spool", work / "spool"),
            *("--listen", "127.0.0.1:0", "--port-file", work / "port", "--redaction-key", work / "key"),
            *("--tls-cert", own / "tls.crt", "--tls-key", own / "tls.key", "--client-ca", own / "client-ca.crt"),
            *("--tokens", own / "tokens.yaml"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not (work / "port").exists():
            assert process.poll() is None, "the sink did not start"
            assert time.monotonic() < deadline, "the sink does not listen"
            time.sleep(0.05)
        yield f"https://127.0.0.1:{(work / 'port').read_text().strip()}/audit"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.parametrize(
    ("cluster", "how"),
    [("prod-eu", ("--token-file", "token")), ("staging", ("--cert", "client.crt", "--key", "client.key"))],
)
def test_credential_is_taken(credentials: Path, sink: str, cluster: str, how: tuple[str, ...]) -> None:
    """A cluster's token, and a cluster's client certificate, prove the sink: the doctor finds nothing wrong."""
    own = credentials / cluster
    words = [word if word.startswith("--") else own / word for word in how]
    done = _ashiato("doctor", "--sink", sink, "--ca", own / "ca.crt", *words)

    # The doctor is right to complain of DuckDB 2.0.0, on which the suite runs a second time.
    wrong = [line.split()[0] for line in done.stdout.splitlines() if " failed " in line]
    assert wrong == (["duckdb"] if duckdb.__version__ == "2.0.0" else []), done.stdout
    assert done.returncode == bool(wrong)


def test_other_cluster_is_refused(credentials: Path, sink: str) -> None:
    """A cluster's token cannot write into another cluster, and the doctor says so."""
    own = credentials / "staging"
    done = _ashiato("doctor", "--sink", f"{sink}/prod-eu", "--ca", own / "ca.crt", "--token-file", own / "token")

    assert done.returncode == 1
    assert "403" in done.stdout


def test_kubeconfig_names_the_sink(credentials: Path) -> None:
    """The kubeconfig for the API server points at the address that was given, with files that were made."""
    own = credentials / "prod-eu"
    config = yaml.safe_load((own / "webhook.yaml").read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

    assert cluster["server"] == "https://127.0.0.1:9443/audit"
    for path in (cluster["certificate-authority"], user["tokenFile"]):
        assert (own / Path(path).name).is_file()


def test_existing_cluster_keeps_its_credentials(credentials: Path) -> None:
    """Asking again for a cluster that has credentials changes nothing and fails."""
    token = (credentials / "prod-eu/token").read_text()
    done = subprocess.run([MAKE, credentials, "prod-eu", "127.0.0.1"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "has prod-eu already" in done.stderr
    assert (credentials / "prod-eu/token").read_text() == token


def test_keys_are_private(credentials: Path) -> None:
    """Nobody but the owner can read what was made."""
    readable = [path for path in credentials.rglob("*") if path.stat().st_mode & 0o077]

    assert readable == []
