"""The page that somebody reads each morning."""

from __future__ import annotations

from pathlib import Path

import click

from ashiato.commands.detect import rules_folder_option
from ashiato.options import emit, format_option, lake_option, open_lake, output_option, time_options, time_range


@click.command()
@lake_option
@time_options
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@rules_folder_option
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Parameters of rules (YAML).",
)
@click.option(
    "--suppressions",
    "suppressions_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Findings that somebody answers for (YAML).",
)
@click.option(
    "--store/--no-store",
    default=True,
    show_default=True,
    help="Keep the findings, so that tomorrow's report knows what is new.",
)
@format_option("html", "markdown", "json", default="html")
@output_option
def report(
    lake_location: str, last: str | None, since: str | None, until: str | None, clusters: tuple[str, ...], folders: tuple[Path, ...],
    params_file: Path | None, suppressions_file: Path | None, store: bool, format_: str, output: Path | None,
) -> int:  # fmt: skip
    """One page: what was found, what is new, who stands out, what the log could not show.

    \b
    Examples:
      ashiato report --lake L --last 24h --output report.html
      ashiato report --lake L --last 7d --format markdown --no-store
    """
    from dataclasses import replace

    from ashiato import judge
    from detections import incremental
    from detections.daily import daily
    from detections.reports.daily import RENDERERS

    chosen, broken = judge.readable_rules(folders=folders)
    lake = open_lake(lake_location)
    day = daily(
        lake, chosen, time_range(last, since, until), clusters=list(clusters) or None,
        params=judge.load_params(params_file, chosen), suppressions=judge.suppressions(suppressions_file, folders),
    )  # fmt: skip
    day = replace(day, run=replace(day.run, failed=[*broken, *day.run.failed]))
    emit(RENDERERS[format_](day), output)
    if store:
        stored = incremental.store(lake, day.run.findings)
        click.echo(f"stored: {stored.new} new, {stored.changed} changed, {stored.known} known already", err=True)
    return 1 if day.run.failed else 0
