"""A lake of two clusters behind a real server, and callers of every kind."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from api.server import create_app
from api.settings import ApiSettings
from detections.catalog import load_catalog
from detections.engine import detect
from detections.incremental import store
from ingest.importer import import_files
from ingest.redact import Redactor
from ingest.rows import rows
from lake.delta import Lake
from tests.builders import NOON, audit_event

SAMPLES = Path(__file__).resolve().parents[2] / "sample_logs"
MARKUP = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


@dataclass
class Server:
    """A running API: ``get`` and ``post`` as one of its callers."""

    url: str
    folder: Path

    def get(self, path: str, token: str = "all", **parameters: Any) -> httpx.Response:
        return self.ask("GET", path, token, params=parameters)

    def sql(self, query: str, token: str = "all", **more: Any) -> httpx.Response:
        return self.ask("POST", "/v1/sql", token, json={"query": query, **more})

    def ask(self, method: str, path: str, token: str = "all", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS[token]}", **options.pop("headers", {})}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **options)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]


TOKENS = {name: f"token-of-{name}-0123456789" for name in ("all", "reader", "mine", "nobody")}


def serve(folder: Path, **settings: Any) -> Iterator[Server]:
    """The API over ``folder/lake`` until the generator is closed."""
    callers = folder / "callers.yaml"
    digest = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
    callers.write_text(
        "callers:\n"
        f"  everybody: {{token_sha256: [{digest['all']}], roles: [read, sql]}}\n"
        f"  reader: {{token_sha256: [{digest['reader']}], roles: [read]}}\n"
        f"  mine: {{token_sha256: [{digest['mine']}], roles: [read, sql], clusters: [mine]}}\n"
    )
    own = {"requests_per_second": 1000.0, **settings}
    app = create_app(ApiSettings(lake=str(folder / "lake"), tokens=callers, access_log=folder / "access.log", **own))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Server(f"http://127.0.0.1:{port}", folder)
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake: the attacks as cluster ``attacks``, a few hostile events as cluster ``mine``."""
    folder = tmp_path_factory.mktemp("api")
    lake = Lake.open(folder / "lake", create=True)
    import_files(lake, [str(SAMPLES / "attacks.jsonl.gz")], "attacks", Redactor(b"a" * 32), workers=0)
    hostile = [
        audit_event(
            number,
            {
                "user": {"username": MARKUP},
                "userAgent": MARKUP,
                "level": "Request",
                "verb": "create",
                "requestObject": {"data": {MARKUP: MARKUP}},
            },
            {"objectRef": {"resource": "clusterrolebindings", "apiGroup": "rbac.authorization.k8s.io", "name": MARKUP}},
            {
                "requestObject": {
                    "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
                    "subjects": [{"kind": "User", "name": MARKUP}],
                }
            },
            {"responseStatus": {"code": 201}},
        )
        for number in range(3)
    ]
    lake.append("events", rows([json.dumps(event).encode() for event in hostile], "mine", "apiserver", NOON))
    store(lake, detect(lake, load_catalog()).findings)
    return folder


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    """The API over that lake."""
    yield from serve(folder)
