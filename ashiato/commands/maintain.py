"""Keep a lake and an installation in order: compact, doctor, config."""

from __future__ import annotations

from pathlib import Path

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


@click.command()
@lake_option
@click.option("--sink", "sink_url", metavar="URL", help="Prove a running sink, e.g. https://audit.example:9443/audit.")
@click.option(
    "--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Bearer token for the sink."
)
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CA that signed the sink's certificate."
)
@click.option("--cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Client certificate.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its key.")
@click.option("--cluster", help="Post for this cluster (path /audit/CLUSTER).")
@click.option("--check-lake/--no-check-lake", default=None, help="Look at the lake too (default: without --sink).")
@format_option()
def doctor(
    lake_location: str,
    sink_url: str | None,
    token_file: Path | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    cluster: str | None,
    check_lake: bool | None,
    format_: str,
) -> int:
    """Check this installation and lake; with --sink, prove a running sink end to end.

    The proof posts ten events of user ashiato:doctor, because nothing less shows that a write is durable. With
    --check-lake it waits until they are in the lake.

    \b
    Examples:
      ashiato doctor --lake L
      ashiato doctor --sink https://audit.example:9443/audit --ca ca.crt --token-file token
      ashiato doctor --sink https://audit.example:9443/audit --ca ca.crt --cert client.crt --key client.key
    """
    from ashiato import doctor as checks

    with_lake = sink_url is None if check_lake is None else check_lake
    found = list(checks.check_installation())
    if sink_url:
        token = token_file.read_text().strip() if token_file else None
        target = checks.SinkTarget(sink_url, token, ca, cert, key, cluster)
        found += checks.check_sink(target, lake_location if with_lake else None)
    if with_lake:
        found += checks.check_lake(lake_location)
    show(
        pa.table(
            {
                "check": [check.name for check in found],
                "verdict": [str(check.verdict) for check in found],
                "found": [check.found for check in found],
                "what now": [check.hint for check in found],
            }
        ),
        format_,
    )
    return 1 if any(check.verdict is checks.Verdict.FAILED for check in found) else 0


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
