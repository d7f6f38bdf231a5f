"""Decoding one event or a whole post: total on any bytes, nothing lost, one broken item costs only itself."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.event import Decoded, NotAnEvent, Quarantined, canonical_time, decode, encode, split
from ingest.export import events as export
from ingest.odd_json import MAX_DEPTH, is_deep
from ingest.redact import Redactor, accept
from ingest.rows import rows
from tests.builders import NOON, REMOVE, audit_event, audit_events, event_list, item, line, with_raw_body
from tests.strategies import audit_events as any_events

REDACTOR = Redactor(b"\x07" * 32)
CODES = {"json-invalid", "json-too-deep", "kind-unknown", "field-missing", "field-type", "time-invalid"}


def judge(body: bytes) -> tuple[list[bytes], list[Quarantined]]:
    """What a post becomes: accepted texts and quarantined pieces."""
    accepted, refused = [], []
    for piece in split(body):
        found = accept(piece, REDACTOR) if isinstance(piece, bytes) else piece
        if isinstance(found, bytes):
            accepted.append(found)
        else:
            assert found.code in CODES
            assert found.reason
            refused.append(found)
    return accepted, refused


def ids(texts: list[bytes]) -> list[int]:
    return [int(json.loads(text)["auditID"][-12:]) for text in texts]


# --- totality ---------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b"[")
@example(b'{"items":[')
@example(b'{"items":[{')
@example(b'{"items":["')
@example(b'"\\')
@example(b"null")
@example(b"[[[[]]]]")
@example(b'{"kind":5}')
@example(b'{"":1}')
def test_any_bytes_become_something(body: bytes) -> None:
    """No bytes whatsoever raise: each post is events and quarantined pieces."""
    accepted, _ = judge(body)
    rows(accepted, "c", "s", NOON)


@given(st.lists(any_events(), min_size=1, max_size=3), st.data())
def test_mutated_posts_become_something(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """A post with bytes replaced, removed or added anywhere raises nothing and loses no event text."""
    body = bytearray(event_list(events))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 3))
        body[at : at + cut] = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"{", b"}", b"]", b"\\"]))
        )

    accepted, refused = judge(bytes(body))

    rows(accepted, "c", "s", NOON)
    kept = sum(map(len, accepted)) + sum(len(piece.payload) for piece in refused)
    assert kept >= len(body) - len(event_list([])) - 20


def test_a_post_cut_anywhere_keeps_its_complete_items() -> None:
    """Cut at any byte, a post still gives every complete item, and the rest of it is quarantined."""
    items = [item(audit_event(n, requestObject={"a": ["]}", "{"]})) for n in range(3)]
    whole = event_list(items)
    ends = [whole.index(text) + len(text) for text in items]

    for cut in range(len(whole)):
        accepted, refused = judge(whole[:cut])
        complete = [n for n, end in enumerate(ends) if end <= cut]
        assert ids(accepted) == complete
        begun = complete and cut > ends[len(complete) - 1] + 1 and len(complete) < 3
        assert bool(refused) == (not complete or begun)
        if begun:
            assert refused[-1].payload == whole[ends[len(complete) - 1] + 1 : cut]
        elif not complete:
            assert refused[-1].payload in (whole[:cut], whole[whole.index(b"[") + 1 : cut])


BREAKAGES: dict[str, tuple[bytes, bytes]] = {
    "bad literal": (b'"verb":"get"', b'"verb":nul'),
    "wrong type": (b'"verb":"get"', b'"verb":7'),
    "missing brace": (b'"code":200}', b'"code":200'),
    "extra brace": (b'"code":200}', b'"code":200}}'),
    "missing bracket": (b'["192.0.2.10"]', b'["192.0.2.10"'),
    "extra bracket": (b'["192.0.2.10"]', b'["192.0.2.10"]]'),
    "missing quote": (b'"verb":"get"', b'"verb":"get'),
    "extra quote": (b'"verb":"get"', b'"verb":"get""'),
    "odd backslash": (b'"verb":"get"', b'"verb":"get\\"'),
    "control character": (b'"verb":"get"', b'"verb":"g\x01et"'),
    "no comma": (b'"verb":"get",', b'"verb":"get"'),
    "no audit id": (b'"auditID"', b'"auditId"'),
    "bad time": (b"2026-11-23T12:03:20.001000Z", b"yesterday"),
    "torn end": (b'"annotations"', b""),
}


@pytest.mark.parametrize("where", [0, 200, 399])
@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_one_broken_item_costs_only_itself(breakage: tuple[bytes, bytes], where: int) -> None:
    """Whatever is wrong with one of 400 items, the other 399 are accepted and it is kept in quarantine."""
    items = [item(event) for event in audit_events(400)]
    old, new = breakage
    if old == b'"annotations"':
        items[where] = items[where][: items[where].index(old)]
    else:
        old = old.replace(b"12:03:20", b"12:%02d:%02d" % divmod(where, 60))
        assert old in items[where]
        items[where] = items[where].replace(old, new, 1)
    text = items[where]

    accepted, refused = judge(event_list(items))

    assert ids(accepted) == [n for n in range(400) if n != where]
    brackets = b",]}\n"
    assert b"".join(piece.payload for piece in refused).translate(None, brackets) == text.translate(None, brackets)


def test_garbage_between_items_is_kept() -> None:
    """Text between, before and behind the items goes to quarantine, and the items are accepted."""
    one, two = (item(event) for event in audit_events(2))

    for body in (
        b"[" + one + b",nul," + two + b"]",
        b"[nul," + one + b"," + two + b"]",
        b"[" + one + b"," + two + b",nul]",
        b"[" + one + b"," + two + b"] nul",
        b"[" + one + b',"nul,' + two + b"]",
        b"[" + one + b"],nul" + two + b"]",
    ):
        accepted, refused = judge(body)
        assert ids(accepted) == [0, 1], body
        assert b"nul" in b"".join(piece.payload for piece in refused), body


def test_a_nested_event_is_no_event() -> None:
    """What looks like an event inside the body of another is not taken for one, not even in a cut list."""
    inner = audit_event(666)
    outer = item(audit_event(1, verb="create", requestObject={"list": [json.loads(item(inner))]}))
    body = event_list([outer, item(audit_event(2))])

    assert ids(judge(body)[0]) == [1, 2]
    assert ids(judge(body.replace(b'"metadata":{},', b'"metadata":{,', 1))[0]) == [1, 2]
    for cut in range(body.index(outer), body.index(outer) + len(outer)):
        assert 666 not in ids(judge(body[:cut])[0])


# --- envelopes --------------------------------------------------------------------------------------


def test_every_envelope_gives_the_same_events() -> None:
    """An EventList, one without kind, a JSON array and single events give the same texts."""
    events = audit_events(3)
    items = [item(event) for event in events]

    assert split(event_list(items)) == items
    assert split(b'{"items":[' + b",".join(items) + b"]}") == items
    assert split(b" [" + b" , ".join(items) + b"]\n") == items
    assert [piece for text in items for piece in split(text)] == items
    assert split(line(events[0])) == [line(events[0])]
    assert split(event_list([])) == []
    assert split(b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":null}') == []


def test_members_a_list_does_not_have_are_kept() -> None:
    """An EventList's unknown members go to quarantine beside its events; without items it goes there whole."""
    one, two = (item(event) for event in audit_events(2))

    accepted, refused = judge(event_list([one, two]).replace(b'"metadata":{}', b'"more":["x"]'))
    assert (ids(accepted), [piece.payload for piece in refused]) == ([0, 1], [b'["x"]'])

    body = event_list([one, two]).replace(b'"items"', b'"Items"')
    accepted, refused = judge(body)
    assert (accepted, [(piece.code, piece.payload) for piece in refused]) == ([], [("kind-unknown", body)])


def test_old_versions_are_read() -> None:
    """v1beta1 and v1alpha1 lists are read, and events say so on export."""
    body = event_list([item(audit_event())]).replace(b"audit.k8s.io/v1", b"audit.k8s.io/v1beta1")
    assert len(judge(body)[0]) == 1

    old = audit_event(0, apiVersion="audit.k8s.io/v1beta1")
    assert json.loads(encode(decode(line(old)))) == old


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"PodList","apiVersion":"v1","items":[]}',
        b'{"kind":"EventList","apiVersion":"v1","items":[]}',
        b'{"kind":"Event","apiVersion":"events.k8s.io/v1","auditID":"x"}',
        b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":{}}',
    ],
)
def test_other_kinds_are_quarantined_whole(body: bytes) -> None:
    """What is valid JSON but no audit event is quarantined as it came, with the reason."""
    accepted, refused = judge(body)

    assert accepted == []
    assert [(piece.code, piece.payload) for piece in refused] == [("kind-unknown", body)]


@pytest.mark.parametrize("items", [[], [1], 5, None, "x", {}])
def test_an_event_with_a_field_called_items_is_one_event(items: Any) -> None:
    """An event is not taken for a list because it has an unknown field `items`."""
    event = audit_event(7, items=items)

    for text in (line(event), item(event)):
        accepted, refused = judge(text)
        assert (ids(accepted), refused) == ([7], [])


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"auditID": REMOVE}, "field-missing"),
        ({"stage": REMOVE}, "field-missing"),
        ({"level": REMOVE}, "field-missing"),
        ({"stageTimestamp": REMOVE, "requestReceivedTimestamp": REMOVE}, "field-missing"),
        ({"stageTimestamp": "2026-02-30T00:00:00.000000Z"}, "time-invalid"),
        ({"stageTimestamp": "2026-11-23T25:00:00Z"}, "time-invalid"),
        ({"stageTimestamp": "23.11.2026"}, "time-invalid"),
        ({"requestReceivedTimestamp": ""}, "time-invalid"),
        ({"requestReceivedTimestamp": "0000-01-01T00:00:00.000000Z"}, "time-invalid"),
        ({"stageTimestamp": "0001-01-01T00:00:00+14:00"}, "time-invalid"),
        ({"stageTimestamp": 5}, "field-type"),
        ({"user": []}, "field-type"),
        ({"user": {"username": 5}}, "field-type"),
        ({"sourceIPs": "10.0.0.1"}, "field-type"),
        ({"annotations": {"a": 1}}, "field-type"),
        ({"responseStatus": {"code": "200"}}, "field-type"),
        ({"responseStatus": {"code": 2.5}}, "field-type"),
        ({"objectRef": "pods"}, "field-type"),
        ({"kind": "Pod"}, "kind-unknown"),
        ({"apiVersion": "v1"}, "kind-unknown"),
    ],
)
def test_what_is_no_event_says_why(patch: dict[str, Any], code: str) -> None:
    """A field that is missing or of the wrong type has its own stable code and keeps its bytes."""
    raw = line(audit_event(0, patch))

    found = accept(raw, REDACTOR)

    assert isinstance(found, Quarantined)
    assert (found.code, found.payload) == (code, raw)


def test_reasons_stay_short() -> None:
    """A reason names the fault without repeating a whole payload: reasons are not sealed."""
    for patch in ({"kind": "k" * 9999}, {"apiVersion": "v" * 9999}, {"stageTimestamp": "t" * 9999}):
        found = accept(line(audit_event(0, patch)), REDACTOR)
        assert isinstance(found, Quarantined)
        assert len(found.reason) < 300


@given(any_events())
def test_any_event_is_accepted(event: dict[str, Any]) -> None:
    """Nulls, unknown fields, empty objects and any text are no reason to refuse an event."""
    found = accept(line(event), REDACTOR)

    assert isinstance(found, bytes), found


@given(any_events())
def test_encode_is_the_inverse_of_decode(event: dict[str, Any]) -> None:
    """Decoding and encoding gives the same JSON values, kind and apiVersion written."""
    expected = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", **event}

    assert json.dumps(json.loads(encode(decode(line(event)))), sort_keys=True) == json.dumps(expected, sort_keys=True)


def test_facts_of_texts_are_not_remembered_without_bound() -> None:
    """Long texts, which a client can vary at will, are not held in memory once they are stored."""
    message = "x" * 50_000
    raws = [line(audit_event(n, responseStatus={"message": f"{n}{message}"})) for n in range(50)]
    rows(raws, "c", "s", NOON)

    tracemalloc.start()
    try:
        rows([raw.replace(b"xx", b"yy", 1) for raw in raws], "c", "s", NOON)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 1_000_000


# --- patch bodies that only Go reads ---------------------------------------------------------------


def deep(levels: int, inner: bytes = b"1") -> bytes:
    return b'{"a":[' * (levels // 2) + inner + b"]}" * (levels // 2)


HOSTILE: dict[str, bytes] = {
    "lone surrogate": rb'{"a":"\ud800","b":"\udc00\ud800 \ud83d\ude00 \\ud800"}',
    "surrogate key": rb'{"\ud800":1,"\ud801":2,"\u0061":3}',
    "invalid utf-8": b'{"a":"\xff\xc3(\xed\xa0\x80"}',
    "duplicate keys": b'{"spec":{"a":1},"spec":{"a":2,"a":3}}',
    "infinite": b'{"a":1e999,"b":-1E+999,"c":[1e0000400]}',
    "long mantissa": b'{"a":1' + b"0" * 250 + b"e99}",
    "big integers": b'{"a":18446744073709551616,"b":-9' + b"9" * 30 + b',"c":' + b"9" * 5000 + b"}",
    "long integer and duplicate": b'{"a":' + b"9" * 5000 + b',"b":1,"b":2}',
    "NUL": rb'{"a\u0000b":"\u0000"}',
    "line separator": '{"a":"\u2028"}'.encode(),
    "just below the limit": deep(MAX_DEPTH - 2),
    "just above the limit": deep(MAX_DEPTH + 2),
    "900 levels": deep(900),
    "10,000 levels": deep(10_000),
    "10,000 brackets": b"[" * 10_000 + b"]" * 10_000,
    "deep surrogate": deep(700, rb'"\ud800"'),
    "deep duplicate": b'{"a":1,"a":' + deep(700) + b"}",
    "many deep siblings": b"[" * 300 + b"[1]," * 300 + b"[1]" + b"]" * 300,
    "placeholder": b'{"a":"ashiato-deep-0.","b":"ashiato-0:0"}',
    "number": b"5",
    "text": b'"x"',
    "true": b"true",
    "empty list": b"[]",
    "white space": b' { "a" : [ 1 , 2 ] } ',
}


def stored(raw: bytes) -> dict[str, Any]:
    accepted = accept(raw, REDACTOR)
    assert isinstance(accepted, bytes), accepted
    return dict(rows([accepted], "c", "s", NOON).to_pylist()[0])


@pytest.mark.parametrize("verb", ["patch", "create"])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_stay_events(body: bytes, verb: str) -> None:
    """A body that only Go reads leaves its event whole, readable by DuckDB, and exports as it came."""
    import duckdb

    raw = with_raw_body(audit_event(0, level="Request", verb=verb), body)
    for text in (raw, raw.replace(b'"kind":"Event","apiVersion":"audit.k8s.io/v1",', b"")):
        accepted = accept(text, REDACTOR)
        assert isinstance(accepted, bytes), accepted
        table = rows([accepted], "c", "s", NOON)
        row = table.to_pylist()[0]

        con = duckdb.connect()
        for column in ("request_object", "unparsed"):
            assert con.execute("SELECT json_valid($1)", [row[column]]).fetchone() in ((True,), (None,))
        con.execute(
            "SELECT json_keys($1), json_extract_string($1, '$.a'), ($1::JSON)::VARCHAR", [row["request_object"]]
        )
        exported = next(iter(export(table)))
        if body == HOSTILE["invalid utf-8"]:
            assert json.loads(exported)["requestObject"]["a"].startswith("\ufffd")
        else:
            assert body.strip() in exported


def test_readers_see_what_the_apiserver_saw() -> None:
    """Of duplicate keys the last one counts, as in Go, so a decoy in front hides nothing."""
    for body in (
        b'{"spec":{"decoy":1},"spec":{"hostPID":true}}',
        b'{"n":' + b"9" * 5000 + b',"spec":{"decoy":1},"spec":{"hostPID":true}}',
        b'{"deep":' + deep(5000) + b',"spec":{"decoy":1},"spec":{"hostPID":true}}',
    ):
        row = stored(with_raw_body(audit_event(0, level="Request", verb="patch"), body))
        assert '"decoy"' not in row["request_object"]
        assert json.loads(row["request_object"])["spec"] == {"hostPID": True}


def test_the_callers_stack_decides_nothing() -> None:
    """How deep the caller's stack is does not change how a deep body is read, nor its identity."""
    raw = with_raw_body(audit_event(0, level="Request", verb="patch"), deep(860))

    def below(frames: int) -> str:
        return str(stored(raw)["event_id"]) if frames == 0 else below(frames - 1)

    assert below(0) == below(150) == below(400)


def test_depth_is_counted_exactly() -> None:
    """Depth counts brackets outside strings, whichever way they alternate."""
    assert not is_deep(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert is_deep(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert is_deep(b'[{"a":' * MAX_DEPTH + b"1" + b"}]" * MAX_DEPTH)
    assert not is_deep(b'["' + b"[" * 5000 + b'"]')
    assert not is_deep(rb'["\"' + b"[" * 5000 + rb'\\"]')
    assert not is_deep(b"[" + b"[]," * 5000 + b"[]]")
    assert is_deep(rb'["\\",' + b"[" * 5000 + b"]" * 5000 + b"]")


def test_brackets_that_do_not_match_are_no_json() -> None:
    """A deep body whose hidden part is broken is quarantined, never exported as broken JSON."""
    event = audit_event(0, level="Request", verb="patch")
    for body in (
        b"[" * 5000 + b"]" * 4999,
        b"[" * 4999 + b"]" * 5000,
        deep(700, b"nul"),
        deep(700, b"1,"),
        b'{"a":[' * 300 + b"}]" * 300,
    ):
        found = accept(with_raw_body(event, body), REDACTOR)
        assert isinstance(found, Quarantined), body[:20]
        assert found.code == "json-invalid"


def test_depth_outside_the_bodies() -> None:
    """Unknown fields may be deep and come back whole; a deep user is no user."""
    raw = with_raw_body(audit_event(), deep(3000), "unheardOf")
    accepted = accept(raw, REDACTOR)
    assert isinstance(accepted, bytes)
    assert deep(3000) in next(iter(export(rows([accepted], "c", "s", NOON))))

    found = accept(with_raw_body(audit_event(), b'{"extra":' + deep(3000) + b"}", "user"), REDACTOR)
    assert isinstance(found, Quarantined)
    assert found.code in ("json-too-deep", "field-type")


# --- time and memory --------------------------------------------------------------------------------

HALF_MEGABYTE = 1 << 19  # half of one keeps the suite quick
LARGE: dict[str, bytes] = {
    "one string": b'"' + b"x" * HALF_MEGABYTE + b'"',
    "escapes": b'"' + rb"\"" * (HALF_MEGABYTE // 2) + b'"',
    "backslashes": b'"' + b"\\\\" * (HALF_MEGABYTE // 2) + b'"',
    "half pairs": b'"' + rb"\ud800" * (HALF_MEGABYTE // 6) + b'"',
    "brackets": b"[" + b"[]," * (HALF_MEGABYTE // 3) + b"[]]",
    "deep": b"[" * (HALF_MEGABYTE // 2) + b"]" * (HALF_MEGABYTE // 2),
    "deep siblings": b"[" * 300 + b"[1]," * (HALF_MEGABYTE // 4) + b"[1]" + b"]" * 300,
    "numbers": b"[" + b"1e9," * (HALF_MEGABYTE // 4) + b"1]",
    "digits": b"9" * HALF_MEGABYTE,
    "keys": b"{" + b",".join(b'"k%d":1' % (n % 50_000) for n in range(HALF_MEGABYTE // 10)) + b"}",
    "not utf-8": b'"' + b"\xff" * HALF_MEGABYTE + b'"',
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
def test_time_is_linear_in_size(body: bytes) -> None:
    """Half a megabyte of the worst in one body takes well under a second, as an event and in a cut list."""
    raw = with_raw_body(audit_event(0, level="Request", verb="patch"), body)
    began = time.process_time()

    judge(raw)
    accepted, _ = judge(event_list([raw, item(audit_event(1))]))
    rows(accepted, "c", "s", NOON)
    judge(event_list([item(audit_event(1)), raw])[:-40])
    judge(raw[:-200])

    assert time.process_time() - began < 6


def test_many_broken_items_take_linear_time() -> None:
    """A post in which every item is broken is taken apart in time linear in its size."""
    items = [item(event).replace(b'"code":200}', b'"code":200') for event in audit_events(2000)]
    began = time.process_time()

    accepted, refused = judge(event_list(items))

    assert accepted == []
    assert sum(len(piece.payload) for piece in refused) >= sum(map(len, items)) - 2 * len(items)
    assert time.process_time() - began < 3


def test_a_five_megabyte_event_stays_whole() -> None:
    """An event of 5 MB comes back as it was."""
    event = audit_event(0, level="RequestResponse", responseObject={"items": [{"n": "x" * 1000}] * 5000})

    accepted = accept(line(event), REDACTOR)

    assert isinstance(accepted, bytes)
    assert json.loads(next(iter(export(rows([accepted], "c", "s", NOON))))) == event


# --- times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000000Z"),
        ("2026-11-23t08:00:00.1z", "2026-11-23T08:00:00.100000Z"),
        ("2026-11-23 08:00:00.123456789+02:00", "2026-11-23T06:00:00.123456Z"),
        ("2026-11-23T23:30:00-0100", "2026-11-24T00:30:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_have_one_form(text: str, expected: str) -> None:
    """RFC 3339 in any of its spellings becomes UTC with six decimals, cut."""
    assert canonical_time(text) == expected
    assert canonical_time(expected) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-23", "2026-11-23T08:00Z", "2026-11-23T08:00:00", "2026-11-23T08:00:60Z", "nan", "inf",
     "2026-11-23T08:00:00.Z", "2026-11-23T08:00:00+25:00", "9999-12-31T23:59:59-01:00", "２026-11-23T08:00:00Z",
     "2026-11-23T08:00:00Z\n"],
)  # fmt: skip
def test_other_times_are_refused(text: str) -> None:
    """What is no RFC 3339 time raises ValueError, nothing else."""
    with pytest.raises(ValueError):
        canonical_time(text)


@given(st.binary(max_size=60))
def test_decode_raises_one_kind_of_error(raw: bytes) -> None:
    """Decoding either gives an event or says with a code why it is none."""
    try:
        assert isinstance(decode(raw), Decoded)
    except NotAnEvent as error:
        assert error.code in CODES  # noqa: PT017 - either answer is right
