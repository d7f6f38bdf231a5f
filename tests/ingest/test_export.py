"""Export gives back what came in, through a real Delta lake, for anything an event can hold."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event import split
from ingest.export import events as export
from ingest.redact import Redactor, accept
from ingest.rows import rows
from lake.delta import Lake
from lake.query import connect, select
from tests.builders import NOON, REMOVE, audit_event, event_list, item, line
from tests.strategies import audit_events as any_events

REDACTOR = Redactor(b"\x07" * 32)
SAMPLES = Path(__file__).parents[2] / "sample_logs"


def accepted(raws: Iterable[bytes]) -> list[bytes]:
    texts = [accept(raw, REDACTOR) for raw in raws]
    assert all(isinstance(text, bytes) for text in texts)
    return texts  # type: ignore[return-value]


def canonical(text: bytes | dict[str, Any]) -> str:
    """JSON values in a form that compares: kind and apiVersion written, keys sorted, 1 and 1.0 and True apart."""
    event = json.loads(text) if isinstance(text, bytes) else text
    return json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", **event}, sort_keys=True)


def round_trip(folder: Path, raws: list[bytes]) -> list[bytes]:
    lake = Lake.open(folder, create=True)
    lake.append("events", rows(accepted(raws), "prod", "apiserver", NOON))
    return list(export(select(connect(lake), "SELECT * FROM events")))


@given(st.lists(any_events(), min_size=1, max_size=8))
def test_export_equals_what_came_in(events: list[dict[str, Any]]) -> None:
    """Any event, through Parquet, Delta and DuckDB, comes back with the same JSON values."""
    with tempfile.TemporaryDirectory() as folder:
        found = round_trip(Path(folder), [line(event) for event in events])

    assert sorted(map(canonical, found)) == sorted({canonical(event) for event in events})


@given(st.lists(any_events(), min_size=1, max_size=5))
def test_lists_and_lines_export_alike(events: list[dict[str, Any]]) -> None:
    """The items of a webhook's post export like the lines of a log file."""
    raws = accepted(piece for piece in split(event_list(events)) if isinstance(piece, bytes))

    table = rows(raws, "prod", "apiserver", NOON)

    whole = [{**event, "kind": "Event", "apiVersion": "audit.k8s.io/v1"} for event in events]
    assert list(map(canonical, export(table))) == list(map(canonical, whole))


@pytest.mark.parametrize("name", ["attacks", "benign", "gce"])
def test_captures_come_back(name: str, tmp_path: Path) -> None:
    """Every event of a real kube-apiserver's log comes back as it was accepted, and most as they were written."""
    raws = gzip.decompress((SAMPLES / f"{name}.jsonl.gz").read_bytes()).splitlines()
    texts = accepted(raws)
    untouched = sum(text is raw for text, raw in zip(texts, raws, strict=True))
    lake = Lake.open(tmp_path / "lake", create=True)

    appended = lake.append("events", rows(texts, "prod", "apiserver", NOON))
    found = sorted(map(canonical, export(select(connect(lake), "SELECT * FROM events"))))

    assert found == sorted({canonical(text) for text in texts})
    assert appended.written == len(found) == len({canonical(text) for text in texts})
    assert untouched > 0.8 * len(raws)
    assert [accept(text, REDACTOR) for text in texts] == texts


def test_captured_posts_are_the_log_s_events(tmp_path: Path) -> None:
    """Bodies that a kube-apiserver posted hold events of its log, and add nothing to the lake beside them."""
    log = gzip.decompress((SAMPLES / "attacks.jsonl.gz").read_bytes()).splitlines()
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append("events", rows(accepted(log), "prod", "apiserver", NOON))

    for path in sorted((SAMPLES / "webhook").glob("*.json.gz")):
        raws = accepted(piece for piece in split(gzip.decompress(path.read_bytes())) if isinstance(piece, bytes))
        appended = lake.append("events", rows(raws, "prod", "webhook", NOON))
        assert len(raws) > 100
        assert (appended.written, appended.duplicates) == (0, len(raws))


def test_fields_come_in_the_order_a_kube_apiserver_writes() -> None:
    """An exported line reads like one of a log file: kind first, the bodies after the status."""
    event = audit_event(0, level="Request", requestObject={"z": 1, "a": 2})

    text = next(iter(export(rows([line(event)], "c", "s", NOON))))

    names = list(json.loads(text))
    assert names[:5] == ["kind", "apiVersion", "level", "auditID", "stage"]
    assert names.index("responseStatus") < names.index("requestObject") < names.index("stageTimestamp")
    assert b'{"z":1,"a":2}' in text
    assert b"\n" not in text


def test_an_exported_event_is_the_same_event() -> None:
    """Importing what was exported adds nothing: identity survives the way out and in."""
    raws = [item(audit_event(n, unheardOf={"n": n}, responseStatus={"details": {"uid": "x"}})) for n in range(3)]
    table = rows(accepted(raws), "prod", "apiserver", NOON)

    again = rows(accepted(export(table)), "prod", "file", NOON)

    assert again["event_id"] == table["event_id"]


@given(st.lists(any_events(), min_size=1, max_size=5))
def test_any_exported_event_is_the_same_event(events: list[dict[str, Any]]) -> None:
    """Whatever an event holds, importing its export adds nothing."""
    table = rows(accepted(map(line, events)), "prod", "apiserver", NOON)

    again = rows(accepted(export(table)), "prod", "file", NOON)

    assert again["event_id"] == table["event_id"]


def test_columns_may_come_in_any_order() -> None:
    """Export reads columns by name, and record batches as well as tables."""
    table = rows([line(audit_event())], "c", "s", NOON)

    turned = table.select(table.column_names[::-1])

    assert list(export(turned)) == list(export(table))
    assert list(export(table.to_batches()[0])) == list(export(table))
    assert list(export(pa.Table.from_batches([], table.schema))) == []


def test_absent_is_not_empty() -> None:
    """A field that was not there stays absent, an empty one empty, a null one null."""
    for patch in (
        {"user": REMOVE},
        {"user": None},
        {"sourceIPs": []},
        {"sourceIPs": None},
        {"responseStatus": None},
        {"annotations": None},
        {"requestReceivedTimestamp": None},
        {"objectRef": None},
        {"objectRef": REMOVE, "responseStatus": REMOVE, "annotations": REMOVE, "sourceIPs": REMOVE},
        {"requestObject": None, "responseObject": {}},
        {"impersonatedUser": None},
    ):
        event = audit_event(0, patch)
        assert canonical(next(iter(export(rows(accepted([line(event)]), "c", "s", NOON))))) == canonical(event)
    for name in ("user", "responseStatus", "annotations", "objectRef", "impersonatedUser"):
        event = {**audit_event(), name: {}}
        assert canonical(next(iter(export(rows(accepted([line(event)]), "c", "s", NOON))))) == canonical(event)
