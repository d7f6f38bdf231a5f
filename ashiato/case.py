"""A case as one file: the events as they came, the findings, the rules and queries, each with its SHA-256.

The zip holds no clock of its own: the same question over the same lake version gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from detections.catalog import read_catalog
from detections.reports.tables import as_markdown, rows_of
from ingest.export import events as exported
from lake.delta import Lake
from lake.errors import NothingToRead, UsageError
from lake.query import check_select, connect, select
from lake.timerange import TimeRange

MOST_EVENTS = 1_000_000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_AROUND_COLUMNS = "request_received_at, stage_at, stage, user_name, impersonated_user_name, source_ip, verb, resource, subresource, namespace, name, request_uri, response_code, user_agent, event_id"


@dataclass(frozen=True, slots=True)
class Case:
    """What went into a case file: names with sizes in bytes and SHA-256, and how many events and findings."""

    path: Path | None
    events: int
    findings: int
    members: Mapping[str, tuple[int, str]]


def export_case(
    lake: Lake,
    path: Path | None,
    *,
    finding_ids: Sequence[str] = (),
    where: str | None = None,
    time_range: TimeRange = TimeRange(),
    clusters: Sequence[str] | None = None,
    title: str = "",
) -> Case:
    """Write the case of *finding_ids* (their evidence) and of the events *where* holds (a condition over ``events``).

    ``path`` None only counts. Raises UsageError for a condition that is none, NothingToRead ``case-empty``
    where nothing matches.
    """
    if not finding_ids and not where:
        raise UsageError(
            "case-question", "a case needs a finding or a condition", "give --finding ID or --where CONDITION"
        )
    version_ = lake.version()
    with connect(lake, time_range, clusters=clusters, version=version_) as con:
        findings = select(
            con,
            "SELECT * FROM findings WHERE list_contains($ids, finding_id) ORDER BY first_seen, finding_id",
            {"ids": list(finding_ids)},
        )
        missing = sorted(set(finding_ids) - set(findings["finding_id"].to_pylist()))
        if missing:
            raise UsageError(
                "finding-unknown",
                f"no stored finding {missing[0]}",
                'see them: ashiato sql "SELECT finding_id, title FROM findings"',
            )
        ids = sorted({event_id for row in findings["event_ids"].to_pylist() for event_id in row})
        query = "SELECT * FROM events WHERE list_contains($ids, event_id)" + (f" OR ({where})" if where else "")
        check_select(con, query)
        counted = select(con, query.replace("*", "count(*) AS n", 1), {"ids": ids})["n"].to_pylist()[0]
        if not counted:
            raise NothingToRead("case-empty", "no event matches", "widen the time range, or the condition")
        if counted > MOST_EVENTS:
            raise UsageError(
                "case-too-large", f"{counted:,} events match", f"narrow it to {MOST_EVENTS:,}: a case is read by people"
            )
        if path is None:
            return Case(None, counted, findings.num_rows, {})
        ordered = f"{query} ORDER BY stage_at, event_id"
        table = con.execute(ordered, {"ids": ids}).to_arrow_table()
        about = select(con, f"SELECT {_AROUND_COLUMNS} FROM ({query}) ORDER BY stage_at, event_id", {"ids": ids})
    members = {
        "events.jsonl": b"".join(line + b"\n" for batch in table.to_batches(10_000) for line in exported(batch)),
        "findings.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(findings)).encode(),
        "timesketch.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _timesketch(about)).encode(),
        "query.sql": _question(ordered, ids, time_range, clusters, version_).encode(),
        "case.json": _facts(lake, version_, time_range, clusters, where, finding_ids, title).encode(),
        **_rules(findings),
    }
    members["summary.md"] = _summary(title, about, findings, version_).encode()
    digests = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in sorted(members.items())}
    manifest = "".join(f"{digest}  {name}\n" for name, (_, digest) in digests.items())
    _write(path, {**dict(sorted(members.items())), "SHA256SUMS": manifest.encode()})
    return Case(path, table.num_rows, findings.num_rows, digests)


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    temporary = path.with_name(path.name + ".new")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name, _ZIP_TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o600 << 16
                archive.writestr(info, data)
        temporary.chmod(0o600)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(
            "case-unwritable", f"cannot write {path}: {error.strerror}", "choose another with -o"
        ) from None


def _timesketch(events: pa.Table) -> list[dict[str, Any]]:
    """Rows as Timesketch reads them: message, datetime, timestamp_desc, and the facts beside them."""
    found = []
    for row in rows_of(events):
        what = "/".join(filter(None, (row["resource"], row["subresource"]))) or row["request_uri"]
        where = "/".join(filter(None, (row["namespace"], row["name"])))
        acting = f" as {row['impersonated_user_name']}" if row["impersonated_user_name"] else ""
        found.append(
            {
                "message": f"{row['user_name'] or 'nobody'}{acting} {row['verb']} {what} {where}: {row['response_code']}".replace(
                    "  ", " "
                ),
                "datetime": row["request_received_at"] or row["stage_at"],
                "timestamp_desc": f"Kubernetes audit, {row['stage']}",
                **{name: value for name, value in row.items() if value is not None},
            }
        )
    return found


def _question(
    query: str, ids: Sequence[str], time_range: TimeRange, clusters: Sequence[str] | None, version_: int
) -> str:
    return (
        f"-- events table version {version_}; clusters: {', '.join(clusters or ['all'])}; "
        f"stage_at from {time_range.since or 'the beginning'} until {time_range.until or 'the end'}\n"
        f"{query.replace('$ids', json.dumps(list(ids)).replace(chr(34), chr(39)))};\n"
    )


def _facts(
    lake: Lake,
    version_: int,
    time_range: TimeRange,
    clusters: Sequence[str] | None,
    where: str | None,
    finding_ids: Sequence[str],
    title: str,
) -> str:
    return (
        json.dumps(
            {
                "title": title, "ashiato": version("ashiato"), "lake": lake.location, "events_version": version_,
                "since": _moment(time_range.since), "until": _moment(time_range.until), "clusters": clusters, "where": where,
                "findings": sorted(finding_ids),
            },
            indent=1,
        )
        + "\n"
    )  # fmt: skip


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _rules(findings: pa.Table) -> dict[str, bytes]:
    """The text of each finding's rule; where another version is installed by now, that is said in its name."""
    known = {rule.id: rule for rule in read_catalog().rules}
    texts = {}
    for rule_id, rule_version in sorted(
        set(zip(findings["rule_id"].to_pylist(), findings["rule_version"].to_pylist(), strict=True))
    ):
        rule = known.get(rule_id)
        if rule is not None:
            suffix = "" if rule.version == rule_version else f".found-by-{rule_version}-not-this-{rule.version}"
            texts[f"rules/{rule_id}{suffix}.sql"] = rule.path.read_bytes()
    return texts


def _summary(title: str, events: pa.Table, findings: pa.Table, version_: int) -> str:
    times = [moment for moment in events["stage_at"].to_pylist() if moment]
    people = sorted({name for name in events["user_name"].to_pylist() if name})
    lines = [
        f"# {title or 'Case'}\n",
        f"{events.num_rows:,} events and {findings.num_rows} findings, from lake version {version_}.",
        f"First event {min(times).isoformat()}, last {max(times).isoformat()} (UTC)." if times else "",
        f"Who appears: {', '.join(people[:20])}{' and more' if len(people) > 20 else ''}.\n",
    ]
    if findings.num_rows:
        lines += [
            "## Findings\n",
            as_markdown(
                findings.select(
                    ["severity", "title", "rule_id", "cluster", "entity", "first_seen", "last_seen", "event_count"]
                )
            ),
        ]
    lines += [
        "## What is in this file\n",
        (
            "- `events.jsonl`: the audit events as they came, values redacted before storage aside\n- `findings.jsonl`: the findings as stored\n"
            "- `timesketch.jsonl`: the same events for Timesketch\n- `query.sql`, `case.json`: what was asked, of which lake version\n"
            "- `rules/`: the rules that found it\n- `SHA256SUMS`: check with `sha256sum -c SHA256SUMS`\n"
        ),
    ]
    return "\n".join(lines)
