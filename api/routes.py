"""The questions, one route each; all but the SQL one call the functions of ``detections.investigation``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import duckdb
import pyarrow as pa
from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.answers import RESPONSES, answer
from api.asked import (
    Buckets,
    Counted,
    Object,
    Page,
    Range,
    Ranking,
    Secrets,
    Somebody,
    Sought,
    Stored,
    Windows,
    cursor,
    described,
)
from api.errors import ApiError
from api.server import Reader, SqlWriter, looked_up, service_of
from detections.catalog import load_catalog
from detections.investigation.compare import compare as compared
from detections.investigation.identity import identity as identity_of
from detections.investigation.object_history import object_history
from detections.investigation.pivots import BY
from detections.investigation.pivots import pivot as pivot_on
from detections.investigation.search import search as search_in
from detections.investigation.secret_access import secret_access as access_of
from detections.investigation.sessions import sessions as sessions_of
from detections.investigation.timeline import timeline
from detections.reports.tables import rows_of
from detections.risk import By, score
from detections.stored_findings import stored_findings
from ingest.export import events as exported
from lake.delta import Lake
from lake.errors import UsageError
from lake.query import check_select, connect, select
from lake.timerange import TimeRange

router = APIRouter(prefix="/v1")
_Id = Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")]


@router.get("/me", tags=["self"])
async def me(caller: Reader) -> dict[str, Any]:
    """Who the token says you are, and what you may look at."""
    return {"name": caller.name, "roles": sorted(caller.roles), "clusters": caller.clusters}


@router.get("/summary", tags=["self"])
async def summary(request: Request, caller: Reader, asked: Annotated[Range, Query()]) -> dict[str, Any]:
    """What the lake holds in a range: events per cluster with first and last time."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()

    def work(lake: Lake) -> dict[str, Any]:
        with connect(lake, when, clusters=clusters) as con:
            table = select(
                con,
                "SELECT cluster, count(*) AS events, min(stage_at) AS first, max(stage_at) AS last FROM events GROUP BY ALL ORDER BY ALL",
            )
        return {"version": lake.version(), "clusters": list(rows_of(table))}

    return await looked_up(request, work)


@router.get("/events", tags=["events"], responses=RESPONSES)
async def events(request: Request, caller: Reader, asked: Annotated[Page, Query()]) -> Response:
    """Requests that match, a page at a time; `next` leads to the page after, and stays right while events arrive."""
    request.state.asked = described(asked)
    clusters, when, after = asked.clusters(caller), asked.time_range(), asked.after()

    def work(lake: Lake) -> pa.Table:
        return timeline(
            lake, when, asked.matching(), clusters=clusters, limit=asked.limit, newest_first=asked.newest_first, after=after,
            with_findings=asked.findings,
        )  # fmt: skip

    table = await looked_up(request, work)
    last = [
        row
        for row in table.slice(max(0, table.num_rows - 50)).select(["time", "event_id"]).to_pylist()
        if row["event_id"]
    ]
    full = table.num_rows >= asked.limit and last
    return answer(request, table, next=cursor(**last[-1]) if full else None)


@router.get("/histogram", tags=["events"], responses=RESPONSES)
async def histogram(request: Request, caller: Reader, asked: Annotated[Buckets, Query()]) -> Response:
    """How many requests match over time: time, requests, denied, writes, in *buckets* equal steps."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()
    condition, params = asked.matching().condition()

    def work(lake: Lake) -> pa.Table:
        with connect(lake, when, clusters=clusters) as con:
            return select(
                con,
                "WITH found AS (SELECT epoch_us(request_received_at) AS us, response_code, verb FROM requests "
                f"WHERE {condition}), ends AS (SELECT min(us) AS first, greatest(1, (max(us) - min(us)) // $buckets + 1) AS step FROM found) "
                "SELECT make_timestamptz(first + (us - first) // step * step) AS time, step / 1e6 AS seconds, count(*) AS requests, "
                "count(*) FILTER (response_code IN (401, 403)) AS denied, "
                "count(*) FILTER (verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')) AS writes "
                "FROM found, ends GROUP BY ALL ORDER BY time",
                {**params, "buckets": asked.buckets},
            )

    return answer(request, await looked_up(request, work))


@router.get("/events/{event_id}", tags=["events"])
async def event(request: Request, caller: Reader, event_id: _Id, asked: Annotated[Range, Query()]) -> Response:
    """One event, exactly as it came (redacted values aside). A time range finds it faster."""
    request.state.asked = {"event_id": event_id, **described(asked)}
    clusters, when = asked.clusters(caller), asked.time_range()

    def work(lake: Lake) -> bytes | None:
        with connect(lake, when, clusters=clusters) as con:
            found = con.execute("SELECT * FROM events WHERE event_id = $id LIMIT 1", {"id": event_id}).to_arrow_reader(
                1
            )
            for batch in found:
                for line in exported(batch):
                    return line
        return None

    line = await looked_up(request, work)
    if line is None:
        raise ApiError(404, "event-unknown", f"no event {event_id} in reach", "widen the time range")
    return Response(line, media_type="application/json")


@router.get("/findings", tags=["findings"], responses=RESPONSES)
async def findings(request: Request, caller: Reader, asked: Annotated[Stored, Query()]) -> Response:
    """Stored findings (`ashiato detect --new` or `--store`), latest first; the range is by their times."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()

    def work(lake: Lake) -> pa.Table:
        with connect(lake, clusters=clusters) as con:
            return select(
                con,
                "SELECT finding_id, rule_id, rule_version, title, techniques, severity, confidence, cluster, entity, first_seen, last_seen, "
                "event_count, event_ids[:100] AS event_ids, evidence, detected_at FROM findings "
                "WHERE ($severity IS NULL OR list_contains($severity, severity)) AND ($rule IS NULL OR list_contains($rule, rule_id)) "
                "AND ($since IS NULL OR last_seen >= $since) AND ($until IS NULL OR first_seen < $until) "
                "ORDER BY last_seen DESC, finding_id LIMIT $limit",
                {
                    "severity": asked.severity or None,
                    "rule": asked.rule or None,
                    "since": when.since,
                    "until": when.until,
                    "limit": asked.limit,
                },
            )

    return answer(request, await looked_up(request, work))


@router.get("/rules", tags=["findings"])
async def rules(caller: Reader) -> dict[str, Any]:  # noqa: ARG001 - asked for, so that strangers are refused
    """The rules that come with Ashiato."""
    return {
        "rows": [
            {
                "id": rule.id, "title": rule.title, "severity": str(rule.severity), "confidence": str(rule.confidence),
                "techniques": rule.techniques, "attack": rule.attack, "practice": rule.practice, "layer": rule.layer,
                "control": rule.control, "why": rule.why, "blind_spots": rule.blind_spots,
                "false_positives": rule.false_positives, "triage": rule.triage, "version": rule.version, "query": rule.sql,
            }
            for rule in load_catalog()
        ]
    }  # fmt: skip


@router.get("/risk", tags=["findings"])
async def risk(request: Request, caller: Reader, asked: Annotated[Ranking, Query()]) -> dict[str, Any]:
    """What stored findings add up to, the highest first, with the reasons; age counts to the end of the range, or now."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()
    at = when.until or datetime.now(UTC)
    scores = await looked_up(request, lambda lake: score(stored_findings(lake, when, clusters), at, By(asked.by)))
    return {
        "at": at.isoformat(),
        "rows": [
            {
                "entity": one.subject.name, "acting_as": one.subject.acting_as or None, "cluster": one.subject.cluster, "score": round(one.score, 2),
                "tactics": one.tactics, "chain": one.chain, "since": one.since.isoformat(), "last_seen": one.last_seen.isoformat(),
                "reasons": [f"{reason.points:.1f}  {reason.title} ({reason.severity}, {reason.findings} findings)" for reason in one.reasons],
            }
            for one in scores[: asked.limit]
        ],
    }  # fmt: skip


@router.get("/pivot/{by}", tags=["investigation"], responses=RESPONSES)
async def pivot(
    request: Request,
    caller: Reader,
    by: Annotated[str, Path(description=f"One of: {', '.join(BY)}.")],
    asked: Annotated[Counted, Query()],
) -> Response:
    """Turn a fact around: count what matches by something else."""
    request.state.asked = {"by": by, **described(asked)}
    clusters, when = asked.clusters(caller), asked.time_range()
    return answer(
        request,
        await looked_up(
            request, lambda lake: pivot_on(lake, by, when, asked.matching(), clusters=clusters, limit=asked.limit)
        ),
    )


@router.get("/identity", tags=["investigation"])
async def identity(request: Request, caller: Reader, asked: Annotated[Somebody, Query()]) -> dict[str, Any]:
    """One identity on one page: what it does, from where, with what, as whom, and what was found about it."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()
    page = await looked_up(request, lambda lake: identity_of(lake, asked.user, when, clusters=clusters))
    names = ("summary", "actions", "addresses", "agents", "credentials", "acted_as", "acted_by", "findings")
    return {"user_name": asked.user, **{name: list(rows_of(getattr(page, name))) for name in names}}


@router.get("/sessions", tags=["investigation"], responses=RESPONSES)
async def sessions(request: Request, caller: Reader, asked: Annotated[Counted, Query()]) -> Response:
    """exec, attach, port-forward and proxy as sessions, with decoded commands and duration."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()
    return answer(
        request,
        await looked_up(
            request, lambda lake: sessions_of(lake, when, asked.matching(), clusters=clusters, limit=asked.limit)
        ),
    )


@router.get("/history", tags=["investigation"], responses=RESPONSES)
async def history(request: Request, caller: Reader, asked: Annotated[Object, Query()]) -> Response:
    """Every write to one object, with the differences between its versions."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()

    def work(lake: Lake) -> pa.Table:
        return object_history(
            lake,
            asked.resource,
            asked.name,
            asked.namespace,
            when,
            api_group=asked.api_group,
            clusters=clusters,
            limit=asked.limit,
        )

    return answer(request, await looked_up(request, work))


@router.get("/secret-access", tags=["investigation"], responses=RESPONSES)
async def secret_access(request: Request, caller: Reader, asked: Annotated[Secrets, Query()]) -> Response:
    """Who read which secret, and whether it is new."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()

    def work(lake: Lake) -> pa.Table:
        return access_of(lake, when, namespace=asked.namespace, name=asked.name, clusters=clusters, limit=asked.limit)

    return answer(request, await looked_up(request, work))


@router.get("/compare", tags=["investigation"], responses=RESPONSES)
async def compare(request: Request, caller: Reader, asked: Annotated[Windows, Query()]) -> Response:
    """What the range knows and the baseline before it does not, and the other way round."""
    request.state.asked = described(asked)
    later = asked.time_range()
    if later.since is None:
        raise UsageError("compare-windows", "the range has no beginning", "give last or since")
    earlier = TimeRange.parse(None, asked.baseline_since, asked.baseline_until or later.since.isoformat())
    clusters = asked.clusters(caller)
    return answer(
        request,
        await looked_up(request, lambda lake: compared(lake, earlier, later, clusters=clusters, limit=asked.limit)),
    )


@router.get("/search", tags=["investigation"], responses=RESPONSES)
async def search(request: Request, caller: Reader, asked: Annotated[Sought, Query()]) -> Response:
    """Search in bodies, paths, names, annotations and messages, newest first."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()

    def work(lake: Lake) -> pa.Table:
        return search_in(lake, asked.text, when, asked.matching(), clusters=clusters, limit=asked.limit)

    return answer(request, await looked_up(request, work))


class Statement(Range):
    """One SELECT over the views events, requests, findings, quarantine."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"query": "SELECT user_name, count(*) AS n FROM requests GROUP BY ALL", "last": "24h"}]
        },
    )

    query: str = Field(max_length=100_000)
    params: dict[str, str | int | float | bool | list[str] | None] = Field(
        {}, description="Values of $name parameters."
    )
    limit: int = Field(10_000, ge=1, le=100_000, description="At most so many rows.")


class _Rows(BaseModel):
    rows: list[dict[str, Any]]
    truncated: bool


@router.post("/sql", tags=["sql"], responses={**RESPONSES, 200: {**RESPONSES[200], "model": _Rows}})
async def sql(request: Request, caller: SqlWriter, asked: Annotated[Statement, Body()]) -> Response:
    """One SELECT, sandboxed: no files, no network, no settings; bounded in time, memory and rows."""
    request.state.asked = described(asked)
    clusters, when = asked.clusters(caller), asked.time_range()
    most = min(asked.limit, service_of(request).settings.most_rows)

    def work(lake: Lake) -> tuple[pa.Table, bool]:
        with connect(lake, when, clusters=clusters) as con:
            check_select(con, asked.query)
            try:
                reader = con.execute(asked.query, asked.params or None).to_arrow_reader(10_000)
                batches, count = [], 0
                for batch in reader:
                    batches.append(batch)
                    count += batch.num_rows
                    if count > most:
                        break
            except (duckdb.InterruptException, duckdb.OutOfMemoryException):
                raise
            except duckdb.Error as error:
                first = str(error).strip().splitlines()[0]
                raise UsageError("sql-invalid", first, "tables: events, requests, findings, quarantine") from None
            table = pa.Table.from_batches(batches, reader.schema)
            return table.slice(0, most), count > most

    table, truncated = await looked_up(request, work)
    return answer(request, table, truncated=truncated)
