"""The sink's HTTP server: uvicorn, with what a server needs that strangers can connect to.

uvicorn does not bound the time a request may take to arrive, the size of its headers or the number of
connections, and it does not show an application the client's certificate. The protocol here adds that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.settings import SinkSettings
from ingest.telemetry import Log, Telemetry
from lake.errors import AshiatoError, UsageError

MAX_HEADER_BYTES = 32 << 10
_DISCARD_BYTES = 1 << 20


def protocol(settings: SinkSettings, telemetry: Telemetry) -> type[HttpToolsProtocol]:
    """The connection handler: uvicorn's, with bounds, and with the client certificate's name in the scope."""

    class SinkProtocol(HttpToolsProtocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None
        _common_name: str | None = None
        _in_headers = True
        _request_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                telemetry.connections_refused.inc()
                transport.abort()
                return
            self._common_name = _common_name(transport.get_extra_info("ssl_object"))
            self._expect_within(settings.header_timeout_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect_within(None)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            self._request_bytes += len(data)
            super().data_received(data)
            if self._in_headers and self._request_bytes > MAX_HEADER_BYTES:
                self.send_400_response("the headers are too large")
            elif self._request_bytes > settings.max_body_bytes + MAX_HEADER_BYTES + _DISCARD_BYTES:
                # A refused body that does not end: the answer is out, the rest is not worth reading.
                self.transport.abort()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_headers = True
            self._request_bytes = 0
            self._expect_within(settings.header_timeout_seconds)
            if self._common_name is not None:
                self.scope["state"]["client_certificate_common_name"] = self._common_name

        def on_headers_complete(self) -> None:
            self._in_headers = False
            # The application answers 408 before this cuts the connection.
            self._expect_within(settings.body_timeout_seconds + settings.budget_wait_seconds + 5)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._in_headers = True
            self._request_bytes = 0
            self._expect_within(None)
            super().on_message_complete()

        def _expect_within(self, seconds: float | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            if seconds is not None:
                self._deadline = self.loop.call_later(seconds, self.transport.abort)

        def send_400_response(self, msg: str) -> None:
            """A request that is no HTTP is answered in the one error shape."""
            error = {"code": "request-invalid", "message": msg, "hint": "speak HTTP/1.1 to this port"}
            body = json.dumps({"error": error}).encode() + b"\n"
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
                b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
            )
            self.transport.close()

    return SinkProtocol


def _common_name(ssl_object: ssl.SSLObject | None) -> str | None:
    """The common name of the verified client certificate; None without one, or with several names."""
    certificate = ssl_object.getpeercert() if ssl_object is not None else None
    if not certificate:
        return None
    subject: Any = certificate.get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return str(names[0]) if len(names) == 1 else None


class Tls:
    """The server's certificate, read again when its files change (as a certificate manager does)."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        self.context = context
        self._stamp = self._state()
        self._load()
        if client_ca is not None:
            try:
                context.load_verify_locations(cafile=str(client_ca))
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    "client-ca-unreadable", f"cannot read certificates from {client_ca}: {_reason(error)}", "give PEM"
                ) from None
            # Optional to the handshake, so that a probe can ask /healthz and a sender without one reads a clear 401;
            # one that is shown must be good.
            context.verify_mode = ssl.CERT_OPTIONAL

    def reload(self) -> bool:
        """Take a new certificate into use if its files changed; raises UsageError when they are broken."""
        state = self._state()
        if state == self._stamp:
            return False
        self._stamp = state
        # Tried on the side first: a context that loaded half a pair would refuse every handshake.
        ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(ssl_context)
        self._load()
        return True

    def _load(self, context: ssl.SSLContext | None = None) -> None:
        try:
            (context or self.context).load_cert_chain(str(self._certificate), str(self._key), password="")
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                "sink-tls-unreadable",
                f"cannot use the certificate {self._certificate} with the key {self._key}: {_reason(error)}",
                "give a PEM certificate (with its chain) and its key, unencrypted",
            ) from None

    def _state(self) -> tuple[object, ...]:
        state: list[object] = []
        for path in (self._certificate, self._key):
            try:
                status = path.stat()
                state.append((status.st_ino, status.st_mtime_ns, status.st_size))
            except OSError:
                state.append(None)
        return tuple(state)


def _reason(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__


def bind(host: str, port: int) -> socket.socket:
    """A listening address. Raises AshiatoError ``listen-failed``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A sink that was just killed must be back at once, whatever its old connections are doing.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise AshiatoError(
            "listen-failed",
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            "is another sink running there? choose another port: --listen HOST:PORT (0 takes a free one)",
        ) from None
    return listener


class Server(uvicorn.Server):
    """uvicorn without its signal handling: the sink decides when it ends, and with which exit code."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept, then say so through ``answering``."""
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


def make_server(
    app: Callable[..., Any], settings: SinkSettings, tls: Tls | None, telemetry: Telemetry, log: Log
) -> Server:
    """A server for *app*; ``await server.serve(sockets=[...])`` runs it until ``should_exit``."""
    _route_log(log)
    config = uvicorn.Config(
        app,
        http=protocol(settings, telemetry),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=10,
    )
    config.load()
    if tls is not None:
        config.ssl = tls.context
    return Server(config)


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.seldom(record.levelname.lower(), "http_server", message=record.getMessage())


def _route_log(log: Log) -> None:
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [_Handler(log)]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
