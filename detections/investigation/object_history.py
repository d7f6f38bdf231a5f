"""Every write to one object: who, from where, and what changed, as far as the log shows the bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import jsonpatch
import pyarrow as pa

from detections.investigation.difference import changes
from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

TIMESTAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("time", TIMESTAMP), ("cluster", pa.string()), ("user_name", pa.string()), ("acting_as", pa.string()),
        ("source_ip", pa.string()), ("verb", pa.string()), ("subresource", pa.string()), ("code", pa.int32()),
        ("applied", pa.bool_()), ("known_by", pa.string()), ("changes", pa.string()), ("object", pa.string()),
        ("event_id", pa.string()),
    ]
)  # fmt: skip

_QUERY = """
SELECT request_received_at AS time, cluster, user_name, impersonated_user_name AS acting_as, source_ip, verb, subresource,
       response_code AS code, request_uri, request_object, response_object, event_id
FROM requests
WHERE resource = $resource AND name = $name AND namespace IS NOT DISTINCT FROM $namespace
  AND ($api_group IS NULL OR coalesce(api_group, '') = $api_group)
  AND verb IN ('create', 'update', 'patch', 'delete') AND coalesce(subresource, '') <> 'status'
ORDER BY time, event_id
LIMIT $limit
"""


def object_history(
    lake: Lake,
    resource: str,
    name: str,
    namespace: str | None = None,
    time_range: TimeRange = TimeRange(),
    *,
    api_group: str | None = None,
    clusters: Sequence[str] | None = None,
    limit: int = 500,
) -> pa.Table:
    """Writes to one object in time order, with the differences between its versions (SCHEMA).

    ``applied``: it took effect (2xx, no dry run). ``known_by`` says how the version after the write is
    known: ``response`` (the object as stored), ``request`` (as sent in whole), ``patch`` (a patch applied
    to the version before: lists of a strategic merge are merged by their usual keys, which may differ from
    the server's), ``delete``, or null (the level shows no body, or the version before is unknown).
    ``changes``: JSON list of {operation, path, before, after}; null where there are no two known versions.
    ``object``: the version after the write as JSON. Versions of different clusters are kept apart.
    """
    params = {"resource": resource, "name": name, "namespace": namespace, "api_group": api_group, "limit": limit}
    with connect(lake, time_range, clusters=clusters) as con:
        writes = select(con, _QUERY, params).to_pylist()
    versions: dict[str, Any] = {}
    rows = []
    for write in writes:
        before = versions.get(write["cluster"])
        applied = _applied(write)
        after, known_by = _version(write, before) if applied else (before, None)
        if applied:
            versions[write["cluster"]] = after
        differences = None
        if before is not None and after is not None and known_by is not None:
            differences = json.dumps([asdict(change) for change in changes(before, after)], ensure_ascii=False)
        rows.append(
            {
                **{name: write[name] for name in SCHEMA.names if name in write},
                "applied": applied,
                "known_by": known_by,
                "changes": differences,
                "object": None if after is None or known_by is None else json.dumps(after),
            }
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _applied(write: Mapping[str, Any]) -> bool:
    return 200 <= (write["code"] or 0) < 300 and "dryRun=All" not in write["request_uri"]


def _version(write: Mapping[str, Any], before: Any) -> tuple[Any, str | None]:
    """The object after an applied *write*, and how it is known."""
    if write["verb"] == "delete":
        return None, "delete"
    answered = _parsed(write["response_object"])
    if isinstance(answered, dict) and answered.get("kind") not in (None, "Status", "Scale"):
        return answered, "response"
    sent = _parsed(write["request_object"])
    if sent is None or write["subresource"]:
        return None, None
    if write["verb"] != "patch":
        return sent, "request"
    if before is None:
        return None, None
    if isinstance(sent, list):
        try:
            return jsonpatch.apply_patch(before, sent), "patch"
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
            return None, None
    return _merged(before, sent), "patch"


def _parsed(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _merged(before: Any, patch: Any) -> Any:
    """A merge patch (RFC 7396), with lists of named items merged by name as a strategic merge does."""
    if (
        isinstance(before, list)
        and isinstance(patch, list)
        and all(isinstance(i, dict) and "name" in i for i in [*before, *patch])
    ):
        by_name = {item["name"]: item for item in before}
        for item in patch:
            if item.get("$patch") == "delete":
                by_name.pop(item["name"], None)
            else:
                by_name[item["name"]] = _merged(by_name.get(item["name"], {}), item)
        return list(by_name.values())
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif not key.startswith("$"):
            result[key] = _merged(result.get(key), value)
    return result
