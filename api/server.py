"""The application: authentication, limits and the access log around the routes, and the process that serves it."""

from __future__ import annotations

import hashlib
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, TypeVar

import uvicorn
from fastapi import Depends, FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import console, errors
from api.access_log import AccessLog
from api.credentials import ROLES, Caller, Callers
from api.errors import ApiError
from api.limits import Queries, RateLimit
from api.settings import ApiSettings
from lake.delta import Lake
from lake.errors import UsageError

T = TypeVar("T")

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_API_CSP = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes work with, one for the life of the process."""

    settings: ApiSettings
    lake: Lake
    callers: Callers
    queries: Queries
    rate: RateLimit
    log: AccessLog


def create_app(settings: ApiSettings, callers: Callers | None = None) -> FastAPI:
    """The ASGI application; *callers* takes the place of the token file. Raises what opening the lake raises."""
    from api.routes import router

    log = AccessLog(settings.access_log)
    service = Service(
        settings, Lake.open(settings.lake), callers or Callers(settings.tokens), Queries(settings),
        RateLimit(settings.requests_per_second), log,
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - starlette's signature
        yield
        log.close()

    app = FastAPI(
        title="Ashiato",
        version=version("ashiato"),
        description="Read-only HTTP over a lake of Kubernetes audit events. Times are UTC, microseconds.",
        docs_url=None,  # its pages load from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    errors.install(app)
    app.add_middleware(_Around, service=service)
    app.include_router(router)
    app.include_router(console.router)
    return app


class _Around:
    """Security headers on every answer, and every question in the access log.

    Plain ASGI: starlette's own wrapper hides from a route that its client has left.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        state = scope.setdefault("state", {})
        state.update(caller=None, asked={})
        question = scope["path"].startswith("/v1/")
        written = False

        def write(status: int) -> None:
            nonlocal written
            if question and not written:
                written = True
                caller, client = state["caller"], scope.get("client")
                self._service.log.write(
                    caller=caller.name if caller else None,
                    address=client[0] if client else None,
                    method=scope["method"],
                    path=scope["path"],
                    asked=state["asked"],
                    status=status,
                    milliseconds=round((time.perf_counter() - began) * 1000, 1),
                )

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                write(message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _API_CSP if question else _CSP)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            write(500)


def service_of(request: Request) -> Service:
    """The process's service."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who asks, within the rate limit; ApiError 401 or 429."""
    service = service_of(request)
    caller = service.callers.of(request.headers.get("authorization"))
    if caller is None:
        service.rate.take(f"address {request.client.host if request.client else ''}")
        raise ApiError(
            401,
            "token-required",
            "no token, or one that nobody has",
            "send Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )
    request.state.caller = caller
    service.rate.take(caller.name)
    return caller


def reader(request: Request) -> Caller:
    """A caller that may read."""
    return _with_role(request, "read")


def sql_writer(request: Request) -> Caller:
    """A caller that may ask in SQL."""
    return _with_role(request, "sql")


def _with_role(request: Request, role: str) -> Caller:
    caller = caller_of(request)
    if role not in caller.roles:
        raise ApiError(
            403, "role-required", f"{caller.name} does not have the role {role}", "ask whoever keeps the token file"
        )
    return caller


Reader = Annotated[Caller, Depends(reader)]
SqlWriter = Annotated[Caller, Depends(sql_writer)]


async def looked_up(request: Request, work: Callable[[Lake], T]) -> T:
    """Run *work* on the lake within the limits."""
    service = service_of(request)
    return await service.queries.run(request, lambda: work(service.lake))


def run_api(settings: ApiSettings) -> int:
    """Serve until a signal; the exit code. Says where, and without a token file with which token."""
    settings.check()
    host, port = settings.address
    callers = None
    fragment = ""
    if settings.tokens is None:
        token = secrets.token_urlsafe(24)
        digest = hashlib.sha256(token.encode()).hexdigest()
        callers = Callers(None, {digest: Caller("local", frozenset(ROLES))})
        fragment = f"/#token={token}"
    app = create_app(settings, callers)
    listening = _listen(host, port)
    scheme = "https" if settings.tls_cert else "http"
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Console: {scheme}://{shown}:{listening.getsockname()[1]}{fragment}\n")
    sys.stderr.write("Stop with Ctrl-C. Read-only: nothing here changes the lake.\n")
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, date_header=False,
        ssl_certfile=settings.tls_cert, ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
        h11_max_incomplete_event_size=64 * 1024, timeout_keep_alive=30,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UsageError(
            "listen-taken", f"cannot listen on {host}:{port}: {error.strerror}", "choose another address with --listen"
        ) from None
    return listening
