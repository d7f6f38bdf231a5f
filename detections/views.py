"""What many rules need, once, as SQL views and macros: ``detections/views/*.sql``, in order of name.

A view that several of the chosen rules read is computed once for all of them, with only the columns that
their queries mention.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from detections.rule import Rule
from lake.schema import EVENTS

VIEWS_FOLDER = Path(__file__).parent / "views"

# Not worth keeping: filters on it reach the files, and its rows carry whole bodies.
_NEVER_KEPT = frozenset({"written_documents"})
_COMMENT = re.compile(r"--[^\n]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREATED = re.compile(r"\s*CREATE\s+VIEW\s+(\w+)\s+AS\b", re.IGNORECASE)

# Requests of which the log has no end (yet), by their event_id: what makes ``requests`` look at other rows, done
# once. Only rows of kinds that have earlier stages at all are looked at: a later stage has the verb, the
# subresource and, from ResponseStarted on, the code of the earlier one, or is a panic.
_EARLIER = """
CREATE TEMP TABLE earlier AS
SELECT event_id, cluster, audit_id, request_uri, verb, subresource, user_name, response_code,
       coalesce(request_received_at, stage_at) AS received_at, stage_at, stage = 'ResponseStarted' AS started
FROM events WHERE stage IN ('RequestReceived', 'ResponseStarted')
"""
_KINDS = "SELECT DISTINCT verb, subresource, response_code FROM earlier"
_MOST_KINDS = 60
_LATER = """
SELECT cluster, audit_id, request_uri, verb, user_name, coalesce(request_received_at, stage_at) AS received_at,
       stage <> 'ResponseStarted' AS ended
FROM events WHERE stage <> 'RequestReceived'
"""
_OPEN_IDS = """
CREATE TEMP TABLE open_ids AS
SELECT event_id FROM earlier
EXCEPT
SELECT earlier.event_id
FROM ({later}) AS later JOIN earlier
    ON later.audit_id = earlier.audit_id AND later.cluster = earlier.cluster AND later.received_at = earlier.received_at
   AND later.request_uri IS NOT DISTINCT FROM earlier.request_uri AND later.verb IS NOT DISTINCT FROM earlier.verb
   AND later.user_name IS NOT DISTINCT FROM earlier.user_name AND (later.ended OR NOT earlier.started)
"""
_OPEN_KINDS = """
SELECT verb, subresource, response_code, min(stage_at) AS since, max(stage_at) AS until
FROM earlier WHERE event_id IN (SELECT event_id FROM open_ids) GROUP BY ALL
"""
_OPEN_ROWS = """
SELECT {columns} FROM events
WHERE stage IN ('RequestReceived', 'ResponseStarted') AND event_id IN (SELECT event_id FROM open_ids)
"""
_REQUESTS = """
CREATE OR REPLACE VIEW requests AS
SELECT {columns} FROM events WHERE stage NOT IN ('RequestReceived', 'ResponseStarted')
UNION ALL
SELECT * FROM open_requests
"""


@dataclass(frozen=True, slots=True)
class _Statement:
    """One statement of the views' files: the view it creates ('' for a macro) and the words in it."""

    sql: str
    view: str
    words: frozenset[str]


def create_views(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule] = ()) -> None:
    """Create the detections' views and macros on a connection of ``lake.query.connect``.

    With *rules*, only what they read is made, and what two or more of them read is kept as a temporary
    table: they must be the rules that will run, since columns that none of them mentions are missing.
    """
    keep = _shared(rules)
    if rules:
        _find_open_requests(
            con, frozenset().union(*(_words(rule.sql) for rule in rules), *(s.words for s in _statements()))
        )
    statements = _statements()
    read = _reads(frozenset().union(*(_words(rule.sql) for rule in rules)), statements) if rules else None
    for statement in statements:
        if read is not None and statement.view and statement.view not in read:
            continue
        con.execute(statement.sql)
        if statement.view in keep:
            _keep(con, statement.view, keep[statement.view])


def _find_open_requests(con: duckdb.DuckDBPyConnection, words: frozenset[str]) -> None:
    """Replace the view ``requests`` by one that need not look at other rows; columns not in *words* are left out."""
    con.execute(_EARLIER)
    kinds = con.execute(_KINDS).to_arrow_table().to_pylist()
    if not 0 < len(kinds) <= _MOST_KINDS:
        branches = [_LATER]
    else:
        branches = [f"{_LATER} AND stage = 'Panic'"]
        branches += [f"{_LATER} AND stage <> 'Panic' AND {_same(kind)}" for kind in kinds]
    con.execute(_OPEN_IDS.format(later=" UNION ALL ".join(branches)))
    columns = ", ".join(
        "coalesce(request_received_at, stage_at) AS request_received_at"
        if name == "request_received_at"
        else f'"{name}"'
        for name in EVENTS.schema.names
        if name in words
    )
    rows = _OPEN_ROWS.format(columns=columns)
    open_kinds = con.execute(_OPEN_KINDS).to_arrow_table().to_pylist()
    if len(open_kinds) <= _MOST_KINDS:
        # Whole rows are dear: read only where those that are open can be.
        rows = " UNION ALL ".join(
            [
                f"{rows} AND {_same(kind)} AND stage_at BETWEEN {_moment(kind['since'])} AND {_moment(kind['until'])}"
                for kind in open_kinds
            ]
            or [f"{rows} AND false"]
        )
    con.execute(f"CREATE TEMP TABLE open_requests AS {rows}")
    con.execute(_REQUESTS.format(columns=columns))
    con.execute("DROP TABLE earlier")
    con.execute("DROP TABLE open_ids")


def _same(kind: Mapping[str, Any]) -> str:
    code = kind["response_code"]
    texts = {"verb": kind["verb"], "subresource": kind["subresource"]}
    return " AND ".join(
        [f"{name} IS NULL" if value is None else f"{name} = {_quoted(value)}" for name, value in texts.items()]
        + ([] if code is None else [f"response_code = {int(code)}"])
    )


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.isoformat()}'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _keep(con: duckdb.DuckDBPyConnection, view: str, words: frozenset[str]) -> None:
    described = con.execute(f"DESCRIBE {view}").to_arrow_table()["column_name"].to_pylist()
    columns = ", ".join(f'"{name}"' for name in described if name in words)
    try:
        con.execute(f"CREATE TEMP TABLE kept_{view} AS SELECT {columns} FROM {view}")
    except duckdb.ConversionException:
        # A value that the view cannot read must break the rules on it at most, and name them, not the whole run.
        return
    con.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM kept_{view}")


def _shared(rules: Sequence[Rule]) -> dict[str, frozenset[str]]:
    """View -> words of all queries and views that read it, for views which two rules or more read."""
    statements = [statement for statement in _statements() if statement.view]
    reads = {statement.view: _reads(statement.words - {statement.view}, statements) for statement in statements}
    words_of_rules = [_words(rule.sql) for rule in rules]
    rules_of: dict[str, int] = {}
    words: dict[str, frozenset[str]] = {}
    for statement in statements:
        view = statement.view
        above = [other for other in statements if view in reads[other.view]]
        users = [own for own in words_of_rules if view in own or any(other.view in own for other in above)]
        rules_of[view] = len(users)
        words[view] = frozenset().union(*users, *(other.words for other in above))
    return {view: words[view] for view, count in rules_of.items() if count > 1 and view not in _NEVER_KEPT}


def _reads(words: frozenset[str], statements: Sequence[_Statement]) -> frozenset[str]:
    """The views that a text with *words* reads, through other views too."""
    found: set[str] = set()
    for statement in statements:
        if statement.view in words and statement.view not in found:
            found |= {statement.view} | _reads(statement.words - {statement.view}, statements)
    return frozenset(found)


def _words(sql: str) -> frozenset[str]:
    return frozenset(_WORD.findall(_COMMENT.sub("", sql)))


@cache
def _statements() -> tuple[_Statement, ...]:
    with duckdb.connect() as con:
        texts = [
            statement.query
            for path in sorted(VIEWS_FOLDER.glob("*.sql"))
            for statement in con.extract_statements(path.read_text())
        ]
    found = []
    for text in texts:
        bare = _COMMENT.sub("", text)
        match = _CREATED.match(bare)
        found.append(_Statement(text, match.group(1) if match else "", _words(text)))
    return tuple(found)
