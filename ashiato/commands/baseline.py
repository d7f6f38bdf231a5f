"""Baselines: learn what is ordinary, look at it, and ask what is new."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click
import pyarrow as pa

from ashiato.options import format_option, lake_option, open_lake, output_option, show, time_options, time_range
from detections.rarity import KINDS
from lake.errors import NothingToRead, UsageError
from lake.timerange import TimeRange, parse_duration

_cluster_option = click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")


@click.group()
def baseline() -> None:
    """What is ordinary: who is known to do what, from where; and what is new."""


@baseline.command("learn")
@lake_option
@click.option("--last", default="30d", show_default=True, metavar="DURATION", help="Learn from this much of the log.")
@click.option("--all", "everything", is_flag=True, help="Learn from the whole lake.")
@_cluster_option
@format_option()
def baseline_learn(lake_location: str, last: str, everything: bool, clusters: tuple[str, ...], format_: str) -> None:
    """Learn each cluster's baseline and keep it beside the lake; detections then need not read the days before.

    \b
    Examples:
      ashiato baseline learn --lake L
      ashiato baseline learn --lake L --last 90d
    """
    from detections.baseline import learn

    learnt = learn(open_lake(lake_location), None if everything else parse_duration(last), list(clusters) or None)
    show(
        pa.table(
            {
                "cluster": pa.array([item.cluster for item in learnt], pa.string()),
                "facts": pa.array([item.facts for item in learnt], pa.int64()),
                "since": pa.array([item.since for item in learnt], pa.timestamp("us", tz="UTC")),
                "lake_version": pa.array([item.version for item in learnt], pa.int64()),
                "seconds": pa.array([round(item.seconds, 2) for item in learnt], pa.float64()),
            }
        ),
        format_,
    )


@baseline.command("show")
@lake_option
@click.option("--user", help="Only what this user is known for, acting or acted as.")
@click.option("--kind", type=click.Choice(KINDS), help="Only facts of this kind.")
@_cluster_option
@click.option("--limit", "most", default=500, show_default=True, type=click.IntRange(1), help="At most so many rows.")
@format_option()
@output_option
def baseline_show(
    lake_location: str,
    user: str | None,
    kind: str | None,
    clusters: tuple[str, ...],
    most: int,
    format_: str,
    output: Path | None,
) -> None:
    """What is known, the rarest first: since when, how often, and how many principals share it.

    \b
    Examples:
      ashiato baseline show --lake L --user system:serviceaccount:ci:deployer
      ashiato baseline show --lake L --kind secret --cluster prod
    """
    from detections import rarity

    lake = open_lake(lake_location)
    table = rarity.show(lake, user=user, kind=kind, clusters=list(clusters) or None, most=most)
    show(table, format_, output)
    if table.num_rows == most:
        click.echo(f"only the first {most} rows are shown: --limit", err=True)


@baseline.command("explain")
@click.argument("event_id", required=False)
@lake_option
@click.option("--user", help="What this user did for the first time, instead of one event.")
@time_options
@_cluster_option
@format_option()
@output_option
def baseline_explain(
    event_id: str | None,
    lake_location: str,
    user: str | None,
    last: str | None,
    since: str | None,
    until: str | None,
    clusters: tuple[str, ...],
    format_: str,
    output: Path | None,
) -> None:
    """What is new about an event, or about a user in a time range (default: the last 24 hours of the log).

    \b
    Examples:
      ashiato baseline explain --lake L 20f0216a929fb1ccc7d9a4b9bca5a11d
      ashiato baseline explain --lake L --user mallory --last 7d
    """
    from detections import rarity

    if (event_id is None) == (user is None):
        raise UsageError("baseline-explain-what", "name one event or one user", "EVENT_ID, or --user NAME")
    lake = open_lake(lake_location)
    if user is not None:
        when = time_range(last, since, until)
        if when.since is None:
            end = when.until or rarity.newest(lake)
            if end is None:
                raise NothingToRead("lake-empty", f"there are no events at {lake.location}", "import some first")
            when = TimeRange(end - timedelta(hours=24), when.until)
        show(rarity.explain_user(lake, user, when, list(clusters) or None), format_, output)
        return
    about, facts = rarity.explain_event(lake, str(event_id))
    if format_ == "table" and output is None and sys.stderr.isatty():
        acting = f" acting as {about['impersonated_user_name']}" if about["impersonated_user_name"] else ""
        click.echo(f"{about['user_name']!r}{acting} in {about['cluster']} at {about['moment'].isoformat()}", err=True)
    show(facts, format_, output)
