"""The files of baselines: one Parquet file a cluster beside the lake, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detections.views import VIEWS_FOLDER
from lake.delta import Lake
from lake.files import make_folder, sync

FOLDER = Path("_ashiato") / "baselines"
_METADATA = b"ashiato.baseline"
_MICROSECONDS = pa.timestamp("us", tz="UTC")

_TEXTS = (
    "cluster user_name impersonated_user_name service_account_namespace service_account_name fact_kind fact event_id"
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS.split()),
        ("request_received_at", _MICROSECONDS),
        ("source_ip", pa.string()),
        ("last_seen", _MICROSECONDS),
        ("requests", pa.int64()),
    ]
)
"""Columns of a file, those of the table ``learnt_facts``: the first use (event_id, when, from where), the latest, how often."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one cluster's file says of itself.

    ``version`` is that of the events table it was learnt to; ``since`` is where the window of the log began
    (UTC; None: with the lake), ``window`` how long it was. ``facts`` counts rows, ``seconds`` is how long
    learning took, for all clusters together.
    """

    cluster: str
    version: int
    since: datetime | None
    window: timedelta | None
    learnt_at: datetime
    facts: int
    seconds: float = 0.0


def file_name(cluster: str) -> str:
    """The name of a cluster's file; any name of a cluster gives one."""
    return f"{quote(cluster, safe='')}.parquet"


@cache
def _format() -> str:
    """Changes with the views that say what a fact is: facts of another meaning are not put together."""
    return hashlib.sha256((VIEWS_FOLDER / "50_first_uses.sql").read_bytes()).hexdigest()[:12]


def describe(folder: Path, clusters: Sequence[str] | None = None) -> dict[str, Baseline]:
    """The usable baselines in *folder* by cluster."""
    found: dict[str, Baseline] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            file = pq.ParquetFile(path)
            about = json.loads((file.schema_arrow.metadata or {}).get(_METADATA, b"{}"))
        except (OSError, pa.ArrowInvalid, ValueError):
            continue
        if about.get("format") == _format() and (clusters is None or about["cluster"] in clusters):
            found[about["cluster"]] = Baseline(
                about["cluster"],
                about["version"],
                datetime.fromisoformat(about["since"]) if about["since"] else None,
                timedelta(seconds=about["window_seconds"]) if about["window_seconds"] else None,
                datetime.fromisoformat(about["learnt_at"]),
                file.metadata.num_rows,
            )
    return found


def write(
    lake: Lake,
    facts: pa.Table,
    version: int,
    since: datetime | None,
    window: timedelta | None,
    clusters: Sequence[str],
    began: float,
) -> list[Baseline]:
    """Keep *facts* (columns of SCHEMA, all clusters together), a file for each of *clusters*; durable on return."""
    folder = lake.folder / FOLDER
    make_folder(folder.absolute())
    facts = facts.select(SCHEMA.names).cast(SCHEMA)
    learnt_at = datetime.now(UTC)
    written = []
    for cluster in clusters:
        about = {
            "format": _format(),
            "cluster": cluster,
            "version": version,
            "since": since.isoformat() if since else None,
            "window_seconds": window.total_seconds() if window else None,
            "learnt_at": learnt_at.isoformat(),
        }
        part = facts.filter(pc.equal(facts["cluster"], cluster))
        _replace(folder / file_name(cluster), part, about)
        seconds = time.perf_counter() - began
        written.append(Baseline(cluster, version, since, window, learnt_at, part.num_rows, seconds))
    return written


def _replace(path: Path, facts: pa.Table, about: Mapping[str, object]) -> None:
    """Write a file whole or not at all: a reader sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    metadata = {_METADATA: json.dumps(about).encode()}
    try:
        pq.write_table(facts.replace_schema_metadata(metadata), temporary, compression="zstd")
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)
