"""Turn a fact around: what else this address did, who else touched this secret, which addresses used this credential."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from detections.investigation.matching import Matching
from lake.delta import Lake
from lake.errors import UsageError
from lake.query import connect, select
from lake.timerange import TimeRange

BY = {
    "user": "user_name",
    "acting_as": "impersonated_user_name",
    "source_ip": "source_ip",
    "user_agent": "user_agent",
    "credential": "credential_id",
    "pod": "CASE WHEN pod_name IS NULL THEN NULL ELSE concat_ws('/', service_account_namespace, pod_name) END",
    "node": "node_name",
    "namespace": "namespace",
    "resource": "concat_ws('/', resource, subresource)",
    "verb": "verb",
    "action": "concat_ws(' ', verb, concat_ws('/', resource, subresource))",
    "object": "concat_ws(' ', resource, concat_ws('/', namespace, name))",
    "code": "response_code::VARCHAR",
}

_QUERY = """
SELECT {by} AS value, count(*) AS requests, count(*) FILTER (response_code IN (401, 403)) AS denied,
       min(request_received_at) AS first_seen, max(request_received_at) AS last_seen,
       count(DISTINCT user_name) AS users, count(DISTINCT source_ip) AS source_ips,
       list_sort(list(DISTINCT verb)) AS verbs
FROM requests
WHERE {conditions} AND {by} IS NOT NULL AND {by} <> ''
GROUP BY ALL
ORDER BY requests DESC, value
LIMIT $limit
"""


def pivot(
    lake: Lake,
    by: str,
    time_range: TimeRange = TimeRange(),
    matching: Matching = Matching(),
    *,
    clusters: Sequence[str] | None = None,
    limit: int = 100,
) -> pa.Table:
    """The values of *by* (a key of BY) among requests that match, most requests first.

    Columns: value, requests, denied (401 and 403), first_seen, last_seen, users, source_ips (how many
    different ones), verbs. Raises UsageError ``pivot-unknown``.
    """
    if by not in BY:
        raise UsageError("pivot-unknown", f"nothing is called {by!r} here", f"one of: {', '.join(BY)}")
    condition, params = matching.condition()
    with connect(lake, time_range, clusters=clusters) as con:
        return select(con, _QUERY.format(by=BY[by], conditions=condition), {**params, "limit": limit})
