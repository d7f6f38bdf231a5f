"""Follow the footprints: timelines, pivots, identities, sessions, objects, secrets, comparisons, searches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click
import pyarrow as pa

from ashiato.options import emit, format_option, lake_option, open_lake, output_option, show, time_options, time_range
from detections.investigation.matching import Matching
from detections.investigation.pivots import BY
from detections.investigation.timeline import DEFAULT_LIMIT
from lake.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
_MOST_SHOWN = 20
_MOST_TEXT = 120

_MATCHING = (
    click.option("--user", "user_name", help="Who: user name, acting or acted as."),
    click.option("--source-ip", help="From where: last hop."),
    click.option("--namespace", "-n", help="Namespace of the object."),
    click.option("--resource", help="Resource, or resource/subresource."),
    click.option("--name", help="Object name."),
    click.option("--verb", help="Verb."),
    click.option("--credential", "credential_id", help="Credential id (JTI=... or X509SHA256=...)."),
    click.option("--pod", "pod_name", help="Pod that a bound token belongs to."),
    click.option("--node", "node_name", help="Node that a bound token belongs to."),
    click.option("--user-agent", help="User agent, as claimed."),
    click.option("--audit-id", help="Audit id."),
    click.option("--writes", "writes_only", is_flag=True, help="Only requests that change something."),
    click.option("--denied/--not-denied", "denied", default=None, help="Only requests that were refused, or not."),
)


def _matching_options(function: F) -> F:
    for option in reversed(_MATCHING):
        function = option(function)
    return function


def _cluster_option(function: F) -> F:
    return click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")(function)


def _asked(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The time range, and the keywords that every function of the investigation takes."""
    when = time_range(options.pop("last"), options.pop("since"), options.pop("until"))
    return when, {"clusters": list(options.pop("clusters")) or None}


def _matching(options: dict[str, Any]) -> Matching:
    return Matching(**{field.name: options[field.name] for field in fields(Matching) if field.name in options})


def _shown(table: pa.Table, format_: str, output: Path | None, limit: int | None = None) -> None:
    if format_ == "table":
        # Columns that are empty everywhere only push the others off the screen.
        dull = [name for name in table.column_names if table[name].null_count == table.num_rows]
        drop = {"event_id", "event_ids", "user_agent", "object", *dull}
        table = table.drop_columns([name for name in table.column_names if name in drop])
        if "changes" in table.column_names:
            told = pa.array([_told(value) for value in table["changes"].to_pylist()], pa.string())
            table = table.set_column(table.column_names.index("changes"), "changes", told)
    show(table, format_, output)
    if limit is not None and table.num_rows == limit:
        click.echo(f"the first {limit} rows; more with --limit", err=True)
    if table.num_rows == 0:
        click.echo("nothing matches; widen the time range or drop a filter", err=True)


def _told(changes: str | None) -> str | None:
    """Changes as a person reads them: + path value, - path, path before -> after."""
    if changes is None:
        return None
    told = []
    for change in json.loads(changes):
        before, after = (_short(change[side]) for side in ("before", "after"))
        told.append(
            {"add": f"+ {change['path']} {after}", "remove": f"- {change['path']} {before}"}.get(
                change["operation"], f"{change['path']} {before} -> {after}"
            )
        )
    return "; ".join(told)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "..."


def _limit(default: int) -> Callable[[F], F]:
    return click.option(
        "--limit", type=click.IntRange(1), default=default, show_default=True, help="At most so many rows."
    )


@click.command()
@lake_option
@time_options
@_matching_options
@_cluster_option
@_limit(DEFAULT_LIMIT)
@click.option("--newest-first", is_flag=True, help="Latest request first.")
@click.option("--findings", is_flag=True, help="With the stored findings about these requests between them.")
@format_option()
@output_option
def timeline(
    lake_location: str,
    limit: int,
    newest_first: bool,
    findings: bool,
    format_: str,
    output: Path | None,
    **options: Any,
) -> None:
    """Who did what, in order: one row a request.

    \b
    Examples:
      ashiato timeline --user mallory --last 24h
      ashiato timeline --resource secrets --namespace payments --findings
      ashiato timeline --source-ip 203.0.113.66 --writes --format markdown
    """
    from detections.investigation.timeline import timeline as timeline_of

    when, common = _asked(options)
    table = timeline_of(
        open_lake(lake_location),
        when,
        _matching(options),
        limit=limit,
        newest_first=newest_first,
        with_findings=findings,
        **common,
    )
    _shown(table, format_, output, limit)


@click.command()
@click.argument("by", type=click.Choice(tuple(BY)))
@lake_option
@time_options
@_matching_options
@_cluster_option
@_limit(100)
@format_option()
@output_option
def pivot(by: str, lake_location: str, limit: int, format_: str, output: Path | None, **options: Any) -> None:
    """Turn a fact around: count what matches by something else.

    \b
    Examples:
      ashiato pivot action --source-ip 203.0.113.66                  what else did this address do
      ashiato pivot user --resource secrets --name db-credentials    who else touched this secret
      ashiato pivot source_ip --credential JTI=4f1c...               which addresses used this credential
    """
    from detections.investigation.pivots import pivot as pivot_on

    when, common = _asked(options)
    _shown(
        pivot_on(open_lake(lake_location), by, when, _matching(options), limit=limit, **common), format_, output, limit
    )


@click.command()
@click.argument("user_name", metavar="USER")
@lake_option
@time_options
@_cluster_option
@format_option("table", "json")
@output_option
def identity(user_name: str, lake_location: str, format_: str, output: Path | None, **options: Any) -> None:
    """One identity on one page: what it does, from where, with what, as whom, and what was found.

    \b
    Examples:
      ashiato identity mallory --last 7d
      ashiato identity system:serviceaccount:ci:deployer --format json
    """
    from detections.investigation.identity import identity as identity_of
    from detections.reports.tables import as_table, json_text, rows_of

    when, common = _asked(options)
    page = identity_of(open_lake(lake_location), user_name, when, **common)
    tables = {field.name: getattr(page, field.name) for field in fields(page) if field.name != "user_name"}
    if format_ == "json":
        found = {name: list(rows_of(table)) for name, table in tables.items()}
        emit(json_text({"user_name": user_name, **found}), output)
        return
    titles = {"acted_as": "acted as", "acted_by": "was acted as by"}
    parts = []
    for name, table in tables.items():
        if table.num_rows:
            more = (
                f"... and {table.num_rows - _MOST_SHOWN} more: --format json\n" if table.num_rows > _MOST_SHOWN else ""
            )
            parts.append(f"{titles.get(name, name)}\n{as_table(table.slice(0, _MOST_SHOWN))}{more}")
    emit("\n".join(parts), output)


@click.command()
@lake_option
@time_options
@_matching_options
@_cluster_option
@_limit(1000)
@format_option()
@output_option
def sessions(lake_location: str, limit: int, format_: str, output: Path | None, **options: Any) -> None:
    """Sessions into pods and nodes: exec, attach, port-forward, proxy; who, what command, how long.

    \b
    Examples:
      ashiato sessions --last 24h
      ashiato sessions --namespace payments --user mallory --format json
    """
    from detections.investigation.sessions import sessions as sessions_of

    when, common = _asked(options)
    _shown(
        sessions_of(open_lake(lake_location), when, _matching(options), limit=limit, **common), format_, output, limit
    )


@click.command()
@click.argument("resource")
@click.argument("name")
@click.option("--namespace", "-n", help="Its namespace; leave out for objects of the cluster.")
@click.option("--api-group", help="Its API group, where two kinds share a name.")
@lake_option
@time_options
@_cluster_option
@_limit(500)
@format_option()
@output_option
def history(
    resource: str, name: str, namespace: str | None, api_group: str | None, lake_location: str, limit: int, format_: str,
    output: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Every write to one object: who, from where, and what changed between its versions.

    \b
    Examples:
      ashiato history clusterrolebindings support-access
      ashiato history deployments web -n shop --format json
    """
    from detections.investigation.object_history import object_history

    when, common = _asked(options)
    table = object_history(
        open_lake(lake_location), resource, name, namespace, when, api_group=api_group, limit=limit, **common
    )
    _shown(table, format_, output, limit)


@click.command("secret-access")
@click.option("--namespace", "-n", help="Only secrets of this namespace.")
@click.option("--name", help="Only this secret (and lists that show it).")
@lake_option
@time_options
@_cluster_option
@_limit(1000)
@format_option()
@output_option
def secret_access(
    namespace: str | None,
    name: str | None,
    lake_location: str,
    limit: int,
    format_: str,
    output: Path | None,
    **options: Any,
) -> None:
    """Who read which secret, how often, from where, and whether it is new.

    \b
    Examples:
      ashiato secret-access --last 7d
      ashiato secret-access -n payments --name db-credentials --since 2026-11-01
    """
    from detections.investigation.secret_access import secret_access as access_of

    when, common = _asked(options)
    table = access_of(open_lake(lake_location), when, namespace=namespace, name=name, limit=limit, **common)
    _shown(table, format_, output, limit)


@click.command()
@click.option("--since", required=True, metavar="TIME", help="The later window begins here (RFC 3339, UTC).")
@click.option("--until", metavar="TIME", help="The later window ends here (default: now).")
@click.option("--baseline-since", metavar="TIME", help="The earlier window begins here (default: with the log).")
@click.option(
    "--baseline-until", metavar="TIME", help="The earlier window ends here (default: where the later begins)."
)
@lake_option
@_cluster_option
@_limit(1000)
@format_option()
@output_option
def compare(
    since: str, until: str | None, baseline_since: str | None, baseline_until: str | None, lake_location: str,
    clusters: tuple[str, ...], limit: int, format_: str, output: Path | None,
) -> None:  # fmt: skip
    """Two windows of time side by side: users, addresses, agents and actions that are new, or gone.

    \b
    Examples:
      ashiato compare --since 2026-11-23                              what is new today
      ashiato compare --since 2026-11-16 --baseline-since 2026-11-09  this week against the one before
    """
    from detections.investigation.compare import compare as compared

    later = time_range(None, since, until)
    earlier = time_range(None, baseline_since, baseline_until or since)
    if earlier.since and later.since and earlier.since >= later.since:
        raise UsageError(
            "compare-windows", "the earlier window does not begin before the later one", "swap the two windows"
        )
    _shown(
        compared(open_lake(lake_location), earlier, later, clusters=list(clusters) or None, limit=limit),
        format_,
        output,
        limit,
    )


@click.command()
@click.argument("text")
@lake_option
@time_options
@_matching_options
@_cluster_option
@_limit(200)
@format_option()
@output_option
def search(text: str, lake_location: str, limit: int, format_: str, output: Path | None, **options: Any) -> None:
    """Search in bodies, paths, names, annotations and messages, newest first.

    \b
    Examples:
      ashiato search /var/run/docker.sock --last 7d
      ashiato search 'xmrig' --writes --format json
    """
    from detections.investigation.search import search as search_in

    when, common = _asked(options)
    _shown(
        search_in(open_lake(lake_location), text, when, _matching(options), limit=limit, **common),
        format_,
        output,
        limit,
    )
