"""Show an Arrow table to a person or a program: terminal table, JSON, JSON lines, Markdown, HTML, CSV.

Everything shown may come from an attacker's request, so each format neutralises what its reader would
obey: control characters for terminals, markup for HTML and Markdown, formulas for spreadsheets.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import jinja2
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def plain(value: object) -> str:
    """Text safe for a terminal: control, bidirectional and invisible characters shown as escapes."""
    return _CONTROL.sub(lambda m: f"\\u{ord(m.group()):04x}", _text(value))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, list | dict):
        return json.dumps(json_value(value), ensure_ascii=False)
    return str(value)


def json_value(value: Any) -> Any:
    """*value* as JSON can hold it: times in RFC 3339 UTC, bytes as their length."""
    if isinstance(value, datetime):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    return value


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of *table* as JSON-ready dicts."""
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            yield {key: json_value(value) for key, value in row.items()}


WIDE = 200
"""Columns of a table that goes to a file or pipe, where nobody's window limits it."""


def as_table(table: pa.Table) -> str:
    """The table as wide as the terminal, without colours; times to the millisecond."""
    console = Console(file=io.StringIO(), width=None if sys.stdout.isatty() else WIDE)
    console.print(rich_table(table))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def rich_table(table: pa.Table) -> Table:
    """A terminal table; long cells fold, numbers stand right."""
    drawn = Table(box=None, header_style="bold", pad_edge=False, show_edge=False)
    for column in table.schema:
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        drawn.add_column(
            column.name,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=number or pa.types.is_timestamp(column.type),
        )
    for batch in table.to_batches():
        for row in batch.to_pylist():
            drawn.add_row(*(Text(_cell(value)) for value in row.values()))
    return drawn


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    return plain(value)


def as_json(table: pa.Table) -> str:
    """One JSON list of objects, indented."""
    return json_text(list(rows_of(table)))


def json_text(value: Any) -> str:
    """*value*, of JSON types, indented."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def as_jsonl(table: pa.Table) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(table))


def as_markdown(table: pa.Table) -> str:
    """A Markdown table; what Markdown would obey is escaped."""

    def cell(value: object) -> str:
        return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", plain(value))

    lines = [
        "| " + " | ".join(cell(name) for name in table.column_names) + " |",
        "| " + " | ".join("---" for _ in table.column_names) + " |",
    ]
    for batch in table.to_batches():
        lines += ["| " + " | ".join(cell(value) for value in row.values()) + " |" for row in batch.to_pylist()]
    return "\n".join(lines) + "\n"


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Ashiato</title>
<style>
:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif; }
body { margin: 2rem; overflow-x: auto; }
table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .3rem .7rem; border-bottom: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; max-width: 40rem; }
</style>
<table><thead><tr>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
"""


def as_html(table: pa.Table) -> str:
    """A self-contained page with one table, without scripts."""
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    rows = ([plain(value) for value in row.values()] for batch in table.to_batches() for row in batch.to_pylist())
    return template.render(names=table.column_names, rows=rows)


def as_csv(table: pa.Table) -> str:
    """CSV whose cells no spreadsheet runs: a leading = + - @ or tab of a text is preceded by '."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for batch in table.to_batches():
        for row in batch.to_pylist():
            writer.writerow(
                "'" + value if isinstance(value, str) and value and value[0] in "=+-@\t\r" else _text(value)
                for value in row.values()
            )
    return out.getvalue()


FORMATS: dict[str, Callable[[pa.Table], str]] = {
    "table": as_table,
    "json": as_json,
    "jsonl": as_jsonl,
    "markdown": as_markdown,
    "html": as_html,
    "csv": as_csv,
}
