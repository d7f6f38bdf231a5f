"""Nobody takes all there is: requests per caller and second, queries at a time, seconds and memory of each."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from typing import TypeVar

import duckdb
from starlette.requests import Request

from api.errors import ApiError
from api.settings import ApiSettings
from lake.query import Limits, limited

T = TypeVar("T")
_BURST_SECONDS = 3
_LOOK_SECONDS = 0.1
_MOST_BUCKETS = 10_000


class RateLimit:
    """A bucket per caller: *per_second* requests, bursts of three seconds' worth."""

    def __init__(self, per_second: float) -> None:
        self._rate, self._size = per_second, per_second * _BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Count one request; ApiError 429 where the bucket is empty."""
        now = time.monotonic()
        left, since = self._buckets.get(caller, (self._size, now))
        left = min(self._size, left + (now - since) * self._rate)
        if left < 1:
            self._buckets[caller] = (left, now)
            raise ApiError(
                429,
                "rate-limited",
                "too many requests",
                f"wait a second; {self._rate:g} a second are allowed",
                {"Retry-After": "1"},
            )
        if len(self._buckets) >= _MOST_BUCKETS:
            self._buckets.clear()
        self._buckets[caller] = (left - 1, now)


class Queries:
    """Runs blocking work on the lake in threads, a few at a time, stopped when its time is up or nobody waits."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.concurrent_queries)

    async def run(self, request: Request, work: Callable[[], T]) -> T:
        """What *work* returns; ApiError 503 when no slot gets free, 408 when it takes too long, 413 for memory."""
        settings = self._settings
        try:
            await asyncio.wait_for(self._slots.acquire(), settings.query_seconds)
        except TimeoutError:
            raise ApiError(
                503, "busy", "every query slot is taken", "try again in a moment", {"Retry-After": "2"}
            ) from None
        limits = Limits(settings.memory_limit, settings.threads)
        context = contextvars.copy_context()

        def job() -> T:
            with limited(limits):
                return work()

        task = asyncio.get_running_loop().run_in_executor(None, context.run, job)
        why = ""
        try:
            ends = time.monotonic() + settings.query_seconds
            while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
                if not why and time.monotonic() > ends:
                    why = "time"
                elif not why and await request.is_disconnected():
                    why = "left"
                if why:
                    limits.interrupt()
            return task.result()
        except duckdb.InterruptException:
            raise _stopped(why, settings) from None
        except duckdb.OutOfMemoryException:
            raise ApiError(
                413,
                "memory-limit",
                f"the query needs more than {settings.memory_limit}",
                "narrow the time range, or aggregate",
            ) from None
        except Exception as error:
            # select() turns every DuckDB error into a UsageError; the reason is what we did.
            if why:
                raise _stopped(why, settings) from None
            if "Out of Memory" in str(error):
                raise ApiError(
                    413,
                    "memory-limit",
                    f"the query needs more than {settings.memory_limit}",
                    "narrow the time range, or aggregate",
                ) from None
            raise
        finally:
            self._slots.release()


def _stopped(why: str, settings: ApiSettings) -> ApiError:
    if why == "left":
        return ApiError(499, "client-left", "the client closed the connection", "")
    return ApiError(
        408,
        "time-limit",
        f"stopped after {settings.query_seconds:g} s",
        "narrow the time range, or filter by resource or cluster",
    )
