"""What many rules need, once, as SQL views and macros: ``detections/views/*.sql``, in order of name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb

VIEWS_FOLDER = Path(__file__).parent / "views"


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create the detections' views and macros on a connection of ``lake.query.connect``."""
    for sql in _sources():
        con.execute(sql)


@cache
def _sources() -> tuple[str, ...]:
    return tuple(path.read_text() for path in sorted(VIEWS_FOLDER.glob("*.sql")))
