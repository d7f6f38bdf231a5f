"""The schema explains itself, and its parts agree."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lake.schema import EVENTS, FINDINGS, QUARANTINE, TABLES, Table, Trust


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_every_column_explains_itself(table: Table) -> None:
    """A column has a unique name, a sentence, a unit where it is a time or size, and a trust."""
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    for column in table.columns:
        assert column.doc.endswith("."), column.name
        assert column.doc[0].isupper() or column.doc.startswith(("get,", "status,", "allow ", "high,", "critical,")), (
            column.name
        )
        assert isinstance(column.trust, Trust)
        if pa.types.is_timestamp(column.type):
            assert column.type == pa.timestamp("us", tz="UTC")
            assert "UTC" in column.unit
        if column.trust is not Trust.PIPELINE:
            assert column.path or table is not EVENTS, column.name


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_keys_are_columns(table: Table) -> None:
    """Partition, sort order, statistics, key and time name columns; partitions are text and day."""
    names = set(table.schema.names)
    for used in (
        *table.partition_by,
        *table.sort_by,
        *table.statistics,
        table.time,
        *([table.key] if table.key else []),
    ):
        assert used in names
    assert [str(table.schema.field(name).type) for name in table.partition_by] == ["string", "date32[day]"]
    assert table.time in table.statistics
    assert set(table.file_schema.names) == names - set(table.partition_by)
    assert table.schema.names == [column.name for column in table.columns]
    assert table.column(table.time).name == table.time
    with pytest.raises(KeyError):
        table.column("nothing")


def test_statistics_hold_no_client_text() -> None:
    """What is copied into the log is short and not chosen freely by a client: no bodies, URIs or agents."""
    assert {EVENTS.column(name).trust for name in EVENTS.statistics} <= {Trust.SERVER, Trust.PIPELINE, Trust.REQUEST}
    for name in ("request_object", "response_object", "annotations", "unparsed", "request_uri", "user_agent"):
        assert name not in EVENTS.statistics
    assert "sealed" not in QUARANTINE.statistics
    assert "evidence" not in FINDINGS.statistics


def test_what_a_client_can_set_says_so() -> None:
    """The columns a client can forge are marked as such; the last hop is the server's word."""
    assert {c.name for c in EVENTS.columns if c.trust is Trust.CLIENT} >= {
        "audit_id",
        "user_agent",
        "source_ips",
        "request_uri",
    }
    assert EVENTS.column("source_ip").trust is Trust.SERVER
