"""One error shape everywhere: {"error": {"code", "message", "hint"}}."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lake.errors import AshiatoError, NothingToRead, UsageError


class ApiError(Exception):
    """An answer that is an error: the HTTP status, a stable code, what is wrong, and what now."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.headers = status, code, message, hint, headers or {}


def answer(status: int, code: str, message: str, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """The one shape."""
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, status, headers)


def install(app: FastAPI) -> None:
    """Turn every exception into the one shape; no traceback reaches a caller."""

    @app.exception_handler(ApiError)
    async def _own(request: Request, error: ApiError) -> JSONResponse:  # noqa: ARG001 - starlette's signature
        return answer(error.status, error.code, error.message, error.hint, error.headers)

    @app.exception_handler(AshiatoError)
    async def _ashiato(request: Request, error: AshiatoError) -> JSONResponse:  # noqa: ARG001 - starlette's signature
        status = 400 if isinstance(error, UsageError) else 404 if isinstance(error, NothingToRead) else 500
        return answer(status, error.code, error.message, error.hint or "")

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:  # noqa: ARG001 - starlette's signature
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'][1:]) or 'body'}: {e['msg']}" for e in error.errors()
        )
        return answer(400, "request-invalid", problems, "see /openapi.json")

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
        return answer(
            error.status_code, code, f"{error.detail}: {request.method} {request.url.path}", "see /openapi.json",
            dict(error.headers or {}),
        )  # fmt: skip

    @app.exception_handler(Exception)
    async def _broken(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - starlette's signature
        return answer(500, "internal-error", f"{type(error).__name__} while answering", "the server's log says more")
