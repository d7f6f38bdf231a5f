"""Reading the lake: the views mean what they say, and a statement can do nothing but read them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from ingest.event import Quarantined
from ingest.redact import Redactor
from ingest.rows import quarantine_rows, rows
from lake.delta import Lake
from lake.errors import UsageError
from lake.maintenance import compact
from lake.query import check_select, connect, select
from lake.schema import EVENTS, TABLES
from lake.timerange import TimeRange
from tests.builders import NOON, REMOVE, audit_event, audit_events, line, timestamp

TYPES = {
    "string": "VARCHAR",
    "list<item: string>": "VARCHAR[]",
    "list<element: string>": "VARCHAR[]",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
    "binary": "BLOB",
    "date32[day]": "DATE",
}


def store(lake: Lake, *events: dict[str, Any], cluster: str = "prod") -> None:
    lake.append("events", rows([line(event) for event in events], cluster, "apiserver", NOON))


def ask(lake: Lake, sql: str, **options: Any) -> list[dict[str, Any]]:
    with connect(lake, **options) as con:
        return list(select(con, sql).to_pylist())


# --- views ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["empty", "written", "compacted"])
def test_views_have_the_schema_s_columns(lake: Lake, state: str) -> None:
    """Names, order and types of every view are the schema's, in an empty lake, a new and a compacted one."""
    if state != "empty":
        for number in range(2):
            store(lake, audit_event(number))
            items = [Quarantined("x", "y", b"%d" % number)]
            lake.append("quarantine", quarantine_rows(items, "prod", "s", NOON, Redactor(b"k" * 32)))
            finding = dict.fromkeys(TABLES["findings"].schema.names)
            finding |= {"cluster": "prod", "finding_id": "f", "first_seen": NOON, "date": NOON.date()}
            lake.append("findings", pa.Table.from_pylist([finding], schema=TABLES["findings"].schema))
    if state == "compacted":
        for name in TABLES:
            assert compact(lake, name)

    with connect(lake) as con:
        for view, name in (
            ("events", "events"),
            ("requests", "events"),
            ("quarantine", "quarantine"),
            ("findings", "findings"),
            ("finding_revisions", "findings"),
        ):
            described = select(con, f"DESCRIBE {view}").to_pylist()
            found = [(column["column_name"], column["column_type"]) for column in described]
            assert found == [(column.name, TYPES[str(column.type)]) for column in TABLES[name].columns]
            assert select(con, f"SELECT count(*) AS n FROM {view}")["n"].to_pylist() != []


def test_an_empty_lake_answers(lake: Lake) -> None:
    """Nothing stored is an answer: no rows, in the types that rows would have."""
    with connect(lake) as con:
        found = select(con, "SELECT * FROM requests")
    assert found.num_rows == 0
    assert found.schema.field("stage_at").type == pa.timestamp("us", tz="UTC")
    assert found.schema.field("response_code").type == pa.int32()


def test_rows_come_back_as_they_went_in(lake: Lake) -> None:
    """Every column of every row is read as it was appended, also after compaction."""
    table = rows([line(audit_event(n, requestObject={"n": n})) for n in range(5)], "prod", "s", NOON)
    lake.append("events", table.slice(0, 3))
    lake.append("events", table.slice(3))

    with connect(lake) as con:
        assert select(con, "SELECT * FROM events ORDER BY audit_id").to_pylist() == table.to_pylist()
    compact(lake)
    with connect(lake) as con:
        assert select(con, "SELECT * FROM events ORDER BY audit_id").to_pylist() == table.to_pylist()


def test_times_are_exact_and_utc(lake: Lake) -> None:
    """Microseconds and the ends of time survive; an hour is UTC's whatever the machine's zone."""
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        NOON.replace(microsecond=1),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ]
    store(lake, *(audit_event(n, stageTimestamp=timestamp(m)) for n, m in enumerate(moments)))

    found = ask(lake, "SELECT stage_at, hour(stage_at) AS h, date::VARCHAR AS d FROM events ORDER BY stage_at")

    assert [row["stage_at"] for row in found] == moments
    assert [row["h"] for row in found] == [0, 12, 23]
    assert [row["d"] for row in found] == ["0001-01-01", "2026-11-23", "9999-12-31"]


# --- requests ---------------------------------------------------------------------------------------


def stages(number: int, *names: str, **fields: Any) -> list[dict[str, Any]]:
    """Events of one request, a second apart."""
    received = NOON + timedelta(seconds=number)
    return [
        audit_event(number, {"stage": name, "stageTimestamp": timestamp(received + timedelta(seconds=later))}, fields)
        for later, name in enumerate(names)
    ]


def requests(lake: Lake, **options: Any) -> list[tuple[str, str]]:
    found = ask(lake, "SELECT audit_id, stage FROM requests ORDER BY request_received_at, stage", **options)
    return [(row["audit_id"][-1:], row["stage"]) for row in found]


def test_a_request_is_shown_at_its_latest_stage(lake: Lake) -> None:
    """However many stages a request has, it is one row: the latest one there is."""
    store(lake, *stages(1, "RequestReceived", "ResponseStarted", "ResponseComplete"))
    store(lake, *stages(2, "RequestReceived", "ResponseStarted"))
    store(lake, *stages(3, "RequestReceived"))
    store(lake, *stages(4, "ResponseComplete"))
    store(lake, *stages(5, "RequestReceived", "Panic"))

    assert requests(lake) == [
        ("1", "ResponseComplete"),
        ("2", "ResponseStarted"),
        ("3", "RequestReceived"),
        ("4", "ResponseComplete"),
        ("5", "Panic"),
    ]


def test_a_watch_is_seen_when_it_starts_and_counted_once(lake: Lake) -> None:
    """A watch shows while it runs, and stays one request when its end arrives in another file and on another day."""
    started, complete = stages(1, "ResponseStarted", "ResponseComplete", verb="watch")
    complete["stageTimestamp"] = timestamp(NOON + timedelta(days=1))
    store(lake, started)
    assert requests(lake) == [("1", "ResponseStarted")]

    store(lake, complete)

    assert requests(lake) == [("1", "ResponseComplete")]
    assert len(ask(lake, "SELECT * FROM events")) == 2
    assert requests(lake, time_range=TimeRange(None, NOON + timedelta(hours=1))) == [("1", "ResponseStarted")]


@pytest.mark.parametrize(
    "other",
    [
        {"requestURI": "/api/v1/secrets"},
        {"verb": "delete"},
        {"user": {"username": "mallory"}},
        {"requestReceivedTimestamp": timestamp(NOON + timedelta(seconds=1, microseconds=1))},
        {"requestURI": REMOVE},
        {"user": REMOVE},
    ],
)
def test_one_audit_id_is_not_one_request(lake: Lake, other: dict[str, Any]) -> None:
    """A client that reuses an auditID hides nothing: two requests stay two, whatever their stages."""
    store(lake, *stages(1, "ResponseStarted"))
    store(lake, *stages(1, "ResponseComplete", **other))

    assert sorted(stage for _, stage in requests(lake)) == ["ResponseComplete", "ResponseStarted"]


def test_equal_requests_of_two_clusters_are_two(lake: Lake) -> None:
    """The end of a request in one cluster does not hide the start of its double in another."""
    store(lake, *stages(1, "ResponseStarted"), cluster="one")
    store(lake, *stages(1, "ResponseComplete"), cluster="two")

    assert [stage for _, stage in requests(lake)] == ["ResponseComplete", "ResponseStarted"]
    assert requests(lake, clusters=["one"]) == [("1", "ResponseStarted")]


def test_two_contents_under_one_request_are_both_shown(lake: Lake) -> None:
    """Different contents for one stage of one request are suspicious: neither is hidden."""
    one, other = stages(1, "ResponseComplete")[0], stages(1, "ResponseComplete", sourceIPs=["203.0.113.66"])[0]
    store(lake, one, other)

    assert len(requests(lake)) == 2


def test_fields_that_are_missing_are_equal(lake: Lake) -> None:
    """Stages of a request without user, URI or verb (a 401, old exports) still make one request."""
    nothing = {"user": {}, "requestURI": REMOVE, "verb": REMOVE}
    store(lake, *(audit_event(1, {"stage": stage}, nothing) for stage in ("ResponseStarted", "ResponseComplete")))

    assert [stage for _, stage in requests(lake)] == ["ResponseComplete"]


def test_a_request_always_has_a_time(lake: Lake) -> None:
    """request_received_at of a request is never null: without one it is the time of the stage."""
    store(lake, audit_event(1, requestReceivedTimestamp=REMOVE))

    assert ask(lake, "SELECT request_received_at AS r, stage_at AS s FROM requests")[0]["r"] == NOON + timedelta(
        seconds=1, milliseconds=1
    )
    assert ask(lake, "SELECT request_received_at AS r FROM events") == [{"r": None}]


def test_findings_show_their_latest_revision(lake: Lake) -> None:
    """A finding judged again is one row, the newest; the revisions stay visible."""
    finding = dict.fromkeys(TABLES["findings"].schema.names)
    finding |= {"cluster": "prod", "finding_id": "f", "first_seen": NOON, "date": NOON.date()}
    for count in (1, 2, 3):
        row = finding | {"event_count": count, "detected_at": NOON + timedelta(hours=count % 3), "lake_version": count}
        lake.append("findings", pa.Table.from_pylist([row], schema=TABLES["findings"].schema))

    assert ask(lake, "SELECT event_count AS n FROM findings") == [{"n": 2}]
    assert len(ask(lake, "SELECT * FROM finding_revisions")) == 3


# --- ranges and clusters ----------------------------------------------------------------------------


def test_ranges_are_half_open(lake: Lake) -> None:
    """A row at `since` is in, a row at `until` is out, to the microsecond."""
    micro = timedelta(microseconds=1)
    store(lake, *(audit_event(n, stageTimestamp=timestamp(NOON + n * micro)) for n in range(4)))

    def found(since: datetime | None, until: datetime | None) -> list[int]:
        answer = ask(lake, "SELECT audit_id FROM events ORDER BY 1", time_range=TimeRange(since, until))
        return [int(row["audit_id"][-1]) for row in answer]

    assert found(NOON + micro, NOON + 3 * micro) == [1, 2]
    assert found(NOON + micro, None) == [1, 2, 3]
    assert found(None, NOON + micro) == [0]
    assert found(NOON, NOON) == []
    berlin = datetime.fromisoformat("2026-11-23T13:00:00.000001+01:00")
    assert found(berlin, berlin + micro) == [1]


def test_clusters_are_told_apart(lake: Lake) -> None:
    """A connection for some clusters shows theirs alone, in every view."""
    for cluster in ("one", "two", "three"):
        store(lake, *audit_events(2), cluster=cluster)

    found = ask(lake, "SELECT DISTINCT cluster FROM requests ORDER BY 1", clusters=["one", "three"])

    assert [row["cluster"] for row in found] == ["one", "three"]
    assert ask(lake, "SELECT * FROM events", clusters=[]) == []
    assert ask(lake, "SELECT * FROM events", clusters=["nobody"]) == []


@pytest.mark.parametrize("cluster", ["2026-11-23", "007", "true", "NULL", "1e5", "0x1F", "a.b-c_D"])
def test_a_cluster_s_name_stays_text(lake: Lake, cluster: str) -> None:
    """A cluster named like a number, a date or NULL keeps its name."""
    store(lake, audit_event(), cluster=cluster)

    assert ask(lake, "SELECT cluster FROM events") == [{"cluster": cluster}]


# --- locked down ------------------------------------------------------------------------------------

NOT_SELECT = [
    "", ";", "-- nothing", "SELECT 1; SELECT 2", "CREATE TABLE t(a INT)", "CREATE VIEW v AS SELECT 1", "DROP VIEW events",
    "INSERT INTO events SELECT * FROM events", "DELETE FROM events", "UPDATE events SET verb = ''",
    "COPY (SELECT 1) TO '{lake}/x.csv'", "COPY events TO '{outside}'", "EXPORT DATABASE '{outside}'",
    "ATTACH '{outside}'", "ATTACH ':memory:' AS m", "DETACH memory", "USE memory", "INSTALL httpfs", "LOAD httpfs",
    "SET memory_limit = '9GB'", "SET lock_configuration = false", "RESET threads", "PRAGMA enable_profiling",
    "PRAGMA database_list", "CALL pragma_version()", "CHECKPOINT", "BEGIN", "EXPLAIN ANALYZE SELECT 1", "VACUUM",
    "PREPARE p AS SELECT 1", "EXECUTE p",
]  # fmt: skip
REFUSED = [
    "SELECT * FROM read_text('{outside}')", "SELECT * FROM read_blob('{outside}')", "SELECT * FROM read_csv('{outside}')",
    "SELECT * FROM read_json('{outside}')", "SELECT * FROM read_parquet('{lake}/events/**/*.parquet')",
    "SELECT * FROM glob('{outside}*')", "SELECT * FROM READ_TEXT('{outside}')", 'SELECT * FROM "read_text"(\'{outside}\')',
    "SELECT * FROM read_text /* hidden */ ('{outside}')", "SELECT * FROM system.main.read_text('{outside}')",
    "SELECT (SELECT count(*) FROM read_text('{outside}'))", "WITH a AS (FROM read_text('{outside}')) SELECT * FROM a",
    "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('{outside}')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM enable_logging('QueryLog', storage='file', storage_config={{'path': '{outside}'}})",
    "SELECT * FROM enable_logging()", "SELECT * FROM enable_profiling(save_location='{outside}')",
    "SELECT * FROM arrow_scan(1, 2, 3)", "SELECT * FROM pandas_scan(1)", "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()", "SELECT * FROM sniff_csv('{outside}')", "SELECT * FROM parquet_metadata('{outside}')",
    "SELECT write_log('x')", "SELECT sleep_ms(1000000)", "SELECT setseed(0.5)",
]  # fmt: skip
# DuckDB 1 already fails to read it, 2 reads it and it is no SELECT.
IMPORT = [("IMPORT DATABASE '{outside}'", "sql-invalid" if duckdb.__version__ < "2" else "sql-not-select")]
FAILING = [
    "SELECT * FROM '{outside}'", "SELECT * FROM '{lake}/../secret.csv'", "SELECT getenv('HOME')", "SELECT * FROM nothing",
    "SELECT nothing FROM events", "SELEC 1", "SELECT", "SELECT * FROM events WHERE verb = $missing", "SELECT 1/'x'",
    "SELECT * FROM sql", "SELECT * FROM params", "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "code"),
    [(sql, "sql-not-select") for sql in NOT_SELECT]
    + [(sql, "sql-function-refused") for sql in REFUSED]
    + [(sql, "sql-invalid") for sql in FAILING]
    + IMPORT,
)
def test_a_statement_can_only_read_the_views(lake: Lake, tmp_path: Path, sql: str, code: str) -> None:
    """No statement reads or writes other files, changes a setting, or does more than one SELECT."""
    store(lake, audit_event())
    outside = tmp_path / "secret.csv"
    outside.write_text("a\nsecret\n")
    before = sorted(path for path in tmp_path.rglob("*"))
    text = sql.format(lake=lake.location, outside=outside)

    with connect(lake) as con:
        with pytest.raises(UsageError) as caught:
            select(con, text)
        assert select(con, "SELECT count(*) AS n FROM events")["n"].to_pylist() == [1]

    assert caught.value.code == code
    assert "\n" not in caught.value.message
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{outside}'",
        "ATTACH '{outside}.db'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET allowed_directories = ['/']",
        "SET python_enable_replacements = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_text('{outside}')",
        "SELECT * FROM '{lake}/../secret.csv'",
        "SELECT * FROM read_text('{lake}/../secret.csv')",
        "SELECT * FROM table_of_python",
    ],
)
def test_the_connection_itself_is_locked(lake: Lake, tmp_path: Path, sql: str) -> None:
    """Even past `select`, a connection reaches no file outside the lake, no extension and no setting."""
    outside = tmp_path / "secret.csv"
    outside.write_text("a\nsecret\n")
    table_of_python = pa.table({"a": [1]})
    assert table_of_python.num_rows == 1

    with connect(lake) as con, pytest.raises(duckdb.Error):
        con.execute(sql.format(lake=lake.location, outside=outside))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT 1;",
        "VALUES (1)",
        "FROM events",
        "TABLE events",
        "DESCRIBE events",
        "SUMMARIZE events",
        "SHOW TABLES",
        "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 3) SELECT * FROM a",
        "SELECT *, row_number() OVER (PARTITION BY verb ORDER BY stage_at) AS r FROM events QUALIFY r = 1",
        "SELECT verb, count(*) FROM requests GROUP BY ALL HAVING count(*) > 0 ORDER BY ALL LIMIT 5",
        "SELECT * FROM range(3), generate_series(1, 2), unnest([1, 2])",
        "SELECT list_filter(user_groups, lambda g: g LIKE 'system:%') FROM events",
        "SELECT [g FOR g IN user_groups IF g <> ''] FROM events",
        "SELECT key, value FROM events, json_each(annotations)",
        "SELECT annotations->>'$.\"authorization.k8s.io/decision\"', request_object::JSON FROM events",
        "SELECT COLUMNS('^user_') FROM events",
        "SELECT regexp_extract(request_uri, 'a(b)?') FROM events WHERE user_agent = 'read_text(enable_logging'",
        "SELECT (SELECT max(stage_at) FROM events e WHERE e.verb = r.verb) FROM requests r",
        "SELECT time_bucket(INTERVAL '1 hour', stage_at), epoch_us(stage_at) FROM events",
        "SELECT $name",
    ],
)
def test_ordinary_sql_is_allowed(lake: Lake, sql: str) -> None:
    """What people and rules write to ask questions is answered."""
    store(lake, audit_event())

    with connect(lake) as con:
        assert isinstance(select(con, sql, {"name": 1} if "$name" in sql else None), pa.Table)


def test_parameters_are_values(lake: Lake) -> None:
    """A bound parameter is data, whatever it contains."""
    store(lake, audit_event(0, userAgent="'; DROP VIEW events; --"))

    with connect(lake) as con:
        sql = "SELECT count(*) AS n FROM events WHERE user_agent = $agent AND list_contains($verbs, verb)"
        found = select(con, sql, {"agent": "'; DROP VIEW events; --", "verbs": ["get"]})
    assert found["n"].to_pylist() == [1]


def test_checking_does_not_disturb_a_running_query(lake: Lake) -> None:
    """A statement can be checked while rows of another are being fetched from the same connection."""
    with connect(lake) as con:
        running = con.execute("SELECT * FROM range(5000)")
        running.fetchone()
        check_select(con, "SELECT 2")
        assert len(running.fetchall()) == 4999


def test_a_connection_survives_its_lake_s_changes(lake: Lake) -> None:
    """Views are fixed when the connection opens."""
    store(lake, audit_event(1))
    with connect(lake) as con:
        store(lake, audit_event(2))
        assert select(con, "SELECT count(*) AS n FROM events")["n"].to_pylist() == [1]
    assert ask(lake, "SELECT count(*) AS n FROM events") == [{"n": 2}]


def test_limits_are_taken(lake: Lake) -> None:
    """Threads and memory of a connection can be bounded by whoever opens it."""
    with connect(lake, memory_limit="256MB", threads=1) as con:
        found = con.execute("SELECT current_setting('threads')::INT, current_setting('memory_limit')").fetchone()
    assert found is not None
    assert found[0] == 1
    assert found[1].startswith("24")


def test_no_traceback_ends_the_process(lake: Lake) -> None:
    """A refused statement leaves the process alive to its end: DuckDB's logging to a file would abort it."""
    script = (
        "import sys; from lake.delta import Lake; from lake.query import connect, select; from lake.errors import UsageError\n"
        "con = connect(Lake.open(sys.argv[1]))\n"
        "try:\n    select(con, \"SELECT * FROM enable_logging('QueryLog', storage='file', storage_config={'path': '/nowhere'})\")\n"
        "except UsageError as error:\n    print(error.code)\n"
        "print(select(con, 'SELECT 1 AS one')['one'].to_pylist())"
    )

    done = subprocess.run([sys.executable, "-c", script, lake.location], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["sql-function-refused", "[1]"])


def test_every_json_column_is_valid(lake: Lake) -> None:
    """The JSON columns of ordinary events parse in DuckDB."""
    store(lake, audit_event(0, requestObject={"a": [1]}, user={"extra": {"k": ["v"]}}, unheardOf={"x": None}))

    names = ("user_extra", "request_object", "annotations", "unparsed")
    checks = ", ".join(f"json_valid({name}) AS {name}" for name in names)
    assert ask(lake, f"SELECT {checks} FROM events") == [dict.fromkeys(names, True)]
    assert EVENTS.column("request_object").type == pa.string()


def test_a_path_does_not_reach_past_the_clusters_asked_for(lake: Lake) -> None:
    """A connection for one cluster cannot read another one's file, even by its path inside the lake."""
    store(lake, audit_event(0), cluster="mine")
    store(lake, audit_event(1), cluster="other")
    (path,) = [file.path for file in lake.files("events") if file.partition["cluster"] == "other"]

    with connect(lake, clusters=["mine"]) as con:
        with pytest.raises(UsageError):
            select(con, f"SELECT * FROM '{lake.folder}/events/{path}'")
        with pytest.raises(duckdb.Error):
            con.execute(f"SELECT * FROM read_parquet('{lake.folder}/events/{path}')")
        assert select(con, "SELECT DISTINCT cluster FROM events")["cluster"].to_pylist() == ["mine"]


def test_a_large_query_spills_where_only_this_user_may_read(lake: Lake) -> None:
    """What does not fit in memory goes to a folder of mode 0700, never into the working directory."""
    store(lake, *(audit_event(n) for n in range(10)))

    with connect(lake, memory_limit="64MB") as con:
        (spill,) = con.execute("SELECT current_setting('temp_directory')").fetchall()[0]
        con.execute(
            "CREATE TEMP TABLE wide AS SELECT md5(i::VARCHAR) || repeat('x', 200) AS text FROM range(600000) AS t(i)"
        )

    assert Path(spill).stat().st_mode & 0o777 == 0o700
