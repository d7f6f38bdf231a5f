"""The client posts as a kube-apiserver does, and is as patient."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ingest.client import Backoff, Delivery, SinkClient, event_lists, post_event_lists
from lake.errors import AshiatoError, UsageError
from tests.builders import audit_events, line
from tests.ingest.sink.process import SinkProcess

QUICK = Backoff(tries=3, first_seconds=0.01, factor=1.0, jitter=0.0, retry_after_tries=3, try_seconds=5)


class Receiver(HTTPServer):
    """Answers posts with the statuses it was given, then 200; remembers what came."""

    def __init__(self, *answers: tuple[int, str | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, after = self.server.answers.pop(0) if self.server.answers else (200, None)
        self.send_response(status)
        if after is not None:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receive() -> Iterator[object]:
    started: list[Receiver] = []

    def start(*answers: tuple[int, str | None]) -> Receiver:
        receiver = Receiver(*answers)
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        started.append(receiver)
        return receiver

    yield start
    for receiver in started:
        receiver.shutdown()
        receiver.server_close()


def test_it_posts_what_an_apiserver_posts(receive) -> None:
    """EventLists of at most 400 items without kind and apiVersion, the user agent, the query, the token."""
    receiver = receive()

    delivery = post_event_lists(f"{receiver.url}/audit/prod", map(line, audit_events(401)), token="t0ken")

    assert (delivery.posts, delivery.events) == (2, 401)
    path, headers, body = receiver.requests[0]
    assert path == "/audit/prod?timeout=30s"
    assert headers["User-Agent"] == "Go-http-client/1.1"
    assert headers["Authorization"] == "Bearer t0ken"
    content = json.loads(body)
    assert (content["kind"], content["apiVersion"], len(content["items"])) == ("EventList", "audit.k8s.io/v1", 400)
    expected = audit_events(1)[0]
    del expected["kind"], expected["apiVersion"]
    assert content["items"][0] == expected


def test_it_is_patient_where_it_is_asked_to_be(receive) -> None:
    """503 with Retry-After is tried again within the same try; other statuses use up a try each."""
    receiver = receive((503, "0"), (503, "0"), (500, None), (400, None))

    with SinkClient(receiver.url, backoff=QUICK) as client:
        delivery = Delivery()
        assert client.deliver(b"{}", 7, delivery)

    assert len(receiver.requests) == 5
    assert (delivery.posts, delivery.events, delivery.retries, delivery.lost_events) == (1, 7, 4, 0)


def test_it_gives_up_in_the_end_and_says_why(receive) -> None:
    """After all tries the batch is counted as lost, and the error names the status."""
    receiver = receive(*[(401, None)] * 3)

    with pytest.raises(AshiatoError, match="401") as caught:
        post_event_lists(receiver.url, [line(event) for event in audit_events(1)], backoff=QUICK)

    assert caught.value.code == "sink-refused"
    assert len(receiver.requests) == 3


def test_it_survives_a_restart_of_the_sink(tmp_path: Path) -> None:
    """A sink that is away for a moment costs nothing, because the batch is tried again."""
    sink = SinkProcess(tmp_path)
    restart = threading.Timer(0.4, sink.start)
    restart.start()
    patient = Backoff(tries=50, first_seconds=0.1, factor=1.0, retry_after_tries=3, try_seconds=5)
    try:
        delivery = post_event_lists(
            f"{sink.url}/audit/test", [line(event) for event in audit_events(5)], backoff=patient
        )
        restart.join()
        sink.wait_committed()
        assert delivery.retries > 0
        assert len(sink.audit_ids()) == 5
    finally:
        restart.join()
        sink.close()


def test_an_address_that_is_none_is_refused() -> None:
    """Anything but http:// and https:// is a usage error."""
    with pytest.raises(UsageError):
        SinkClient("127.0.0.1:9443")


def test_lists_are_made_of_any_event() -> None:
    """Lines that are no JSON go into the list as they are: the sink is the judge."""
    bodies = list(event_lists([b"nonsense", line(audit_events(1)[0])], batch_size=2))

    assert len(bodies) == 1
    assert b"nonsense," in bodies[0][0]
