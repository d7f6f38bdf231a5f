"""The HTTP face of the sink: what a kube-apiserver's audit webhook posts to. Write-only.

``POST /audit`` and ``POST /audit/{cluster}``; ``GET /healthz``, ``/readyz``, ``/metrics``. A plain ASGI
application: it must refuse before it reads a body, and bound what it reads, which frameworks do not do.

Facts of the sender (k8s.io/apiserver, webhook backend): every status but 2xx is retried five times
within 81-97 s and then the batch is lost; 503 with Retry-After makes it patient. So what is temporary
is 503 with Retry-After, and what is no audit event is quarantined and answered 200.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec

from ingest.cluster import is_cluster_name
from ingest.credentials import Credentials, Refusal
from ingest.intake import Taken, take
from ingest.redact import Redactor
from ingest.settings import SinkSettings
from ingest.spool import Spool, SpoolFull
from ingest.telemetry import Log, Telemetry, clip

BUSY_RETRY_SECONDS = 2
STORAGE_RETRY_SECONDS = 5
BIG_BODY_BYTES = 4 << 20
_CHUNK_STEP_BYTES = 1 << 20

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_METHODS = {"/audit": "POST", "/healthz": "GET", "/readyz": "GET", "/metrics": "GET"}


class _Failure(Exception):
    """A request that is not answered 200: status, outcome label, and the error's three parts."""

    def __init__(
        self,
        status: int,
        outcome: str,
        code: str,
        message: str,
        hint: str,
        *,
        retry_after: int | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.outcome = outcome
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.allow = allow


class _Gone(Exception):
    """The client hung up before its body was complete."""


class BodyBudget:
    """Bytes of memory that request bodies may take together; given out in order of asking."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes given out."""
        return self._used

    async def acquire(self, count: int, wait_seconds: float) -> bool:
        """Take *count* bytes, waiting at most so long; False when they did not become free."""
        if not self._waiting and self._used + count <= self._total:
            self._used += count
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, future))
        try:
            async with asyncio.timeout(wait_seconds):
                await future
        except TimeoutError:
            return future.done() and not future.cancelled()
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(count)
            raise
        finally:
            if not future.done() or future.cancelled():
                self._waiting = deque(item for item in self._waiting if item[1] is not future)
                self._serve()
        return True

    def release(self, count: int) -> None:
        """Give *count* bytes back."""
        self._used -= count
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            count, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if self._used + count > self._total:
                return
            self._waiting.popleft()
            self._used += count
            future.set_result(None)


class _Hold:
    """What one request holds of the budget."""

    def __init__(self, budget: BodyBudget, settings: SinkSettings) -> None:
        self._budget = budget
        self._settings = settings
        self.bytes = 0

    async def upto(self, count: int) -> None:
        """Hold *count* bytes; _Failure 503 when other senders do not let go in time."""
        if not await self._budget.acquire(count - self.bytes, self._settings.budget_wait_seconds):
            raise _Failure(
                503,
                "busy",
                "sink-busy",
                f"other senders' bodies fill the {self._settings.body_budget_bytes} bytes there are for them",
                "it comes again by itself; if it does so often, give the sink more body_budget_bytes",
                retry_after=BUSY_RETRY_SECONDS,
            )
        self.bytes = count

    def release(self) -> None:
        """Give all of it back."""
        if self.bytes:
            self._budget.release(self.bytes)
            self.bytes = 0


class Webhook:
    """The ASGI application. ``credentials`` and ``not_ready`` are asked anew for every request."""

    def __init__(
        self,
        settings: SinkSettings,
        spool: Spool,
        redactor: Redactor,
        credentials: Callable[[], Credentials],
        telemetry: Telemetry,
        log: Log,
        readiness: Callable[[], dict[str, Any]],
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._redactor = redactor
        self._credentials = credentials
        self._telemetry = telemetry
        self._log = log
        self._readiness = readiness
        self._budget = BodyBudget(settings.body_budget_bytes)
        # Two threads, so that a body of 31 MB does not hold up the ordinary ones.
        self._ordinary = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._big = ThreadPoolExecutor(1, thread_name_prefix="intake-big")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        audit = False
        try:
            path = scope["path"]
            audit = path == "/audit" or path.startswith("/audit/")
            _check_method("/audit" if audit else path, scope["method"])
            if audit:
                await self._audit(scope, receive, send)
            elif path == "/healthz":
                await _answer(send, 200, b'{"status":"alive"}\n')
            elif path == "/readyz":
                state = self._readiness()
                await _answer(send, 200 if state["ready"] else 503, msgspec.json.encode(state) + b"\n")
            else:
                self._telemetry.body_bytes_in_flight.set(self._budget.used)
                await _answer(
                    send, 200, self._telemetry.exposition(), content_type=b"text/plain; version=0.0.4; charset=utf-8"
                )
        except _Failure as failure:
            if audit:
                self._telemetry.requests.labels(failure.outcome).inc()
            if failure.status not in (404, 405):
                self._log.seldom(
                    "warning",
                    f"request_{failure.outcome}",
                    status=failure.status,
                    code=failure.code,
                    message=clip(failure.message),
                    client=scope["client"][0] if scope.get("client") else None,
                )
            await _answer_failure(send, failure)
        except _Gone:
            self._telemetry.requests.labels("disconnected").inc()
        except Exception as error:  # noqa: BLE001 - the sender keeps its batch and comes again
            self._log("error", "request_failed", error=repr(error))
            self._telemetry.requests.labels("error").inc()
            stumbled = _Failure(
                503,
                "error",
                "internal-error",
                "the sink stumbled; nothing was stored",
                "see its log",
                retry_after=STORAGE_RETRY_SECONDS,
            )
            await _answer_failure(send, stumbled)

    async def _audit(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = _headers(scope)
        cluster = self._authenticate(scope, headers)
        length = self._declared_length(headers)
        refusal = self._spool.refusal(length or 0)
        if refusal is not None:
            raise _storage_failure(refusal)
        hold = _Hold(self._budget, self._settings)
        try:
            body = await self._read(receive, length, hold)
            body_bytes = len(body)
            received_at = time.time_ns() // 1000
            pool = self._big if body_bytes > BIG_BODY_BYTES else self._ordinary
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(pool, take, body, cluster, received_at, self._redactor)
            del body
            taken = await work
            try:
                await self._store(taken)
            except SpoolFull as error:
                raise _storage_failure(str(error)) from None
        finally:
            hold.release()
        self._count(cluster, taken, body_bytes, time.perf_counter() - began)
        answer = {"received": taken.accepted + taken.quarantined, "quarantined": taken.quarantined, "cluster": cluster}
        await _answer(send, 200, msgspec.json.encode(answer) + b"\n")

    def _authenticate(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        path = scope["path"]
        wanted: str | None = path[len("/audit/") :] if path.startswith("/audit/") else None
        if wanted == "":
            wanted = None
        if wanted is not None and not is_cluster_name(wanted):
            raise _Failure(
                404,
                "not_found",
                "cluster-name-invalid",
                f"{wanted[:63]!r} is no cluster name",
                "letters, digits, '.', '_' and '-', at most 63, a letter or digit at both ends",
            )
        authorization = headers.get(b"authorization")
        common_name = scope.get("state", {}).get("client_certificate_common_name")
        found = self._credentials().cluster_for(
            authorization.decode("latin-1") if authorization is not None else None, common_name, wanted
        )
        if isinstance(found, Refusal):
            outcome = "unauthorized" if found.status == 401 else "forbidden"
            raise _Failure(found.status, outcome, found.code, found.message, found.hint)
        return found

    def _declared_length(self, headers: dict[bytes, bytes]) -> int | None:
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"", b"identity"):
            raise _Failure(
                415,
                "encoding",
                "content-encoding-unsupported",
                f"Content-Encoding {encoding.decode('latin-1')[:40]!r} is not taken",
                "a kube-apiserver never compresses; let what stands between post the body as it is",
            )
        text = headers.get(b"content-length")
        if text is None:
            return None if b"transfer-encoding" in headers else 0
        length = int(text)
        if length > self._settings.max_body_bytes:
            raise self._too_large(length)
        return length

    def _too_large(self, size: int) -> _Failure:
        self._log(
            "error",
            "body_too_large",
            bytes_at_least=size,
            max_body_bytes=self._settings.max_body_bytes,
            hint="the sender loses this batch: raise max_body_bytes, or lower --audit-webhook-batch-max-size",
        )
        return _Failure(
            413,
            "too_large",
            "body-too-large",
            f"a body of {size} bytes or more is over the limit of {self._settings.max_body_bytes}",
            "raise the sink's max_body_bytes, or lower --audit-webhook-batch-max-size of the apiserver",
        )

    async def _read(self, receive: Receive, length: int | None, hold: _Hold) -> bytes:
        """The whole body; memory for it is held before it is read."""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_timeout_seconds):
                if length is not None:
                    await hold.upto(length)
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Gone
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > self._settings.max_body_bytes:
                        raise self._too_large(size)
                    if size > hold.bytes:
                        await hold.upto(hold.bytes + max(_CHUNK_STEP_BYTES, len(chunk)))
                    if chunk:
                        chunks.append(chunk)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise _Failure(
                408,
                "timeout",
                "body-timeout",
                f"the body was not complete after {self._settings.body_timeout_seconds:g} seconds",
                "check the network between the sender and the sink",
            ) from None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _store(self, taken: Taken) -> None:
        if taken.accepted + taken.quarantined == 0:
            return
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            if stored.done():
                return
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

        def done(error: Exception | None) -> None:
            # The loop may be closed when the sink stops with a request in flight: nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, error)

        self._spool.append(taken.record, done)
        await stored

    def _count(self, cluster: str, taken: Taken, body_bytes: int, seconds: float) -> None:
        telemetry = self._telemetry
        label = telemetry.label(cluster)
        telemetry.requests.labels("stored").inc()
        telemetry.events_received.labels(label).inc(taken.accepted + taken.quarantined)
        telemetry.spool_events.inc(taken.accepted + taken.quarantined)
        telemetry.request_bytes.labels(label).inc(body_bytes)
        telemetry.ack_seconds.observe(seconds)
        if taken.quarantined:
            self._log.seldom("warning", "quarantined", cluster=cluster, items=taken.quarantined, reasons=taken.reasons)

    def close(self) -> None:
        """Let go of the threads."""
        self._ordinary.shutdown(wait=False)
        self._big.shutdown(wait=False)


def _check_method(path: str, method: str) -> None:
    allowed = _METHODS.get(path)
    if allowed is None:
        raise _Failure(
            404,
            "not_found",
            "path-unknown",
            "there is nothing here",
            "events go to POST /audit; see also /healthz, /readyz, /metrics",
        )
    if method != allowed and (allowed, method) != ("GET", "HEAD"):
        raise _Failure(
            405, "method", "method-wrong", f"{path} answers {allowed} only", "check the request", allow=allowed
        )


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _storage_failure(reason: str) -> _Failure:
    return _Failure(
        503,
        "storage",
        "spool-full",
        reason,
        "nothing was stored; the sender keeps its batch and comes again",
        retry_after=STORAGE_RETRY_SECONDS,
    )


async def _answer_failure(send: Send, failure: _Failure) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if failure.retry_after is not None:
        headers.append((b"retry-after", str(failure.retry_after).encode()))
    if failure.allow is not None:
        headers.append((b"allow", failure.allow.encode()))
    if failure.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if failure.status == 408:
        headers.append((b"connection", b"close"))
    body = {"error": {"code": failure.code, "message": failure.message, "hint": failure.hint}}
    await _answer(send, failure.status, msgspec.json.encode(body) + b"\n", headers=headers)


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    *,
    headers: list[tuple[bytes, bytes]] | None = None,
    content_type: bytes = b"application/json",
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
                *(headers or ()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
