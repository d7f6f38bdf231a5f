"""What many rules need, once, as SQL views and macros: ``detections/views/*.sql``, in order of name.

A view that several of the chosen rules read is computed once for all of them, with only the columns that
their queries mention.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from detections.rule import Rule

VIEWS_FOLDER = Path(__file__).parent / "views"

# Not worth keeping: filters on it reach the files, and its rows carry whole bodies.
_NEVER_KEPT = frozenset({"written_documents"})
_COMMENT = re.compile(r"--[^\n]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREATED = re.compile(r"\s*CREATE\s+VIEW\s+(\w+)\s+AS\b", re.IGNORECASE)

# Requests of which the log has no end (yet): the part of ``requests`` that has to look at other rows.
_OPEN_REQUESTS = """
CREATE TEMP TABLE open_requests AS
SELECT * FROM requests WHERE stage IN ('RequestReceived', 'ResponseStarted')
"""
_REQUESTS = """
CREATE OR REPLACE VIEW requests AS
SELECT * REPLACE (coalesce(request_received_at, stage_at) AS request_received_at)
FROM events WHERE stage NOT IN ('RequestReceived', 'ResponseStarted')
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

    With *rules*, what two or more of them read is kept as a temporary table: they must be the rules that
    will run, since columns that none of them mentions are missing.
    """
    keep = _shared(rules)
    if len(rules) > 1:
        con.execute(_OPEN_REQUESTS)
        con.execute(_REQUESTS)
    for statement in _statements():
        con.execute(statement.sql)
        if statement.view in keep:
            _keep(con, statement.view, keep[statement.view])


def _keep(con: duckdb.DuckDBPyConnection, view: str, words: frozenset[str]) -> None:
    described = con.execute(f"DESCRIBE {view}").to_arrow_table()["column_name"].to_pylist()
    columns = ", ".join(f'"{name}"' for name in described if name in words)
    con.execute(f"CREATE TEMP TABLE kept_{view} AS SELECT {columns} FROM {view}")
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
