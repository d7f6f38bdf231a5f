"""The API answers what the investigation knows, to those who may know it, and says so to its log."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import threading
import time
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from api.credentials import read_callers
from api.settings import ApiSettings
from detections.investigation.pivots import BY
from lake.delta import Lake
from lake.errors import UsageError
from lake.query import connect, select
from tests.api.conftest import TOKENS, Server, serve

QUESTIONS = {
    "/v1/summary": {},
    "/v1/events": {"limit": 5},
    "/v1/histogram": {"buckets": 10},
    "/v1/findings": {},
    "/v1/risk": {},
    "/v1/identity": {"user": "mallory"},
    "/v1/sessions": {},
    "/v1/history": {"resource": "clusterrolebindings", "name": "support-access"},
    "/v1/secret-access": {"namespace": "payments"},
    "/v1/compare": {"since": "2026-11-23T08:36:00Z"},
    "/v1/search": {"text": "cluster-admin"},
    **{f"/v1/pivot/{by}": {} for by in BY},
}


def error_of(answer: httpx.Response, status: int) -> str:
    """The code of the one error shape; the test fails where the answer is another."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "hint"}
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize("path", list(QUESTIONS))
def test_every_question_is_answered(server: Server, path: str) -> None:
    """Each route answers with rows or facts, to a reader too."""
    answer = server.get(path, "reader", **QUESTIONS[path])

    assert answer.status_code == 200, answer.text
    assert answer.json()


@pytest.mark.parametrize("path", [*QUESTIONS, "/v1/me", "/v1/rules", "/v1/events/00"])
def test_nobody_looks_without_a_token(server: Server, path: str) -> None:
    """No token, somebody else's scheme and an unknown token are all refused alike."""
    for headers in (
        {},
        {"Authorization": "Basic abc"},
        {"Authorization": f"Bearer {TOKENS['nobody']}"},
        {"Authorization": ""},
    ):
        assert (
            error_of(httpx.get(server.url + path, headers=headers, params=QUESTIONS.get(path)), 401) == "token-required"
        )


def test_sql_needs_its_role(server: Server) -> None:
    """A reader asks the questions there are, not its own."""
    assert error_of(server.sql("SELECT 1", "reader"), 403) == "role-required"


@pytest.mark.parametrize("path", list(QUESTIONS))
def test_a_caller_sees_its_clusters_only(server: Server, path: str) -> None:
    """What is scoped to a cluster never shows another one, whichever question is asked."""
    answer = server.get(path, "mine", **QUESTIONS[path])

    assert answer.status_code == 200
    assert '"attacks"' not in answer.text
    assert "mallory" not in answer.text.replace('"user_name":"mallory"', "")
    assert error_of(server.get(path, "mine", cluster="attacks", **QUESTIONS[path]), 403) == "cluster-forbidden"


def test_sql_cannot_leave_its_clusters(server: Server) -> None:
    """Neither views nor paths nor other tables show more than the caller's clusters."""
    lake = Lake.open(server.folder / "lake")
    other = next(file.path for file in lake.files("events") if file.partition["cluster"] == "attacks")
    finding = next(file.path for file in lake.files("findings") if file.partition["cluster"] == "attacks")

    for view in ("events", "requests", "findings", "finding_revisions", "quarantine"):
        rows = server.sql(f"SELECT DISTINCT cluster FROM {view}", "mine").json()["rows"]
        assert {row["cluster"] for row in rows} <= {"mine"}
    for table in (
        f"'{lake.folder}/events/{other}'",
        f"'{lake.folder}/findings/{finding}'",
        "duckdb_views()",
        "glob('/**')",
        f"read_text('{server.folder}/callers.yaml')",
    ):
        assert server.sql(f"SELECT * FROM {table}", "mine").status_code == 400 or table == "duckdb_views()"
    assert other not in server.sql("SELECT sql FROM duckdb_views()", "mine").text


@pytest.mark.parametrize(
    "query",
    [
        "DROP VIEW events", "SELECT 1; SELECT 2", "COPY events TO '/tmp/x'", "ATTACH 'x'", "SET memory_limit = '1TB'", "PRAGMA database_list",
        "INSTALL httpfs", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT getenv('HOME')", "SELEC", "",
        "SELECT * FROM nothing", "SELECT $missing", "SELECT error('x')", "SELECT 1/'a'", "EXPORT DATABASE '/tmp/x'", "CALL pragma_version()",
    ],
)  # fmt: skip
def test_sql_is_one_harmless_select(server: Server, query: str) -> None:
    """Anything else is a clear error of the caller's, never a broken server."""
    assert error_of(server.sql(query), 400).startswith(("sql-", "request-"))


def test_sql_takes_parameters_and_bounds_rows(server: Server) -> None:
    """Values are bound, never pasted; more rows than asked for are cut, and that is said."""
    answer = server.sql(
        "SELECT user_name FROM requests WHERE user_name = $user", params={"user": "mallory"}, limit=3
    ).json()

    assert answer == {"rows": [{"user_name": "mallory"}] * 3, "truncated": True}


def test_answers_come_as_json_arrow_or_csv(server: Server) -> None:
    """The same rows in each form; a form that nobody offers is 406."""
    ask = {"user": "mallory", "limit": 7, "newest_first": "false"}
    plain = server.get("/v1/events", **ask).json()["rows"]
    arrow = server.ask("GET", "/v1/events", params=ask, headers={"Accept": "application/vnd.apache.arrow.stream"})
    text = server.ask("GET", "/v1/events", params=ask, headers={"Accept": "text/csv, application/json;q=0.5"})

    table = pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all()
    assert table["event_id"].to_pylist() == [row["event_id"] for row in plain]
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert text.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[-1] for line in text.text.splitlines()[1:]] == [row["event_id"] for row in plain]
    assert arrow.headers["x-ashiato-next"] == text.headers["x-ashiato-next"]
    assert error_of(server.ask("GET", "/v1/events", headers={"Accept": "image/png"}), 406) == "not-acceptable"


def test_pages_hold_every_event_once(server: Server) -> None:
    """Following `next` gives all that match, each once, in order."""
    seen: list[dict[str, str]] = []
    cursor = None
    while True:
        page = server.get(
            "/v1/events", cluster="attacks", resource="secrets", limit=37, **({"cursor": cursor} if cursor else {})
        ).json()
        seen += page["rows"]
        cursor = page.get("next")
        if not cursor:
            break
    with connect(Lake.open(server.folder / "lake"), clusters=["attacks"]) as con:
        expected = select(con, "SELECT event_id FROM requests WHERE resource = 'secrets'")["event_id"].to_pylist()

    assert sorted(row["event_id"] for row in seen) == sorted(expected)
    assert [row["time"] for row in seen] == sorted((row["time"] for row in seen), reverse=True)


def test_an_event_comes_back_as_it_was(server: Server) -> None:
    """One event by its id is the event that was sent, field for field."""
    row = server.get("/v1/events", "mine", limit=1, newest_first="false").json()["rows"][0]

    event = server.get(f"/v1/events/{row['event_id']}", "mine").json()

    assert event["objectRef"]["resource"] == "clusterrolebindings"
    assert event["requestObject"]["roleRef"]["name"] == "cluster-admin"
    assert error_of(server.get(f"/v1/events/{'0' * 32}", "mine"), 404) == "event-unknown"
    other = server.get("/v1/events", cluster="attacks", limit=1).json()["rows"][0]
    assert error_of(server.get(f"/v1/events/{other['event_id']}", "mine"), 404) == "event-unknown"


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/v1/events", {"cursor": "!!"}, "cursor-invalid"),
        ("/v1/events", {"cursor": "WyJ4IiwgMV0="}, "cursor-invalid"),
        ("/v1/events", {"nonsense": "1"}, "request-invalid"),
        ("/v1/events", {"limit": "0"}, "request-invalid"),
        ("/v1/events", {"last": "soon"}, "duration-invalid"),
        ("/v1/events", {"since": "yesterday"}, "time-invalid"),
        ("/v1/events", {"last": "1h", "since": "2026-11-23"}, "time-range-invalid"),
        ("/v1/pivot/shoe_size", {}, "pivot-unknown"),
        ("/v1/compare", {}, "compare-windows"),
        ("/v1/search", {"text": "a  "}, "search-too-short"),
        ("/v1/events/XYZ", {}, "request-invalid"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    server: Server, path: str, parameters: dict[str, str], code: str
) -> None:
    """Every mistake has a stable code in the one error shape."""
    assert error_of(server.get(path, **parameters), 400) == code


def test_unknown_places_and_methods_have_the_same_shape(server: Server) -> None:
    """404 and 405 are errors like all others."""
    assert error_of(server.get("/v1/nothing"), 404) == "not-found"
    assert error_of(server.ask("DELETE", "/v1/events"), 405) == "method-not-allowed"
    assert error_of(server.get("/console/../server.py"), 404) == "not-found"
    assert error_of(server.get("/console/%2e%2e%2fserver.py"), 404) == "not-found"


def test_who_looked_is_written_down(server: Server) -> None:
    """Each question stands in the access log with its caller and what was asked; refused ones too; the file is private."""
    server.sql("SELECT 42 AS answer", "all")
    server.get("/v1/identity", "reader", user="a\nb")
    server.get("/v1/events", "nobody")

    log = server.log()
    assert any(line["caller"] == "everybody" and line["asked"].get("query") == "SELECT 42 AS answer" for line in log)
    assert any(line["caller"] == "reader" and line["asked"].get("user") == "a\nb" for line in log)
    assert any(line["caller"] is None and line["status"] == 401 for line in log)
    assert stat.S_IMODE((server.folder / "access.log").stat().st_mode) == 0o600
    assert not any(token in (server.folder / "access.log").read_text() for token in TOKENS.values())


def test_a_browser_is_told_to_be_careful(server: Server) -> None:
    """Strict policies on pages and answers: no script but ours, no frames, nothing stored."""
    page = httpx.get(server.url + "/")
    data = server.get("/v1/me")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in data.headers["content-security-policy"]
    for answer in (page, data):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_the_openapi_document_is_whole(server: Server) -> None:
    """Every route is described, with examples, and nothing of other hosts is asked for."""
    document = httpx.get(server.url + "/openapi.json").json()

    assert {path for path in QUESTIONS if "pivot" not in path} <= set(document["paths"])
    assert all(operation.get("description") for path in document["paths"].values() for operation in path.values())
    assert httpx.get(server.url + "/docs").status_code == 404


def test_a_query_ends_with_its_time(folder: Path) -> None:
    """A query over its time is stopped and told so; the next one finds a free slot."""
    for server in serve(folder, query_seconds=0.5, concurrent_queries=1):
        began = time.monotonic()
        code = error_of(
            server.sql(
                "SELECT count(*) FROM events a, events b, events c WHERE a.user_name || b.user_name <> c.user_name"
            ),
            408,
        )
        took = time.monotonic() - began

        assert code == "time-limit"
        assert took < 10
        assert server.sql("SELECT 1 AS one").json()["rows"] == [{"one": 1}]


def test_a_query_ends_with_its_memory(folder: Path) -> None:
    """A query over its memory fails by itself, and the server lives."""
    for server in serve(folder, memory_limit="64MB"):
        answer = server.sql("SELECT list(a.request_object || b.request_object || b.user_agent) FROM events a, events b")

        assert answer.status_code in (400, 408, 413)
        assert server.get("/v1/me").status_code == 200


def test_a_query_ends_when_nobody_waits(folder: Path) -> None:
    """A client that leaves takes its query along: the only slot is free again at once."""
    for server in serve(folder, query_seconds=30, concurrent_queries=1):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                server.url + "/v1/sql", headers={"Authorization": f"Bearer {TOKENS['all']}"}, timeout=0.5,
                json={"query": "SELECT count(*) FROM events a, events b, events c WHERE a.user_name || b.user_name <> c.user_name"},
            )  # fmt: skip
        began = time.monotonic()

        assert server.sql("SELECT 1 AS one").status_code == 200
        assert time.monotonic() - began < 10


def test_a_caller_has_its_share(folder: Path) -> None:
    """Over the rate a caller waits (429 with Retry-After); another one does not."""
    for server in serve(folder, requests_per_second=2.0):
        answers = [server.get("/v1/me", "reader") for _ in range(12)]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert error_of(refused[0], 429) == "rate-limited"
        assert server.get("/v1/me", "all").status_code == 200


def test_tokens_change_without_a_restart(folder: Path, tmp_path: Path) -> None:
    """A changed token file is in force at once; a broken one changes nothing."""
    (tmp_path / "lake").symlink_to(folder / "lake")
    for server in serve(tmp_path):
        callers = tmp_path / "callers.yaml"
        text = callers.read_text()
        callers.write_text(
            text.replace(
                hashlib.sha256(TOKENS["reader"].encode()).hexdigest(),
                hashlib.sha256(TOKENS["nobody"].encode()).hexdigest(),
            )
        )
        assert server.get("/v1/me", "reader").status_code == 401
        assert server.get("/v1/me", "nobody").json()["name"] == "reader"
        callers.write_text("callers: [")
        assert server.get("/v1/me", "nobody").status_code == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("callers: {}", "must hold one key"),
        ("x: 1", "must hold one key"),
        ("callers: {a: {token_sha256: [abc], roles: [read]}}", "a: token_sha256"),
        (f"callers: {{a: {{token_sha256: [{'a' * 64}], roles: [admin]}}}}", "a: roles"),
        (f"callers: {{a: {{token_sha256: [{'a' * 64}], roles: [read], clusters: []}}}}", "a: clusters"),
        (
            f"callers: {{a: {{token_sha256: [{'a' * 64}], roles: [read]}}, b: {{token_sha256: [{'a' * 64}], roles: [read]}}}}",
            "b: has a token of a",
        ),
        (f"callers: {{a: {{token_sha256: [{'a' * 64}], roles: [read], more: 1}}}}", "a: may hold"),
    ],
)
def test_a_broken_token_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong is named with its caller."""
    (tmp_path / "callers.yaml").write_text(text)

    with pytest.raises(UsageError, match="callers-invalid") as caught:
        read_callers(tmp_path / "callers.yaml")

    assert said in caught.value.message


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"listen": "0.0.0.0:1"}, "api-open"),
        ({"listen": "0.0.0.0:1", "tokens": Path("t")}, "api-plain-http"),
        ({"tls_cert": Path("c")}, "api-tls"),
        ({"listen": "nowhere"}, "listen-invalid"),
    ],
)
def test_it_does_not_open_itself_to_others(settings: dict[str, object], code: str) -> None:
    """Beyond loopback it needs a token file and TLS, or a plain word that something in front has TLS."""
    with pytest.raises(UsageError) as caught:
        ApiSettings(lake="x", **settings).check()  # type: ignore[arg-type]

    assert caught.value.code == code


def test_many_ask_at_once(server: Server) -> None:
    """Concurrent questions each get their own answer."""
    wrong: list[str] = []

    def ask(number: int) -> None:
        rows = server.sql(f"SELECT {number} AS n, count(*) AS events FROM events WHERE cluster = 'mine'").json()["rows"]
        if rows != [{"n": number, "events": 3}]:
            wrong.append(json.dumps(rows))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
