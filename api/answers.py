"""Tables as the caller asks for them: JSON, Arrow IPC or CSV, by the Accept header."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response

from api.errors import ApiError
from detections.reports.tables import as_csv, rows_of

JSON, ARROW, CSV = "application/json", "application/vnd.apache.arrow.stream", "text/csv"
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Rows: an object with `rows` (and `next` where there are more), an Arrow IPC stream, or CSV.",
        "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}, CSV: {"schema": {"type": "string"}}},
    }
}


def wanted(request: Request) -> str:
    """The media type to answer with; ApiError 406 where none of ours is accepted."""
    accept = request.headers.get("accept", "*/*").lower()
    choices = []
    for position, part in enumerate(accept.split(",")):
        media, _, options = part.strip().partition(";")
        quality = 1.0
        for option in options.split(";"):
            name, _, value = option.strip().partition("=")
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        choices.append((-quality, position, media.strip()))
    for quality, _, media in sorted(choices):
        for ours in (JSON, ARROW, CSV):
            if quality < 0 and media in (ours, "*/*", ours.split("/")[0] + "/*"):
                return ours
    raise ApiError(406, "not-acceptable", f"no answer as {accept[:200]!r}", f"one of: {JSON}, {ARROW}, {CSV}")


def answer(request: Request, table: pa.Table, **more: Any) -> Response:
    """*table* in the form asked for; *more* stands beside ``rows`` in JSON, and in headers X-Ashiato-* otherwise."""
    form = wanted(request)
    if form == JSON:
        body = msgspec.json.encode({"rows": list(rows_of(table)), **{k: v for k, v in more.items() if v is not None}})
        return Response(body, media_type=JSON)
    headers = {
        f"X-Ashiato-{name.replace('_', '-').title()}": str(value) for name, value in more.items() if value is not None
    }
    if form == CSV:
        return Response(as_csv(table), media_type="text/csv; charset=utf-8", headers=headers)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue(), media_type=ARROW, headers=headers)
