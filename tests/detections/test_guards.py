"""What the views about guards promise each other."""

from __future__ import annotations

import duckdb

from detections.views import VIEWS_FOLDER


def test_the_filter_knows_every_group_of_the_table() -> None:
    """is_guard_group repeats the groups of guard_kinds; one that it forgot would never be looked at."""
    with duckdb.connect() as con:
        for statement in con.extract_statements((VIEWS_FOLDER / "65_guards.sql").read_text()):
            if "guard_kinds AS\nSELECT * FROM (VALUES" in statement.query or "MACRO is_guard_group" in statement.query:
                con.execute(statement)
        forgotten = con.execute("SELECT api_group FROM guard_kinds WHERE NOT is_guard_group(api_group)").fetchall()
        twice = con.execute(
            "SELECT a.api_group FROM guard_kinds AS a JOIN guard_kinds AS b "
            "ON a.api_group = b.api_group AND a.resource = '*' AND b.resource <> '*'"
        ).fetchall()

    assert forgotten == []
    assert twice == []
