"""One identity on one page: what it does, from where, with what, as whom, and what was found about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """What the log says about one user name, as tables; times are UTC.

    ``summary`` (one row): requests, denied, denied_ratio, first_seen, last_seen, namespaces, source_ips,
    groups. ``actions``: verb, resource, namespace, requests, denied, first_seen, last_seen. ``addresses``:
    source_ip, requests, denied, first_seen, last_seen. ``agents``: user_agent (what it claims to be),
    requests, first_seen, last_seen. ``credentials``: credential_id, pod_name, node_name, requests,
    first_seen, last_seen, source_ips. ``acted_as`` and ``acted_by``: user_name, groups, requests,
    first_seen, last_seen: whom it impersonated, and who impersonated it. ``findings``: finding_id, rule_id,
    title, severity, first_seen, last_seen, event_count. All most-first, except findings (latest first).
    """

    user_name: str
    summary: pa.Table
    actions: pa.Table
    addresses: pa.Table
    agents: pa.Table
    credentials: pa.Table
    acted_as: pa.Table
    acted_by: pa.Table
    findings: pa.Table


_SEEN = "count(*) AS requests, min(request_received_at) AS first_seen, max(request_received_at) AS last_seen"
_DENIED = "count(*) FILTER (response_code IN (401, 403)) AS denied"
_OWN = """
CREATE TEMP TABLE own AS
SELECT user_name, user_groups, impersonated_user_name, impersonated_user_groups, request_received_at, response_code, namespace,
       source_ip, user_agent, credential_id, pod_name, node_name, verb, concat_ws('/', resource, subresource) AS resource
FROM requests WHERE user_name = $user_name OR impersonated_user_name = $user_name
"""


def identity(
    lake: Lake, user_name: str, time_range: TimeRange = TimeRange(), *, clusters: Sequence[str] | None = None
) -> Identity:
    """Everything about *user_name* in one pass over its requests; tables of no rows where it was never seen."""
    with connect(lake, time_range, clusters=clusters) as con:
        con.execute(_OWN, {"user_name": user_name})

        def table(query: str) -> pa.Table:
            return _select(con, query, user_name)

        return Identity(
            user_name=user_name,
            summary=table(
                f"SELECT count(*) AS requests, {_DENIED}, "
                "round(count(*) FILTER (response_code IN (401, 403)) / nullif(count(*), 0), 4) AS denied_ratio, "
                "min(request_received_at) AS first_seen, max(request_received_at) AS last_seen, "
                "count(DISTINCT namespace) AS namespaces, count(DISTINCT source_ip) AS source_ips, "
                "list_sort(list_distinct(flatten(list(user_groups) FILTER (user_name = $user_name)))) AS groups FROM own"
            ),
            actions=table(
                f"SELECT verb, resource, namespace, {_SEEN}, {_DENIED} FROM own GROUP BY ALL ORDER BY requests DESC, resource, verb, namespace"
            ),
            addresses=table(
                f"SELECT source_ip, {_SEEN}, {_DENIED} FROM own GROUP BY ALL ORDER BY requests DESC, source_ip"
            ),
            agents=table(f"SELECT user_agent, {_SEEN} FROM own GROUP BY ALL ORDER BY requests DESC, user_agent"),
            credentials=table(
                f"SELECT credential_id, pod_name, node_name, {_SEEN}, list_sort(list(DISTINCT source_ip)) AS source_ips FROM own "
                "WHERE credential_id IS NOT NULL AND user_name = $user_name GROUP BY ALL ORDER BY requests DESC, credential_id"
            ),
            acted_as=table(
                f"SELECT impersonated_user_name AS user_name, impersonated_user_groups AS groups, {_SEEN} FROM own "
                "WHERE user_name = $user_name AND impersonated_user_name IS NOT NULL GROUP BY ALL ORDER BY requests DESC, 1"
            ),
            acted_by=table(
                f"SELECT user_name, user_groups AS groups, {_SEEN} FROM own "
                "WHERE impersonated_user_name = $user_name GROUP BY ALL ORDER BY requests DESC, 1"
            ),
            findings=_findings(con, user_name, time_range, clusters),
        )


def _select(con: duckdb.DuckDBPyConnection, query: str, user_name: str) -> pa.Table:
    params = {"user_name": user_name} if "$user_name" in query else {}
    return select(con, f"{query} LIMIT {_MOST_ROWS}", params)


def _findings(
    con: duckdb.DuckDBPyConnection, user_name: str, time_range: TimeRange, clusters: Sequence[str] | None
) -> pa.Table:
    """Stored findings whose entity is this user, or whom it acted as."""
    return select(
        con,
        "SELECT finding_id, rule_id, title, severity, first_seen, last_seen, event_count FROM findings "
        "WHERE (json_extract_string(entity, '$.user_name') = $user_name "
        "OR json_extract_string(entity, '$.impersonated_user_name') = $user_name) "
        "AND ($clusters IS NULL OR list_contains($clusters, cluster)) "
        "AND ($since IS NULL OR last_seen >= $since) AND ($until IS NULL OR first_seen < $until) "
        f"ORDER BY last_seen DESC, finding_id LIMIT {_MOST_ROWS}",
        {
            "user_name": user_name,
            "clusters": list(clusters) if clusters else None,
            "since": time_range.since,
            "until": time_range.until,
        },
    )
