"""Look into the lake: free SQL, timeline, schema, export."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

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
from detections.investigation.matching import Matching
from detections.investigation.timeline import DEFAULT_LIMIT
from detections.investigation.timeline import timeline as timeline_of
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
@lake_option
@time_options
@click.option("--user", "user_name", help="Who: user name, acting or acted as.")
@click.option("--source-ip", help="From where: last hop.")
@click.option("--namespace", "-n", help="Namespace of the object.")
@click.option("--resource", help="Resource, or resource/subresource.")
@click.option("--name", help="Object name.")
@click.option("--verb", help="Verb.")
@click.option("--credential", "credential_id", help="Credential id (JTI=... or X509SHA256=...).")
@click.option("--pod", "pod_name", help="Pod that a bound token belongs to.")
@click.option("--user-agent", help="User agent, as claimed.")
@click.option("--audit-id", help="Audit id.")
@click.option("--writes", is_flag=True, help="Only requests that change something.")
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True, help="At most so many rows.")
@click.option("--newest-first", is_flag=True, help="Latest request first.")
@format_option()
@output_option
def timeline(
    lake_location: str,
    last: str | None,
    since: str | None,
    until: str | None,
    writes: bool,
    clusters: tuple[str, ...],
    limit: int,
    newest_first: bool,
    format_: str,
    output: Path | None,
    **matching: Any,
) -> None:
    """Who did what, in order: one row a request.

    \b
    Examples:
      ashiato timeline --user mallory --last 24h
      ashiato timeline --resource secrets --namespace payments
      ashiato timeline --source-ip 203.0.113.66 --writes --format markdown
    """
    when = time_range(last, since, until)
    table = timeline_of(
        open_lake(lake_location),
        when,
        Matching(writes_only=writes, **matching),
        clusters=list(clusters) or None,
        limit=limit,
        newest_first=newest_first,
    )
    if format_ == "table":
        table = _for_terminal(table)
    show(table, format_, output)
    if table.num_rows == limit:
        click.echo(f"the first {limit} requests; more with --limit", err=True)
    if table.num_rows == 0:
        click.echo("no request matches; widen the time range or drop a filter", err=True)


def _for_terminal(table: pa.Table) -> pa.Table:
    """Columns that are empty everywhere only push the others off the screen."""
    dull = [name for name in table.column_names if table[name].null_count == table.num_rows]
    table = table.drop_columns([name for name in ("event_id", "user_agent", *dull) if name in table.column_names])
    return table


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
