"""Who read which secret, and was it the first time."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

_QUERY = """
WITH reads AS (
    SELECT *, coalesce($since IS NULL OR stage_at >= $since, false) AS asked, coalesce(response_code BETWEEN 200 AND 299, false) AS given
    FROM requests
    WHERE resource = 'secrets' AND verb IN ('get', 'list', 'watch')
      AND ($namespace IS NULL OR namespace = $namespace OR namespace IS NULL) AND ($name IS NULL OR name = $name OR name IS NULL)
)
SELECT cluster, namespace, coalesce(name, '*') AS name, user_name, impersonated_user_name AS acting_as,
       count(*) FILTER (asked AND given) AS reads, count(*) FILTER (asked AND NOT given) AS refused,
       list_sort(list(DISTINCT verb) FILTER (asked)) AS verbs, list_sort(list(DISTINCT source_ip) FILTER (asked)) AS source_ips,
       min(request_received_at) FILTER (asked) AS first_seen, max(request_received_at) FILTER (asked) AS last_seen,
       min(request_received_at) FILTER (given) AS first_ever,
       $since IS NOT NULL AND coalesce(bool_and(asked) FILTER (given), false) AS is_new
FROM reads
GROUP BY ALL
HAVING count(*) FILTER (asked) > 0
ORDER BY is_new DESC, reads DESC, cluster, namespace, name, user_name
LIMIT $limit
"""


def secret_access(
    lake: Lake,
    time_range: TimeRange = TimeRange(),
    *,
    namespace: str | None = None,
    name: str | None = None,
    clusters: Sequence[str] | None = None,
    limit: int = 1000,
) -> pa.Table:
    """The matrix of principals and secrets, what is new first.

    Columns: cluster, namespace (null: all), name ('*': a list or watch, which shows every secret in
    reach), user_name, acting_as, reads, refused, verbs, source_ips, first_seen, last_seen (in the range),
    first_ever (first successful read that the lake knows), is_new (nobody of that name read it before the
    range; false where the range is open). A filter on namespace or name keeps the wider lists and watches: they show that secret too.
    """
    with connect(lake, TimeRange(None, time_range.until), clusters=clusters) as con:
        params = {"since": time_range.since, "namespace": namespace, "name": name, "limit": limit}
        return select(con, _QUERY, params)
