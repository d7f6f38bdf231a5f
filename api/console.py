"""The console: one page, its script and its style, served as they are."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from api.errors import ApiError

FOLDER = Path(__file__).parent / "console"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/")
async def page() -> Response:
    """The console's page."""
    return _file("index.html")


@router.get("/console/{name}")
async def asset(name: str) -> Response:
    """A file of the console."""
    return _file(name)


def _file(name: str) -> Response:
    path = FOLDER / name
    if path.parent != FOLDER or path.suffix not in _TYPES or not path.is_file():
        raise ApiError(404, "not-found", "the console has no such file", "begin at /")
    return FileResponse(path, media_type=_TYPES[path.suffix])
