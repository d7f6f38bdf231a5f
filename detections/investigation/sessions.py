"""Sessions into pods and nodes: who, with which command, for how long."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from detections.investigation.matching import Matching
from detections.views import create_views
from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

# Both ends of a session are events of one request; the server's own words name it, the Audit-ID alone does not.
_QUERY = """
WITH parts AS (
    SELECT *, coalesce(request_received_at, stage_at) AS received_at
    FROM events
    WHERE subresource IN ('exec', 'attach', 'portforward', 'proxy') AND resource IN ('pods', 'nodes', 'services') AND {conditions}
),
sessions AS (
    SELECT cluster, user_name, impersonated_user_name AS acting_as, source_ip, resource, subresource, namespace, name, request_uri,
           received_at AS started, max(stage_at) FILTER (stage IN ('ResponseComplete', 'Panic')) AS ended,
           max(response_code) AS code, min(event_id) AS event_id, list_sort(list(DISTINCT event_id)) AS event_ids
    FROM parts
    GROUP BY cluster, audit_id, user_name, impersonated_user_name, source_ip, resource, subresource, namespace, name, request_uri, received_at
)
SELECT started, ended, round(epoch(ended) - epoch(started), 3) AS seconds, cluster, user_name, acting_as, source_ip,
       resource || '/' || subresource AS kind, namespace, name,
       query_values(request_uri, 'container')[1] AS container, query_values(request_uri, 'command') AS command,
       coalesce(query_values(request_uri, 'stdin')[1] IN ('true', '1'), false) AS stdin,
       coalesce(query_values(request_uri, 'tty')[1] IN ('true', '1'), false) AS tty,
       code, event_ids
FROM sessions
ORDER BY started, event_id
LIMIT $limit
"""


def sessions(
    lake: Lake,
    time_range: TimeRange = TimeRange(),
    matching: Matching = Matching(),
    *,
    clusters: Sequence[str] | None = None,
    limit: int = 1000,
) -> pa.Table:
    """exec, attach, port-forward and proxy requests as sessions, in time order.

    Columns: started, ended (null while the log has no end of it), seconds, cluster, user_name, acting_as,
    source_ip, kind (pods/exec, ...), namespace, name, container, command (list, decoded), stdin, tty,
    code (101: the connection was upgraded), event_ids. What was typed into an interactive shell is in no
    audit log.
    """
    condition, params = matching.condition()
    with connect(lake, time_range, clusters=clusters) as con:
        create_views(con)
        return select(con, _QUERY.format(conditions=condition), {**params, "limit": limit})
