"""From a body to a spool record: nothing is lost, nothing secret is kept in plain, nothing grows without bound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event import Quarantined
from ingest.intake import decode_post, take, unseal
from ingest.redact import Redactor
from tests.builders import audit_event, audit_events, event_list, item, secret_write

REDACTOR = Redactor(b"\x07" * 32)


def test_events_and_strangers_of_one_body_are_both_kept() -> None:
    """A broken item is sealed, its neighbours are taken as they are."""
    good = audit_events(2)
    taken = take(event_list([good[0], b'{"auditID":7}', good[1]]), "test", 5, REDACTOR)

    post = decode_post(taken.record)

    assert (taken.accepted, taken.quarantined) == (2, 1)
    assert post.events == [item(event) for event in good]
    assert post.received_at == 5
    assert [kept.payload for kept in unseal(post, REDACTOR)] == [b'{"auditID":7}']


def test_no_secret_reaches_the_record() -> None:
    """Neither a Secret's value nor the bytes of what could not be read stand in the record in plain."""
    body = event_list([secret_write("create", {"kind": "Secret", "data": {"p": "aHVudGVyMg=="}}), b'{"x":"s3cr3t"}'])

    record = take(body, "test", 0, REDACTOR).record

    assert b"aHVudGVyMg==" not in record
    assert b"s3cr3t" not in record


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"items":', b",", b'"', b"1"]), max_size=30).map(b"".join),
    )
)
def test_no_bytes_are_refused(body: bytes) -> None:
    """Whatever the bytes are, a record comes out, and all of a body that is no event is in the quarantine."""
    taken = take(body, "test", 0, REDACTOR)

    post = decode_post(taken.record)

    kept = unseal(post, REDACTOR)
    assert taken.accepted == len(post.events)
    assert taken.quarantined == len(kept)
    assert all(isinstance(part, Quarantined) for part in kept)


@pytest.mark.parametrize("unit", [b"{}", b"1", b"[]", b'{"a":[{},{}]}'])
@pytest.mark.parametrize("wrap", [(b'{"kind":"EventList","items":[', b"]}"), (b"[", b"]"), (b"[", b"")])
def test_a_list_of_crumbs_is_kept_whole(unit: bytes, wrap: tuple[bytes, bytes]) -> None:
    """Millions of tiny items become one quarantined body, and never millions of objects."""
    body = wrap[0] + b",".join([unit] * (3_000_000 // (len(unit) + 1))) + wrap[1]

    taken = take(body, "test", 0, REDACTOR)

    assert (taken.accepted, taken.quarantined) == (0, 1)
    assert taken.reasons == {"items-too-small": 1}
    assert unseal(decode_post(taken.record), REDACTOR)[0].payload == body


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured through Linux's /proc")
def test_crumbs_take_no_memory() -> None:
    """32 MB of crumbs take less than 300 MB; taken apart they would take two gigabytes."""
    code = (
        "from pathlib import Path; from ingest.intake import take; from ingest.redact import Redactor;"
        "take(b'{\"items\":[' + b'{},' * (32 << 20 >> 2) + b'{}]}', 'test', 0, Redactor(bytes(32)));"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )

    peak = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout

    assert int(peak) < 300 << 10


def test_big_events_with_dense_bodies_are_no_crumbs() -> None:
    """A long list of tiny values inside an event's body does not make the event suspicious."""
    dense = [audit_event(n, {"level": "Request", "requestObject": {"list": [{}] * 300_000}}) for n in range(4)]

    taken = take(event_list(dense), "test", 0, REDACTOR)

    assert (taken.accepted, taken.quarantined) == (4, 0)
