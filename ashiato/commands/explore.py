"""Look into the lake: free SQL, schema, export."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click
import pyarrow as pa

from ashiato.options import (
    format_option,
    lake_option,
    open_lake,
    output_option,
    show,
    time_options,
    time_range,
)
from lake.query import connect, select
from lake.schema import TABLES


@click.command()
@click.argument("query", required=False)
@lake_option
@time_options
@format_option()
@output_option
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
def sql(
    query: str | None,
    lake_location: str,
    last: str | None,
    since: str | None,
    until: str | None,
    format_: str,
    output: Path | None,
    clusters: tuple[str, ...],
) -> None:
    """Run one SELECT over the lake: views events, requests, findings, quarantine.

    \b
    Examples:
      ashiato sql "SELECT user_name, count(*) AS n FROM requests GROUP BY ALL ORDER BY n DESC LIMIT 10"
      ashiato sql --last 24h "SELECT * FROM requests WHERE resource = 'secrets' AND verb = 'list'"
      echo "SELECT ..." | ashiato sql -
    """
    if query in (None, "-"):
        query = sys.stdin.read()
    when = time_range(last, since, until)
    with connect(open_lake(lake_location), when, clusters=list(clusters) or None) as con:
        show(select(con, query or ""), format_, output)


@click.command()
@click.argument("table_name", metavar="[TABLE]", type=click.Choice(tuple(TABLES)), default="events")
@format_option()
def schema(table_name: str, format_: str) -> None:
    """Explain every column of a table: type, unit, where it comes from, who decides its value."""
    columns = TABLES[table_name].columns
    show(
        pa.table(
            {
                "column": [c.name for c in columns],
                "type": [str(c.type) for c in columns],
                "trust": [str(c.trust) for c in columns],
                "from": [c.path for c in columns],
                "doc": [f"{c.doc} ({c.unit})" if c.unit else c.doc for c in columns],
            }
        ),
        format_,
    )


@click.command()
@lake_option
@time_options
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@output_option
def export(
    lake_location: str,
    last: str | None,
    since: str | None,
    until: str | None,
    clusters: tuple[str, ...],
    output: Path | None,
) -> None:
    """Give the events back as JSON lines, as they came (redacted values aside).

    \b
    Examples:
      ashiato export --lake L > events.jsonl
      ashiato export --lake L --cluster prod --last 24h --output today.jsonl
    """
    from ingest.export import events

    selected = list(clusters) or None
    when = time_range(last, since, until)
    with connect(open_lake(lake_location), when, clusters=selected) as con:
        reader = con.execute("SELECT * FROM events ORDER BY stage_at, event_id").to_arrow_reader(10_000)
        count = 0
        with output.open("wb") if output else contextlib.nullcontext(sys.stdout.buffer) as stream:
            for batch in reader:
                for line in events(batch):
                    stream.write(line + b"\n")
                    count += 1
            stream.flush()
    if output:
        click.echo(f"wrote {count} events to {output}", err=True)
