"""Take events in: the webhook sink, files, and what had to be set aside."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ashiato.options import format_option, is_interactive, lake_option, open_lake, redaction_key_option
from lake.errors import NothingToRead

if TYPE_CHECKING:
    from ingest.importer import ImportReport
    from ingest.importer import Progress as ImportProgress


@click.command()
@lake_option
@click.option(
    "--spool",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for what is acknowledged and not yet in the lake; on a disk that survives a crash.",
)
@click.option(
    "--listen",
    default="127.0.0.1:9443",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 asks the system for one.",
)
@click.option(
    "--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Certificate chain to serve, PEM."
)
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private key, PEM.")
@click.option(
    "--client-ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CA whose client certificates may write.",
)
@click.option(
    "--tokens",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of clusters and their (hashed) tokens; read again when it changes.",
)
@click.option("--cluster", help="Cluster of senders that no credential tells apart.")
@click.option("--insecure", is_flag=True, help="Allow no credentials on loopback, and plain HTTP elsewhere.")
@click.option(
    "--flush-seconds",
    type=click.FloatRange(0.05),
    default=5.0,
    show_default=True,
    help="Bring what was spooled into the lake this often.",
)
@click.option(
    "--flush-mb", type=click.IntRange(1), default=32, show_default=True, help="... or when so much is spooled."
)
@click.option("--max-body-mb", type=click.IntRange(1), default=64, show_default=True, help="Largest post.")
@click.option(
    "--body-budget-mb",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Bodies in memory at once, over all senders.",
)
@click.option(
    "--max-spool-mb",
    type=click.IntRange(1),
    default=10240,
    show_default=True,
    help="Answer 503 when the spool is larger than this.",
)
@click.option(
    "--min-free-mb",
    type=click.IntRange(0),
    default=256,
    show_default=True,
    help="Answer 503 when the spool's disk has less left.",
)
@click.option("--max-connections", type=click.IntRange(1), default=256, show_default=True, help="Connections at once.")
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="On SIGTERM, bring the spool into the lake for so long.",
)
@click.option(
    "--port-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the port here once the sink listens."
)
@redaction_key_option
def sink(
    lake_location: str,
    spool: Path,
    flush_mb: int,
    max_body_mb: int,
    body_budget_mb: int,
    max_spool_mb: int,
    min_free_mb: int,
    redaction_key: Path | None,
    **others: Any,
) -> int:
    """Receive audit events from kube-apiservers: the webhook audit backend's other end.

    A post is answered 200 when it is on disk (fsync), never before. What cannot be stored now is answered 503 with
    Retry-After, so that the kube-apiserver keeps it. GET /healthz, /readyz, /metrics.

    \b
    Examples:
      ashiato sink --lake L --spool S --insecure                            a trial, on this machine only
      ashiato sink --lake L --spool S --listen 0.0.0.0:9443 \\
          --tls-cert tls.crt --tls-key tls.key --tokens tokens.yaml
      ashiato doctor --sink https://HOST:9443/audit --ca ca.crt --token-file token
    """
    from ashiato.options import refuse_source_folder
    from ingest.settings import MIB, SinkSettings
    from ingest.sink import run_sink

    refuse_source_folder(lake_location)
    return run_sink(
        SinkSettings(
            lake=lake_location,
            spool=spool,
            flush_bytes=flush_mb * MIB,
            max_body_bytes=max_body_mb * MIB,
            body_budget_bytes=body_budget_mb * MIB,
            max_spool_bytes=max_spool_mb * MIB,
            min_free_bytes=min_free_mb * MIB,
            redaction_key_file=redaction_key,
            **others,
        )
    )


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@lake_option
@click.option("--cluster", required=True, help="Name of the cluster these logs come from.")
@click.option("--source", default="auto", show_default=True, help="How events are wrapped: auto, apiserver.")
@click.option(
    "--workers", type=click.IntRange(0, 64), help="Decoding processes (default: one a core, none for little)."
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
@redaction_key_option
@format_option("table", "json")
def import_(
    paths: tuple[str, ...],
    lake_location: str,
    cluster: str,
    source: str,
    workers: int | None,
    dry_run: bool,
    redaction_key: Path | None,
    format_: str,
) -> int:
    """Import audit logs: files, folders, globs, or - for standard input.

    JSON lines, EventLists and arrays; plain, gzip or zstd; rotated sets. Importing the same file twice adds
    nothing. What is no audit event goes to quarantine, whole, with the reason.

    \b
    Examples:
      ashiato import /var/log/kubernetes/audit --lake L --cluster prod
      ashiato import 'audit-*.log.gz' --lake L --cluster prod --dry-run
      zcat audit.log.gz | ashiato import - --lake L --cluster prod
    """
    from ingest.cluster import check_cluster_name
    from ingest.importer import import_files
    from ingest.redact import load_redactor

    check_cluster_name(cluster)
    redactor = load_redactor(redaction_key)
    lake = None if dry_run else open_lake(lake_location, create=True)
    with _progress() as on_progress:
        report = import_files(lake, paths, cluster, redactor, source=source, workers=workers, on_progress=on_progress)
    _show_report(report, lake_location, format_)
    for error in report.errors:
        click.echo(f"error: {error.message} [{error.code}]\nhint:  {error.hint}", err=True)
    if report.errors:
        return 1
    if report.received == 0:
        raise NothingToRead("nothing-to-import", "there was no event in what was read", "is it an audit log?")
    return 0


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    if not is_interactive():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("importing"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[events]} events"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("import", total=None, events=0)

        def update(progress: ImportProgress) -> None:
            bar.update(
                task,
                total=progress.bytes_total,
                completed=progress.bytes_read,
                events=f"{progress.report.received:,}",
            )

        yield update


def _show_report(report: ImportReport, lake_location: str, format_: str) -> None:
    if format_ == "json":
        import json

        facts = {
            name: getattr(report, name)
            for name in ("files", "received", "written", "duplicates", "quarantined", "reasons", "dry_run")
        }
        facts["errors"] = [{"code": e.code, "message": e.message, "hint": e.hint} for e in report.errors]
        click.echo(json.dumps(facts))
        return
    would = "would be " if report.dry_run else ""
    click.echo(
        f"{report.received:,} received from {report.files} file{'s' if report.files != 1 else ''}: {report.written:,} {would}written, "
        f"{report.duplicates:,} stored already, {report.quarantined:,} {would}quarantined"
    )
    if report.reasons:
        click.echo("quarantined: " + ", ".join(f"{code} {count:,}" for code, count in sorted(report.reasons.items())))
        if not report.dry_run:
            click.echo(f"see why:     ashiato quarantine list --lake {lake_location}")
    if report.first and report.last:
        click.echo(f"events from  {report.first:%Y-%m-%dT%H:%M:%SZ} to {report.last:%Y-%m-%dT%H:%M:%SZ}")
    if report.written and not report.dry_run:
        click.echo(f"next:        ashiato detect --lake {lake_location}")


@click.group()
def quarantine() -> None:
    """What arrived and was no audit event: kept whole, sealed, with the reason."""


@quarantine.command("list")
@lake_option
@format_option()
def quarantine_list(lake_location: str, format_: str) -> None:
    """List what is in quarantine, newest first."""
    from ashiato.options import show
    from lake.query import connect, select

    with connect(open_lake(lake_location)) as con:
        columns = "received_at, cluster, code, reason, origin, size_bytes, quarantine_id"
        show(select(con, f"SELECT {columns} FROM quarantine ORDER BY received_at DESC, origin"), format_)


@quarantine.command("show")
@click.argument("quarantine_id")
@lake_option
@redaction_key_option
def quarantine_show(quarantine_id: str, lake_location: str, redaction_key: Path | None) -> None:
    """Print the bytes as received; needs the redaction key they were sealed with."""
    from ingest.redact import load_redactor
    from lake.query import connect, select

    with connect(open_lake(lake_location)) as con:
        found = select(con, "SELECT sealed FROM quarantine WHERE quarantine_id = $id", {"id": quarantine_id})
    if found.num_rows == 0:
        raise NothingToRead(
            "quarantine-unknown", f"nothing in quarantine is called {quarantine_id}", "see: ashiato quarantine list"
        )
    sys.stdout.buffer.write(load_redactor(redaction_key).unseal(found["sealed"][0].as_py()))
