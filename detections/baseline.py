"""Baselines: what each principal of a cluster is known to do, learnt once and kept beside the lake.

One Parquet file a cluster holds the facts of the view ``seen_facts`` over a window of the log, with the
version of the events table they were learnt to. The view ``first_uses`` puts them together with the events of
its connection: when those hold all that was committed since, it answers as if it had read the whole history.
That holds because a first use is a minimum: it does not matter which part of the log it was taken from, in
what order, or whether parts overlap.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detections.baseline_files import FOLDER, SCHEMA, Baseline, describe, file_name, write
from detections.rule import Rule
from detections.views import create_views
from lake.delta import DataFile, Lake
from lake.errors import NothingToRead
from lake.query import connect
from lake.timerange import TimeRange

WINDOW = timedelta(days=30)
_READS = re.compile(r"\bfirst_uses\b")
_COMMENT = re.compile(r"--[^\n]*")

_FACTS = """
WITH facts AS (
    SELECT * FROM seen_facts
    UNION ALL BY NAME
    SELECT * EXCLUDE (event_id, request_received_at, source_ip),
           {moment: request_received_at, event_id: event_id, source_ip: source_ip} AS first_use
    FROM learnt_facts
)
SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, fact_kind, fact,
       min(first_use).event_id AS event_id, min(first_use).moment AS request_received_at, min(first_use).source_ip AS source_ip,
       max(last_seen) AS last_seen, sum(requests)::BIGINT AS requests
FROM facts
GROUP BY ALL
ORDER BY cluster, user_name, impersonated_user_name, fact_kind, fact
"""


def learn(lake: Lake, window: timedelta | None = WINDOW, clusters: Sequence[str] | None = None) -> list[Baseline]:
    """Learn every cluster's baseline from the last *window* of the lake (None: all of it) and keep it durably."""
    began = time.perf_counter()
    version = lake.version()
    when = TimeRange.last(window) if window else TimeRange()
    with connect(lake, when, clusters=clusters, version=version) as con:
        create_views(con)
        facts = con.execute(_FACTS).to_arrow_table()
    return write(lake, facts, version, when.since, window, _clusters(lake, clusters), began)


def advance(lake: Lake) -> list[Baseline]:
    """Add what was committed since to the stored baselines, reading that and no more; [] when none is stored.

    After a compaction, which mixes old rows with new, the window is learnt anew: counts would go wrong.
    """
    began = time.perf_counter()
    folder = stored(lake)
    if folder is None:
        return []
    known = describe(folder)
    version, newest = min(item.version for item in known.values()), lake.version()
    if version == newest:
        return list(known.values())
    before = {file.path for file in lake.files(version=version)}
    fresh = [file for file in lake.files(version=newest) if file.path not in before]
    oldest = min(known.values(), key=lambda item: item.version)
    mixed = any(not Path(file.path).name.startswith("part-") for file in fresh)
    if mixed or any(item.version != version for item in known.values()):
        return learn(lake, oldest.window)
    with connect(_Part(lake, fresh)) as con:
        register(con, folder)
        create_views(con)
        facts = con.execute(_FACTS).to_arrow_table()
    return write(lake, facts, newest, oldest.since, oldest.window, _clusters(lake, None), began)


class _Part(Lake):
    """A lake of which only some files of events are seen."""

    def __init__(self, lake: Lake, files: Sequence[DataFile]) -> None:
        super().__init__(lake.folder)
        self._files = list(files)

    def files(
        self,
        name: str = "events",
        time_range: TimeRange = TimeRange(),
        clusters: Sequence[str] | None = None,
        version: int | None = None,
    ) -> list[DataFile]:
        """Those files of events; of other tables all."""
        return self._files if name == "events" else super().files(name, time_range, clusters, version)


def stored(lake: Lake, clusters: Sequence[str] | None = None) -> Path | None:
    """The folder of baselines when it holds a usable one for each of *clusters* (None: all of the lake), else None.

    One is of no use when other views wrote it, or when the lake no longer knows the version it was learnt to.
    """
    folder = lake.folder / FOLDER
    wanted = _clusters(lake, clusters)
    known = describe(folder, wanted)
    if not wanted or not set(wanted) <= set(known):
        return None
    oldest = min(known[cluster].version for cluster in wanted)
    if max(known[cluster].version for cluster in wanted) > lake.version():
        return None
    try:
        lake.files(version=oldest)
    except NothingToRead:
        return None
    return folder


def described(lake: Lake, clusters: Sequence[str] | None = None) -> list[Baseline]:
    """What the stored baselines say of themselves; NothingToRead ``baseline-missing`` when one is."""
    folder = stored(lake, clusters)
    if folder is None:
        raise NothingToRead(
            "baseline-missing",
            f"there is no baseline of every cluster at {lake.folder / FOLDER}",
            f"learn it: ashiato baseline learn --lake {lake.location}",
        )
    return list(describe(folder, clusters).values())


def reads(rule: Rule) -> bool:
    """Whether *rule* asks the view ``first_uses``, which a stored baseline answers."""
    return _READS.search(_COMMENT.sub("", rule.sql)) is not None


def history(rule: Rule, folder: Path | None, clusters: Sequence[str] | None = None) -> timedelta:
    """How far before the asked range events must be read for *rule*: not at all where the baseline knows as much.

    Where there is no baseline, a window more than the rule asks for: of exactly seven days' history the first
    events of a range would have a moment less than seven days before them, and never be judged.
    """
    wanted = rule.needs.history
    if not wanted:
        return wanted
    if folder is not None and reads(rule):
        windows = [item.window for item in describe(folder, clusters).values()]
        if all(window is None or window >= wanted for window in windows):
            return timedelta()
    return wanted + rule.window


def reach(lake: Lake, folder: Path | None, time_range: TimeRange, clusters: Sequence[str] | None = None) -> TimeRange:
    """*time_range*, beginning early enough to hold all that was committed since the baselines were learnt."""
    known = describe(folder, clusters) if folder else {}
    if time_range.since is None or not known:
        return time_range
    begins = [part.since for part in lake.added_since(min(item.version for item in known.values()))]
    if None in begins:
        return TimeRange(None, time_range.until)
    return TimeRange(min([time_range.since, *filter(None, begins)]), time_range.until)


def register(con: duckdb.DuckDBPyConnection, folder: Path | None, clusters: Sequence[str] | None = None) -> timedelta:
    """Give *con* the baselines as its table ``learnt_facts``, before its views are made.

    Returns how long a time the longest-known cluster is known for; nothing without a folder.
    """
    if folder is None:
        return timedelta()
    tables = [pq.read_table(folder / file_name(cluster), schema=SCHEMA) for cluster in describe(folder, clusters)]
    facts = pa.concat_tables(tables or [SCHEMA.empty_table()])
    # A table of its own: what is registered lives in Python's memory, and only as long as Python keeps it.
    con.register("learnt_by_baseline", facts)
    con.execute("CREATE OR REPLACE TEMP TABLE learnt_facts AS SELECT * FROM learnt_by_baseline")
    con.unregister("learnt_by_baseline")
    spans = [
        pc.max(table["last_seen"]).as_py() - pc.min(table["request_received_at"]).as_py()
        for table in tables
        if table.num_rows
    ]
    return max(spans, default=timedelta())


def _clusters(lake: Lake, clusters: Sequence[str] | None) -> list[str]:
    found = {file.partition["cluster"] for file in lake.files()}
    return sorted(found if clusters is None else found & set(clusters))
