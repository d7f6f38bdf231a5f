"""Look into baselines: what a principal is known for, how rare it is, and what is new about an event or a user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from detections import baseline
from detections.views import create_views
from lake.delta import Lake
from lake.errors import NothingToRead
from lake.query import connect
from lake.timerange import TimeRange

KINDS = (
    "principal", "source_ip", "user_agent", "credential_id", "verb_resource", "namespace", "secret", "proxy_target",
)  # fmt: skip
"""Kinds of fact, as the view ``first_uses`` names them."""

# How rare: how many principals of the cluster have the fact, of how many. A principal is a user, and whom it acted as.
_RARITY = """
WITH sharing AS (
    SELECT cluster, fact_kind, fact, count(*) AS principals FROM {facts} GROUP BY ALL
),
sizes AS (
    SELECT cluster, count(*) AS of_principals FROM {facts} WHERE fact_kind = 'principal' GROUP BY ALL
)
"""
_SHOW = (
    _RARITY.format(facts="learnt_facts")
    + """
SELECT cluster, user_name, impersonated_user_name AS acting_as, fact_kind AS kind, fact, request_received_at AS first_seen, last_seen,
       requests, round(100.0 * requests / nullif(sum(requests) OVER of_kind, 0), 1) AS percent, principals, of_principals
FROM learnt_facts JOIN sharing USING (cluster, fact_kind, fact) JOIN sizes USING (cluster)
WHERE ($user IS NULL OR user_name = $user OR impersonated_user_name = $user) AND ($kind IS NULL OR fact_kind = $kind)
WINDOW of_kind AS (PARTITION BY cluster, user_name, impersonated_user_name, fact_kind)
ORDER BY cluster, user_name, acting_as NULLS FIRST, list_position($kinds, fact_kind), principals, requests, fact
LIMIT $most
"""
)
_EVENT = """
SELECT cluster, user_name, impersonated_user_name, event_id, coalesce(request_received_at, stage_at) AS moment, stage_at, stage
FROM events WHERE event_id = $event_id
"""
_ABOUT_EVENT = (
    _RARITY.format(facts="first_uses")
    + """,
one AS (
    SELECT *, agent_of(user_agent) AS agent, coalesce(succeeded(response_code), false) AS succeeded FROM events
    WHERE event_id = $event_id
),
asked AS (
    SELECT cluster, user_name, impersonated_user_name, coalesce(request_received_at, stage_at) AS moment, f.kind AS fact_kind, f.fact AS fact
    FROM one, unnest(facts_of(user_name, source_ip, agent, credential_id, verb, resource, subresource, namespace, name, succeeded)) AS t(f)
)
SELECT CASE WHEN first_uses.request_received_at >= asked.moment THEN 'new' ELSE 'known' END AS state, asked.fact_kind AS kind, asked.fact,
       first_uses.request_received_at AS first_seen, first_uses.last_seen, principals, of_principals
FROM asked
JOIN first_uses ON first_uses.cluster = asked.cluster AND first_uses.user_name = asked.user_name
     AND first_uses.impersonated_user_name IS NOT DISTINCT FROM asked.impersonated_user_name
     AND first_uses.fact_kind = asked.fact_kind AND first_uses.fact = asked.fact
JOIN sharing ON sharing.cluster = asked.cluster AND sharing.fact_kind = asked.fact_kind AND sharing.fact = asked.fact
JOIN sizes ON sizes.cluster = asked.cluster
ORDER BY state DESC, list_position($kinds, kind)
"""
)
_ABOUT_USER = (
    _RARITY.format(facts="first_uses")
    + """
SELECT cluster, impersonated_user_name AS acting_as, fact_kind AS kind, fact, request_received_at AS first_seen, principals, of_principals,
       principal_known_for::VARCHAR AS known_before, event_id
FROM first_uses JOIN sharing USING (cluster, fact_kind, fact) JOIN sizes USING (cluster)
WHERE user_name = $user AND request_received_at >= $since AND ($until IS NULL OR request_received_at < $until)
ORDER BY cluster, acting_as NULLS FIRST, principals, list_position($kinds, kind), first_seen
"""
)


def show(
    lake: Lake,
    *,
    user: str | None = None,
    kind: str | None = None,
    clusters: Sequence[str] | None = None,
    most: int = 500,
) -> pa.Table:
    """The stored facts, the rarest first within each principal and kind; at most *most* rows.

    Columns: cluster, user_name, acting_as, kind, fact, first_seen, last_seen (UTC), requests (that ended),
    percent (of the principal's requests with a fact of this kind), principals (of the cluster that have the
    fact too), of_principals. Raises NothingToRead ``baseline-missing``.
    """
    baseline.described(lake, clusters)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        baseline.register(con, baseline.stored(lake, clusters), clusters)
        return con.execute(_SHOW, {"user": user, "kind": kind, "kinds": list(KINDS), "most": most}).to_arrow_table()


def explain_event(lake: Lake, event_id: str) -> tuple[dict[str, Any], pa.Table]:
    """Who an event is by and when, and each of its facts: new then, or known since when, and how many share it.

    Columns: state (new, known), kind, fact, first_seen, last_seen (UTC), principals, of_principals. An event
    that just came in (RequestReceived), or of nobody, has no facts. Raises NothingToRead ``event-not-found``.
    """
    with connect(lake) as con:
        found = con.execute(_EVENT, {"event_id": event_id}).to_arrow_table().to_pylist()
    if not found:
        raise NothingToRead(
            "event-not-found", f"no event of this lake is called {event_id!r}", "ids stand in findings and timelines"
        )
    about = found[0]
    moment: datetime = about["stage_at"] or about["moment"]
    with _first_uses(lake, TimeRange(moment, moment + timedelta(microseconds=1)), [about["cluster"]]) as con:
        return about, con.execute(_ABOUT_EVENT, {"event_id": event_id, "kinds": list(KINDS)}).to_arrow_table()


def explain_user(lake: Lake, user: str, time_range: TimeRange, clusters: Sequence[str] | None = None) -> pa.Table:
    """What *user* did in *time_range* (with a beginning) for the first time, the rarest first.

    Columns: cluster, acting_as, kind, fact, first_seen (UTC), principals, of_principals, known_before (how
    long the principal had been known by then), event_id.
    """
    values = {"user": user, "since": time_range.since, "until": time_range.until, "kinds": list(KINDS)}
    with _first_uses(lake, time_range, clusters) as con:
        return con.execute(_ABOUT_USER, values).to_arrow_table()


@contextmanager
def _first_uses(
    lake: Lake, time_range: TimeRange, clusters: Sequence[str] | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose first_uses knows all there is before *time_range* ends: by the baseline, or by reading it."""
    folder = baseline.stored(lake, clusters)
    # An event belongs to its range by when it was logged, a use by when it was received: a watch ends hours later.
    early = time_range if time_range.since is None else time_range.widen(timedelta(hours=1))
    wide = baseline.reach(lake, folder, early, clusters) if folder else TimeRange()
    with connect(lake, wide, clusters=clusters) as con:
        baseline.register(con, folder, clusters)
        create_views(con)
        yield con


def newest(lake: Lake) -> datetime | None:
    """When the newest event of the lake was logged (UTC); None for an empty lake."""
    return max((file.until for file in lake.files() if file.until is not None), default=None)
