"""Two windows of time side by side: what is new, and what is gone."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

_FACTS = """
SELECT t.f.kind AS kind, t.f.fact AS fact, user_name, request_received_at, stage_at, event_id
FROM requests, unnest([
    {{kind: 'user', fact: user_name}},
    {{kind: 'source_ip', fact: source_ip}},
    {{kind: 'user_agent', fact: regexp_extract(user_agent, '^[^/ (]*')}},
    {{kind: 'action', fact: concat_ws(' ', user_name, verb, concat_ws('/', resource, subresource))}},
    {{kind: 'namespace', fact: namespace}},
    {{kind: 'acting_as', fact: CASE WHEN impersonated_user_name IS NOT NULL THEN user_name || ' as ' || impersonated_user_name END}}
]) AS t(f)
WHERE t.f.fact IS NOT NULL AND t.f.fact <> '' AND {window}
"""
_QUERY = """
WITH earlier AS (SELECT kind, fact, count(*) AS requests, max(request_received_at) AS last_seen, arg_max(event_id, request_received_at) AS event_id
                 FROM ({earlier}) GROUP BY ALL),
later AS (SELECT kind, fact, count(*) AS requests, min(request_received_at) AS first_seen, arg_min(event_id, request_received_at) AS event_id
          FROM ({later}) GROUP BY ALL)
SELECT 'new' AS change, kind, fact, l.requests, l.first_seen AS seen, l.event_id
FROM later AS l ANTI JOIN earlier AS e USING (kind, fact)
UNION ALL
SELECT 'gone' AS change, kind, fact, e.requests, e.last_seen AS seen, e.event_id
FROM earlier AS e ANTI JOIN later AS l USING (kind, fact)
ORDER BY change DESC, kind, requests DESC, fact
LIMIT $limit
"""


def compare(
    lake: Lake, earlier: TimeRange, later: TimeRange, *, clusters: Sequence[str] | None = None, limit: int = 1000
) -> pa.Table:
    """Facts that only one of two windows (by stage_at) knows.

    Columns: change (new, gone), kind (user, source_ip, user_agent, action, namespace, acting_as), fact,
    requests, seen (first time of what is new, last time of what is gone), event_id (of that time).
    """
    reach = TimeRange(
        min(earlier.since, later.since) if earlier.since and later.since else None,
        max(earlier.until, later.until) if earlier.until and later.until else None,
    )
    params: dict[str, object] = {"limit": limit}
    query = _QUERY.format(
        earlier=_FACTS.format(window=_window("earlier", earlier, params)),
        later=_FACTS.format(window=_window("later", later, params)),
    )
    with connect(lake, reach, clusters=clusters) as con:
        return select(con, query, params)


def _window(name: str, window: TimeRange, params: dict[str, object]) -> str:
    conditions = ["true"]
    for sign, bound, moment in ((">=", "since", window.since), ("<", "until", window.until)):
        if moment is not None:
            params[f"{name}_{bound}"] = moment
            conditions.append(f"stage_at {sign} ${name}_{bound}")
    return " AND ".join(conditions)
