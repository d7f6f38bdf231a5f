"""Keep a lake and an installation in order: compact, doctor, config."""

from __future__ import annotations

import click
import pyarrow as pa

from ashiato.config import settings
from ashiato.options import format_option, lake_option, open_lake, show
from lake.errors import UsageError
from lake.maintenance import TARGET_BYTES, TOMBSTONE_HOURS, Compacted, expire, vacuum
from lake.maintenance import compact as compact_table
from lake.schema import TABLES


@click.command()
@lake_option
@click.option(
    "--target-mb",
    type=click.IntRange(1, 4096),
    default=TARGET_BYTES >> 20,
    show_default=True,
    help="Size of the files to make.",
)
@click.option(
    "--keep-days", type=click.IntRange(1), help="Also expire days older than this (default: keep everything)."
)
@click.option(
    "--tombstone-hours",
    type=click.IntRange(1),
    default=TOMBSTONE_HOURS,
    show_default=True,
    help="Free disk of files that left the lake longer ago than this.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, do nothing.")
def compact(lake_location: str, target_mb: int, keep_days: int | None, tombstone_hours: int, dry_run: bool) -> None:
    """Merge small files into large sorted ones; expire old days; free the disk. Readers are not disturbed.

    \b
    Examples:
      ashiato compact --lake L
      ashiato compact --lake L --keep-days 400 --dry-run
    """
    lake = open_lake(lake_location)
    would = "would be " if dry_run else ""

    def tell(done: Compacted) -> None:
        where = "/".join(f"{key}={value}" for key, value in done.partition.items())
        size = "" if done.bytes_after is None else f", {_size(done.bytes_before)} -> {_size(done.bytes_after)}"
        click.echo(f"{done.table} {where}: {done.files} files of {done.rows:,} rows {would}merged{size}")

    groups = 0
    for name in TABLES:
        if keep_days is not None:
            gone = expire(lake, keep_days, name, dry_run=dry_run)
            if gone:
                click.echo(f"{name}: {sum(f.rows for f in gone):,} rows in {len(gone)} files {would}expired")
        done = compact_table(lake, name, target_bytes=target_mb << 20, dry_run=dry_run, on_progress=tell)
        groups += len(done)
        freed = vacuum(lake, name, tombstone_hours=tombstone_hours, dry_run=dry_run)
        if freed:
            click.echo(f"{name}: {len(freed)} files that no reader needs any more {would}removed from disk")
    if groups == 0:
        click.echo("nothing to merge: the files are large enough")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


@click.group("config")
def config_group() -> None:
    """Settings: where each value comes from."""


@config_group.command("show")
@format_option()
@click.pass_context
def config_show(ctx: click.Context, format_: str) -> None:
    """Every setting with its value and origin: default, configuration file or environment."""
    root = ctx.find_root()
    if not isinstance(root.command, click.Group):
        raise UsageError("config-invalid", "no commands", "run ashiato config show")
    found = settings(root.command, root)
    show(
        pa.table(
            {
                "setting": [s.key for s in found],
                "value": ["" if s.value is None else str(s.value) for s in found],
                "origin": [s.origin for s in found],
                "environment": [s.environment for s in found],
            }
        ),
        format_,
    )
