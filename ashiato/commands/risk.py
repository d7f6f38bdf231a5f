"""Who is worst: findings added up to a score for each identity, workload, address or namespace."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from ashiato.commands.detect import rules_folder_option
from ashiato.options import (
    emit,
    format_option,
    lake_option,
    open_lake,
    output_option,
    suppressions_option,
    time_options,
    time_range,
    within_config,
)
from lake.timerange import parse_duration


@click.command()
@lake_option
@time_options
@click.option(
    "--by",
    type=click.Choice(("identity", "workload", "source", "namespace")),
    default="identity",
    show_default=True,
    help="What the scores are about.",
)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Only the highest scores.")
@click.option(
    "--half-life", default="24h", show_default=True, metavar="DURATION", help="After this time a finding weighs half."
)
@click.option("--stored", is_flag=True, help="Add up the findings kept in the lake, also for a time range.")
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@rules_folder_option
@suppressions_option
@format_option("table", "json", "jsonl", "markdown", "html")
@output_option
def risk(
    lake_location: str,
    last: str | None,
    since: str | None,
    until: str | None,
    by: str,
    top: int,
    half_life: str,
    stored: bool,
    clusters: tuple[str, ...],
    folders: tuple[Path, ...],
    suppressions_file: Path | None,
    format_: str,
    output: Path | None,
) -> int:
    """Add findings up to scores, and show the sum behind each.

    With a time range the rules judge its events now. Without one, the findings that `detect --new` or `--store` kept in
    the lake are added up; where there are none, all events are judged.

    \b
    Examples:
      ashiato risk --lake L
      ashiato risk --lake L --last 24h --by source --top 5
      ashiato risk --lake L --by namespace --format html --output risk.html
    """
    from ashiato import judge
    from detections.reports.risk import FORMATS, as_text

    made = judge.risk(
        open_lake(lake_location),
        time_range(last, since, until),
        by=by,
        top=top,
        half_life=parse_duration(half_life),
        stored=stored or None,
        clusters=list(clusters) or None,
        folders=folders,
        suppressions=judge.suppressions(suppressions_file, folders, within_config=within_config(suppressions_file)),
        live=last is not None,
    )
    if format_ == "table" and output is None:
        width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        emit(as_text(made, width=width, colour=sys.stdout.isatty()), None)
    else:
        emit(FORMATS[format_](made), output)
    return 1 if made.failed else 0
