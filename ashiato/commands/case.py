"""Take a case out of the lake as one file."""

from __future__ import annotations

from pathlib import Path

import click

from ashiato.options import lake_option, open_lake, time_options, time_range


@click.group()
def case() -> None:
    """Evidence that leaves the house: events, findings, rules and queries in one file with checksums."""


@case.command("export")
@lake_option
@time_options
@click.option(
    "--finding", "findings", multiple=True, metavar="ID", help="A stored finding, with its evidence (repeatable)."
)
@click.option("--where", metavar="CONDITION", help="SQL condition over the events, such as \"user_name = 'mallory'\".")
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@click.option("--title", default="", help="What the case is called.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("case.zip"),
    show_default=True,
    help="The file to write.",
)
@click.option("--dry-run", is_flag=True, help="Count only.")
def export_(
    lake_location: str, last: str | None, since: str | None, until: str | None, findings: tuple[str, ...], where: str | None,
    clusters: tuple[str, ...], title: str, output: Path, dry_run: bool,
) -> None:  # fmt: skip
    """Write events as they came, findings, rules, the question and a Timesketch timeline into one zip.

    \b
    Examples:
      ashiato case export --finding 4f1c... -o case.zip
      ashiato case export --where "user_name = 'mallory'" --last 7d --title "Mallory, November"
      unzip case.zip -d case && cd case && sha256sum -c SHA256SUMS
    """
    from ashiato.case import export_case

    done = export_case(
        open_lake(lake_location), None if dry_run else output, finding_ids=findings, where=where,
        time_range=time_range(last, since, until), clusters=list(clusters) or None, title=title,
    )  # fmt: skip
    told = f"{done.events:,} events, {done.findings} findings"
    if done.path is None:
        click.echo(f"would write {told}", err=True)
        return
    for name, (size, digest) in done.members.items():
        click.echo(f"{digest}  {size:>12,}  {name}")
    click.echo(f"wrote {done.path}: {told}", err=True)
