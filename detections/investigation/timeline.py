"""Who did what, in order: the requests of a time range that match, with the findings about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from detections.investigation.matching import Matching
from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

DEFAULT_LIMIT = 200

REQUEST_COLUMNS = """request_received_at AS time, cluster, user_name, impersonated_user_name AS acting_as, source_ip, verb,
       concat_ws('/', resource, subresource) AS resource, namespace, name,
       CASE WHEN resource IS NULL THEN request_uri END AS path, response_code AS code, user_agent, event_id"""

_QUERY = """
SELECT {columns}
FROM requests
WHERE {conditions}
ORDER BY request_received_at {order}, event_id {order}
LIMIT $limit
"""

# Findings about the requests of the page, each at its first request there.
_WITH_FINDINGS = """
WITH page AS ({query}),
about AS (
    SELECT f.*, unnest(event_ids) AS about_id FROM findings AS f
),
marks AS (
    SELECT min(p.time) AS time, p.cluster, any_value(p.user_name) AS user_name, a.finding_id, a.rule_id, a.title, a.severity
    FROM about AS a JOIN page AS p ON p.event_id = a.about_id AND p.cluster = a.cluster
    GROUP BY p.cluster, a.finding_id, a.rule_id, a.title, a.severity
)
SELECT 'request' AS kind, * , NULL::VARCHAR AS severity, NULL::VARCHAR AS title, NULL::VARCHAR AS rule_id, NULL::VARCHAR AS finding_id
FROM page
UNION ALL BY NAME
SELECT 'finding' AS kind, time, cluster, user_name, severity, title, rule_id, finding_id FROM marks
ORDER BY time {order}, kind, event_id {order}
"""


def timeline(
    lake: Lake,
    time_range: TimeRange = TimeRange(),
    matching: Matching = Matching(),
    *,
    clusters: Sequence[str] | None = None,
    limit: int = DEFAULT_LIMIT,
    newest_first: bool = False,
    after: tuple[datetime, str] | None = None,
    with_findings: bool = False,
) -> pa.Table:
    """Requests that match, in time order, at most *limit*.

    Columns: time, cluster, user_name, acting_as, source_ip, verb, resource (with subresource), namespace,
    name, path (of non-resource requests), code, user_agent, event_id. *with_findings* puts the stored
    findings about these requests between them: kind (request, finding), severity, title, rule_id and
    finding_id come besides. *after* is (time, event_id) of the last row of the page before: paging by it
    stays right while events arrive.
    """
    condition, params = matching.condition()
    if after is not None:
        sign = "<" if newest_first else ">"
        condition += f" AND (request_received_at, event_id) {sign} ($after_time, $after_id)"
        params |= {"after_time": after[0], "after_id": after[1]}
    order = "DESC" if newest_first else "ASC"
    query = _QUERY.format(columns=REQUEST_COLUMNS, conditions=condition, order=order)
    if with_findings:
        query = _WITH_FINDINGS.format(query=query, order=order)
    with connect(lake, time_range, clusters=clusters) as con:
        return select(con, query, {**params, "limit": limit})
