"""Search in what was sent and answered: bodies, paths, names, annotations."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from detections.investigation.matching import Matching
from detections.investigation.timeline import REQUEST_COLUMNS
from lake.delta import Lake
from lake.errors import UsageError
from lake.query import connect, select
from lake.timerange import TimeRange

PLACES = ("request_object", "response_object", "request_uri", "annotations", "response_message", "name", "user_agent")
_AROUND = 60

_QUERY = """
WITH found AS (
    SELECT *, {place} AS place FROM requests WHERE {conditions} AND ({anywhere})
    ORDER BY request_received_at DESC, event_id LIMIT $limit
)
SELECT {columns}, place,
       CASE place {snippets} END AS snippet
FROM found ORDER BY time DESC, event_id
"""


def search(
    lake: Lake,
    text: str,
    time_range: TimeRange = TimeRange(),
    matching: Matching = Matching(),
    *,
    clusters: Sequence[str] | None = None,
    limit: int = 200,
) -> pa.Table:
    """Requests that hold *text* anywhere in PLACES, upper and lower case alike, newest first.

    Columns: those of a timeline, place (the column that holds it), snippet (what stands around it).
    Redacted values cannot be found. Raises UsageError ``search-too-short`` for less than three characters.
    """
    if len(text.strip()) < 3:
        raise UsageError("search-too-short", "fewer than three characters match everything", "give more of the text")
    condition, params = matching.condition()
    at = {place: f"strpos(lower({place}), lower($text))" for place in PLACES}
    query = _QUERY.format(
        columns=REQUEST_COLUMNS,
        conditions=condition,
        anywhere=" OR ".join(f"contains(lower({place}), lower($text))" for place in PLACES),
        place="CASE " + " ".join(f"WHEN contains(lower({p}), lower($text)) THEN '{p}'" for p in PLACES) + " END",
        snippets=" ".join(
            f"WHEN '{p}' THEN substr({p}, greatest(1, {at[p]} - {_AROUND}), length($text) + {2 * _AROUND})"
            for p in PLACES
        ),
    )
    with connect(lake, time_range, clusters=clusters) as con:
        return select(con, query, {**params, "text": text, "limit": limit})
