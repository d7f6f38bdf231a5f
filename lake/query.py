"""Read the lake with DuckDB: a locked-down connection with the lake's views, Arrow out.

The connection reads files of the lake and nothing else: no other file, no network, no extension, no
settings. Free text from a person goes through ``select``, which takes exactly one SELECT.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from lake.delta import DataFile, Lake
from lake.errors import UsageError
from lake.schema import TABLES, Table
from lake.timerange import TimeRange

_DUCKDB_TYPES = {
    pa.string(): "VARCHAR",
    pa.list_(pa.string()): "VARCHAR[]",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
}

# A request is named by what the server says about it together; auditID alone is the client's choice.
# Branch one needs no look at other rows, so filters reach the files; branch two is small, because a
# kube-apiserver writes earlier stages only of long-running requests, of 401s and where asked to.
_REQUESTS = """
CREATE VIEW requests AS
WITH staged AS NOT MATERIALIZED (
    SELECT * REPLACE (coalesce(request_received_at, stage_at) AS request_received_at),
           CASE stage WHEN 'RequestReceived' THEN 0 WHEN 'ResponseStarted' THEN 1 ELSE 2 END AS stage_rank
    FROM events
)
SELECT * EXCLUDE (stage_rank) FROM staged WHERE stage_rank = 2
UNION ALL
SELECT * EXCLUDE (stage_rank) FROM staged AS earlier
WHERE stage_rank < 2 AND NOT EXISTS (
    SELECT 1 FROM staged AS later
    WHERE later.stage_rank > earlier.stage_rank
      AND later.audit_id = earlier.audit_id AND later.cluster = earlier.cluster
      AND later.request_received_at = earlier.request_received_at
      AND later.request_uri IS NOT DISTINCT FROM earlier.request_uri
      AND later.verb IS NOT DISTINCT FROM earlier.verb
      AND later.user_name IS NOT DISTINCT FROM earlier.user_name
)
"""


@dataclass(slots=True)
class Limits:
    """What connections of one piece of work may use, and a handle to stop them: see ``limited``."""

    memory_limit: str | None = None
    threads: int | None = None
    connections: list[duckdb.DuckDBPyConnection] = field(default_factory=list)

    def interrupt(self) -> None:
        """Stop whatever queries run on these connections now; they raise duckdb.InterruptException."""
        for con in self.connections:
            con.interrupt()


_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)


@contextmanager
def limited(limits: Limits) -> Iterator[Limits]:
    """Every connection made inside, in this thread or task, keeps to *limits* and can be stopped through it."""
    token = _limits.set(limits)
    try:
        yield limits
    finally:
        _limits.reset(token)


_FINDINGS = """
CREATE VIEW findings AS
SELECT * FROM finding_revisions
QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY detected_at DESC, lake_version DESC) = 1
"""


def connect(
    lake: Lake,
    time_range: TimeRange = TimeRange(),
    *,
    clusters: Sequence[str] | None = None,
    version: int | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> duckdb.DuckDBPyConnection:
    """A connection that sees the lake's rows of *time_range* (by stage_at) and *clusters*, and no file else.

    Views: ``events`` (every stage), ``requests`` (one row a request: its latest stage;
    ``request_received_at`` never null), ``findings`` (latest revision of each), ``finding_revisions``,
    ``quarantine``. ``version`` pins the events table to an older version. The snapshot does not move
    while the connection lives.
    """
    limits = _limits.get() or Limits()
    memory_limit = memory_limit or limits.memory_limit
    threads = threads or limits.threads
    con = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": _spill_folder(),
            **({"memory_limit": memory_limit} if memory_limit else {}),
            **({"threads": str(threads)} if threads else {}),
        }
    )
    limits.connections.append(con)
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")  # it would be printed between a program's own lines
    views, paths = [], []
    for name, view in (("events", "events"), ("quarantine", "quarantine"), ("findings", "finding_revisions")):
        table = TABLES[name]
        whole = TimeRange() if name == "findings" else time_range
        files = lake.files(name, whole, clusters, version if name == "events" else None)
        folder = lake.folder.absolute() / name
        paths += [str(folder / file.path) for file in files]
        views.append(_view(lake, table, view, files, whole))
    # The very files, not their folder: a path in a statement must not reach what the views leave out.
    con.execute(f"SET allowed_paths = [{', '.join(map(_quote, paths))}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET python_enable_replacements = false")
    for sql in views:
        con.execute(sql)
    con.execute(_REQUESTS)
    con.execute(_FINDINGS)
    con.execute("SET lock_configuration = true")
    return con


@cache
def _spill_folder() -> str:
    """Where queries larger than memory spill: rows of the lake, so for this user only, and gone with the process."""
    folder = tempfile.mkdtemp(prefix="ashiato-spill-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _view(lake: Lake, table: Table, view: str, files: Sequence[DataFile], time_range: TimeRange) -> str:
    if not files:
        nothing = ", ".join(f"NULL::{_DUCKDB_TYPES[c.type]} AS {_name(c.name)}" for c in table.columns)
        return f"CREATE VIEW {view} AS SELECT {nothing} WHERE false"
    folder = lake.folder.absolute() / table.name
    paths = ", ".join(_quote(str(folder / file.path)) for file in files)
    columns = ", ".join(_name(c.name) for c in table.columns)
    if any(file.partition["cluster"] == "NULL" for file in files):
        # DuckDB takes a partition of this name for a missing value.
        columns = columns.replace('"cluster"', 'coalesce("cluster", \'NULL\') AS "cluster"')
    source = f"read_parquet([{paths}], hive_partitioning = true, hive_types = {{'cluster': VARCHAR, 'date': DATE}})"
    bounds = []
    if time_range.since:
        bounds.append(f"{table.time} >= {_moment(time_range.since)}")
    if time_range.until:
        bounds.append(f"{table.time} < {_moment(time_range.until)}")
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    return f"CREATE VIEW {view} AS SELECT {columns} FROM {source}{where}"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return f'"{text}"'


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.isoformat()}'"


# Table functions that only compute, or list what the connection has. Others read files past the views,
# switch profiling and logging on (to files; logging to a forbidden one ends the process), or take pointers.
_TABLE_FUNCTIONS = frozenset(
    "range generate_series repeat repeat_row unnest json_each json_tree histogram histogram_values summary "
    "duckdb_columns duckdb_functions duckdb_keywords duckdb_schemas duckdb_tables duckdb_types duckdb_views "
    "pragma_show pragma_table_info pragma_version".split()
)
_SCALAR_FUNCTIONS_REFUSED = frozenset({"sleep_ms", "write_log", "setseed", "nextval"})
_CALLED = re.compile(r'"function_name":"((?:[^"\\]|\\.)*)"')


@cache
def _refused_functions() -> frozenset[str]:
    """Names of DuckDB's own functions that no statement of a person may call."""
    with duckdb.connect() as con:
        names = con.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
            "WHERE internal AND function_type IN ('table', 'table_macro', 'pragma')"
        ).fetchall()
    return (frozenset(name for (name,) in names) - _TABLE_FUNCTIONS) | _SCALAR_FUNCTIONS_REFUSED


def check_select(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise UsageError unless *sql* is exactly one SELECT that calls no function with effects.

    WITH, VALUES, FROM-first, DESCRIBE and SUMMARIZE count as SELECT. Codes: ``sql-invalid``,
    ``sql-not-select``, ``sql-function-refused``.
    """
    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError("sql-invalid", f"not SQL: {_first_line(error)}", "see the columns: ashiato schema") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError(
            "sql-not-select", "exactly one SELECT is allowed here", "the lake is read-only; write one SELECT statement"
        )
    # The parser's own tree: comments, quotes and upper case cannot hide a name from it.
    tree = str(con.cursor().execute("SELECT json_serialize_sql($sql)::VARCHAR", {"sql": sql}).fetchall()[0][0])
    if tree.startswith('{"error":true'):
        raise UsageError("sql-not-select", "only a plain SELECT is allowed here", "PRAGMA and PIVOT are not")
    refused = sorted({name.lower() for name in _CALLED.findall(tree)} & _refused_functions())
    if refused:
        raise UsageError(
            "sql-function-refused",
            f"{refused[0]}() is not allowed here",
            "read the lake through its views: events, requests, findings, quarantine",
        )


def select(con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
    """Run one SELECT with bound ``$name`` parameters; the result as an Arrow table.

    Raises UsageError ``sql-not-select``, ``sql-function-refused`` or ``sql-invalid``.
    """
    check_select(con, sql)
    try:
        return con.execute(sql, dict(params) if params else None).to_arrow_table()
    except duckdb.Error as error:
        raise UsageError(
            "sql-invalid", _first_line(error), "tables: events, requests, findings, quarantine; columns: ashiato schema"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
