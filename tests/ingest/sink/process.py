"""A real sink as a process of its own, and the ways to talk to it and to look behind it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ingest.client import Answer, Backoff, SinkClient
from lake.delta import Lake
from lake.query import connect, select

_CODE = """
import json, sys
from pathlib import Path
from ingest.settings import SinkSettings
from ingest.sink import run_sink
from lake.errors import AshiatoError, UsageError
settings = json.loads(sys.argv[1])
paths = ("spool", "tls_cert", "tls_key", "client_ca", "tokens", "redaction_key_file", "port_file")
try:
    sys.exit(run_sink(SinkSettings(**{k: Path(v) if k in paths else v for k, v in settings.items()})))
except AshiatoError as error:
    print(error, file=sys.stderr)
    sys.exit(2 if isinstance(error, UsageError) else 1)
"""
IMPATIENT = Backoff(tries=200, first_seconds=0.02, factor=1.0, jitter=1.0, retry_after_tries=0, try_seconds=10)


class SinkProcess:
    """A sink on loopback in *folder* (``lake``, ``spool``, ``key``, ``sink.log``); a context manager."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.settings: dict[str, Any] = {
            "lake": str(folder / "lake"),
            "spool": str(folder / "spool"),
            "listen": f"127.0.0.1:{self.port}",
            "redaction_key_file": str(folder / "key"),
            "flush_seconds": 0.2,
            "insecure": True,
            **{name: str(value) if isinstance(value, Path) else value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    @property
    def url(self) -> str:
        return f"{'https' if 'tls_cert' in self.settings else 'http'}://127.0.0.1:{self.port}"

    def start(self, wait: bool = True) -> None:
        """Start it, in a process group of its own with its committer."""
        with (self.folder / "sink.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _CODE, json.dumps(self.settings)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_until(self.listens, 20)

    def listens(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the sink ended with {self.process.returncode}:\n{self.log_text()[-3000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_until(self, condition: Any, seconds: float = 15) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"waited {seconds} s in vain; the sink's log ends:\n{self.log_text()[-3000:]}")
            time.sleep(0.01)

    def kill(self, group: bool = True) -> None:
        """SIGKILL: the front alone, or its committer with it."""
        assert self.process is not None
        if group:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def client(self, cluster: str | None = "test", **credentials: Any) -> SinkClient:
        path = "/audit" if cluster is None else f"/audit/{cluster}"
        return SinkClient(self.url + path, **{"backoff": IMPATIENT, **credentials})

    def post(self, body: bytes, cluster: str | None = "test", **credentials: Any) -> Answer:
        with self.client(cluster, **credentials) as client:
            return client.post(body)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name: str, labels: str = "") -> float:
        """The sum of a metric's series whose labels contain *labels*."""
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in self.metrics().splitlines()
            if re.match(rf"ashiato_{name}[ {{]", line) and labels in line
        )

    def wait_committed(self, seconds: float = 20) -> None:
        """Until nothing acknowledged waits for the lake."""
        spool = Path(self.settings["spool"])
        self.wait_until(
            lambda: (
                not [p for p in spool.iterdir() if p.suffix in (".open", ".sealed")]
                and self.metric("spool_events") == 0
            ),
            seconds,
        )

    def rows(self, table: str = "events", columns: str = "*") -> pa.Table:
        connection = connect(Lake.open(self.folder / "lake"))
        return select(connection, f"SELECT {columns} FROM {table}")

    def audit_ids(self) -> list[str]:
        return self.rows(columns="audit_id")["audit_id"].to_pylist()

    def log_text(self) -> str:
        return (self.folder / "sink.log").read_text(errors="replace")

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{") and line[-1] == "}"]
        return [line for line in lines if line["event"] == event]

    def committer_pid(self) -> int:
        return int(self.logged("committer_started")[-1]["pid"])

    def peak_mebibytes(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024
