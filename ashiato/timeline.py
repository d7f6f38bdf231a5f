"""Who did what, in order: the requests of a time range that match, one row each."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pyarrow as pa

from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

DEFAULT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class TimelineFilter:
    """What a request must match; None matches everything. All given ones must hold."""

    user_name: str | None = None
    source_ip: str | None = None
    namespace: str | None = None
    resource: str | None = None
    name: str | None = None
    verb: str | None = None
    credential_id: str | None = None
    pod_name: str | None = None
    user_agent: str | None = None
    audit_id: str | None = None


_QUERY = """
SELECT request_received_at AS time, cluster, user_name, impersonated_user_name AS acting_as, source_ip, verb,
       concat_ws('/', resource, subresource) AS resource, namespace, name,
       CASE WHEN resource IS NULL THEN request_uri END AS path, response_code AS code, user_agent, event_id
FROM requests
WHERE {conditions}
ORDER BY request_received_at {order}, event_id
LIMIT $limit
"""


def timeline(
    lake: Lake,
    time_range: TimeRange = TimeRange(),
    matching: TimelineFilter = TimelineFilter(),
    *,
    writes_only: bool = False,
    clusters: list[str] | None = None,
    limit: int = DEFAULT_LIMIT,
    newest_first: bool = False,
) -> pa.Table:
    """Requests that match, in time order.

    Columns: time (UTC), cluster, user_name, acting_as, source_ip, verb, resource
    (with subresource), namespace, name, path (non-resource requests), code, user_agent, event_id.

    ``user_name`` also matches the identity a request acted as.
    """
    params: dict[str, object] = {"limit": limit}
    conditions = ["true"]
    for field in fields(matching):
        value = getattr(matching, field.name)
        if value is None:
            continue
        params[field.name] = value
        if field.name == "user_name":
            conditions.append("(user_name = $user_name OR impersonated_user_name = $user_name)")
        elif field.name == "resource":
            conditions.append(
                "concat_ws('/', resource, subresource) = $resource" if "/" in value else "resource = $resource"
            )
        else:
            conditions.append(f"{field.name} = ${field.name}")
    if writes_only:
        conditions.append("verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')")
    with connect(lake, time_range, clusters=clusters) as con:
        order = "DESC" if newest_first else "ASC"
        return select(con, _QUERY.format(conditions=" AND ".join(conditions), order=order), params)
