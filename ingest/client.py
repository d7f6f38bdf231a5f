"""Post events to a sink the way a kube-apiserver's audit webhook does; for the demo, doctor and tests.

EventLists of up to 400 items without kind and apiVersion, ``?timeout=30s``, one keep-alive connection,
and the apiserver's patience: any status but 2xx is tried again, five times in all, with growing pauses;
429 and 5xx with Retry-After are tried ten more times within each try. Source: k8s.io/apiserver
pkg/util/webhook (DefaultRetryBackoff: 10 s x 1.5, 5 steps), client-go rest (retry after).
"""

from __future__ import annotations

import http.client
import random
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw

from lake.errors import AshiatoError, UsageError

BATCH_SIZE = 400
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and when to try again: ``tries`` in all, the first pause in seconds, its growth and jitter."""

    tries: int = 5
    first_seconds: float = 10.0
    factor: float = 1.5
    jitter: float = 0.2
    retry_after_tries: int = 10
    try_seconds: float = 30.0


@dataclass(slots=True)
class Delivery:
    """What became of the posts: ``posts`` and ``events`` acknowledged, those lost after all tries, and why."""

    posts: int = 0
    events: int = 0
    quarantined: int = 0
    retries: int = 0
    lost_events: int = 0
    seconds: list[float] = field(default_factory=list)
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; ``retry_after`` in seconds, None without the header."""

    status: int
    body: bytes
    retry_after: float | None

    def problem(self) -> str:
        """The error in words, with its code."""
        try:
            error = msgspec.json.decode(self.body)["error"]
            return f"{self.status}: {error['message']} [{error['code']}]"
        except (msgspec.DecodeError, KeyError, TypeError):
            return f"HTTP status {self.status}"


class SinkClient:
    """A keep-alive connection to one sink. Not for use by several threads at once.

    ``url`` is the sink's address, with the path to post to (``/audit`` when there is none); ``ca`` the
    certificate authority to trust, ``cert`` and ``key`` a client certificate, ``token`` a bearer token.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        backoff: Backoff = Backoff(),
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("sink-url-invalid", f"{url!r} is no address of a sink", "such as https://127.0.0.1:9443")
        self._path = parts.path if parts.path not in ("", "/") else "/audit"
        self._token = token
        self._backoff = backoff
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            try:
                self._context = ssl.create_default_context(cafile=str(ca) if ca is not None else None)
                if cert is not None:
                    self._context.load_cert_chain(str(cert), str(key) if key is not None else None)
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    "certificate-unreadable", f"cannot read the certificate files: {error}", "give PEM files"
                ) from None
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """One request, one answer; raises OSError or http.client.HTTPException when there is none."""
        headers = {"User-Agent": "Go-http-client/1.1", "Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection
        if connection is None:
            timeout = self._backoff.try_seconds
            if self._context is not None:
                connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
            else:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
            self._connection = connection
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        after = response.headers.get("Retry-After", "")
        return Answer(response.status, content, float(after) if after.isdigit() else None)

    def post(self, body: bytes) -> Answer:
        """Post *body* once, as it is."""
        return self.request("POST", f"{self._path}?timeout=30s", body)

    def deliver(self, body: bytes, events: int, delivery: Delivery) -> bool:
        """Post *body* until it is acknowledged or an apiserver would give up; counts into *delivery*."""
        backoff = self._backoff
        pause = backoff.first_seconds
        began = time.monotonic()
        for attempt in range(backoff.tries):
            if attempt:
                time.sleep(pause * (1 + random.uniform(0, backoff.jitter)))  # noqa: S311 - jitter
                pause *= backoff.factor
                delivery.retries += 1
            answer = self._try(body, delivery)
            if answer is not None and 200 <= answer.status < 300:
                delivery.posts += 1
                delivery.events += events
                delivery.seconds.append(time.monotonic() - began)
                with suppress(msgspec.DecodeError, KeyError, TypeError):
                    delivery.quarantined += int(msgspec.json.decode(answer.body)["quarantined"])
                return True
        delivery.lost_events += events
        return False

    def _try(self, body: bytes, delivery: Delivery) -> Answer | None:
        until = time.monotonic() + self._backoff.try_seconds
        for _ in range(1 + self._backoff.retry_after_tries):
            try:
                answer = self.post(body)
            except (OSError, http.client.HTTPException) as error:
                delivery.last_error = f"{type(error).__name__}: {error}"
                return None
            if 200 <= answer.status < 300:
                return answer
            delivery.last_error = answer.problem()
            patient = answer.retry_after is not None and (answer.status == 429 or answer.status >= 500)
            if not patient or answer.retry_after is None or time.monotonic() + answer.retry_after >= until:
                return answer
            time.sleep(answer.retry_after)
            delivery.retries += 1
        return None


def event_lists(events: Iterable[bytes], batch_size: int = BATCH_SIZE) -> Iterator[tuple[bytes, int]]:
    """Bodies as the webhook backend posts them, and how many events each holds.

    *events* are JSON texts, one event each; kind and apiVersion are taken off, as in a real EventList.
    """
    items: list[bytes] = []
    for event in events:
        items.append(_item(event))
        if len(items) == batch_size:
            yield _body(items), len(items)
            items = []
    if items:
        yield _body(items), len(items)


def _item(event: bytes) -> bytes:
    try:
        members = _decode_members(event)
    except (msgspec.DecodeError, RecursionError):
        return event
    if "kind" not in members and "apiVersion" not in members:
        return event
    members.pop("kind", None)
    members.pop("apiVersion", None)
    return _encode(members)


def _body(items: list[bytes]) -> bytes:
    return b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + b",".join(items) + b"]}\n"


def post_event_lists(
    url: str,
    events: Iterable[bytes],
    *,
    batch_size: int = BATCH_SIZE,
    token: str | None = None,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    backoff: Backoff = Backoff(),
) -> Delivery:
    """Post *events* (JSON texts) to the sink at *url* as an apiserver does.

    Raises AshiatoError ``sink-refused`` when a batch is not acknowledged after all tries.
    """
    delivery = Delivery()
    with SinkClient(url, token=token, ca=ca, cert=cert, key=key, backoff=backoff) as client:
        for body, count in event_lists(events, batch_size):
            if not client.deliver(body, count, delivery):
                raise AshiatoError(
                    "sink-refused",
                    f"the sink at {url} did not take {count} events: {delivery.last_error}",
                    "look at its log and at /readyz",
                )
    return delivery
