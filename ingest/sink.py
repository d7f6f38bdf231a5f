"""Run the sink: the HTTP front, its spool, and the committer process beside it.

The front imports nothing heavy, so that it is back within half a second after a crash; the committer
(pyarrow, deltalake) follows a second later, while posts are spooled already.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ingest.credentials import CredentialSource
from ingest.listener import Server, Tls, bind, make_server
from ingest.redact import Redactor, load_redactor
from ingest.report import CommitterSettings, Report
from ingest.settings import SinkSettings
from ingest.spool import Recovered, Spool, locked, prepare, recover
from ingest.telemetry import Log, Telemetry
from ingest.webhook import Webhook
from lake.errors import AshiatoError, UsageError

HOUSEKEEPING_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0
_SETTLED_SECONDS = 60.0
# The committer must be of this very installation, whatever folder the sink was started in.
_HOME = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a sink listens, once it does; ``port`` is the real one. ``text`` is the block for people."""

    url: str
    port: int
    text: str


class CommitterProcess:
    """Starts the committer, starts it again when it dies, and counts what it reports."""

    def __init__(self, settings: SinkSettings, recovered: Recovered, telemetry: Telemetry, log: Log) -> None:
        self._settings = settings
        self._recovered = frozenset(recovered.names)
        self._telemetry = telemetry
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        # Segments of the last report. They are in the lake; a committer that died before it removed them
        # must not count them twice.
        self._reported: list[str] = []
        self.was_ready = False
        self.error: str | None = None
        self.fatal: AshiatoError | None = None

    async def supervise(self, give_up: Callable[[], None]) -> None:
        """Keep one committer running until ``stop``; ``give_up()`` when it reports that it never can."""
        pause = _SHORTEST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            code: int | str
            try:
                code = await self._run_once()
            except OSError as error:
                code = str(error)
            self._telemetry.committer_up.set(0)
            if self.fatal is not None:
                give_up()
                return
            if self._stopping:
                return
            if time.monotonic() - began > _SETTLED_SECONDS:
                pause = _SHORTEST_PAUSE_SECONDS
            self.error = f"the committer ended with {code}, see the log"
            self._telemetry.committer_restarts.inc()
            self._log("error", "committer_died", exit_code=code, restart_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)

    async def _run_once(self) -> int:
        settings = self._settings
        inherited = os.environ.get("PYTHONPATH")
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "ingest.committer",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=16 << 20,
            env={**os.environ, "PYTHONPATH": f"{_HOME}{os.pathsep}{inherited}" if inherited else _HOME},
        )
        self._log("info", "committer_started", pid=process.pid)
        first = CommitterSettings(
            lake=settings.lake,
            spool=str(settings.spool),
            redaction_key_file=str(settings.redaction_key_file) if settings.redaction_key_file else None,
            recovered_until=max(self._recovered, default=""),
            done=self._reported,
        )
        self._tell(msgspec.json.encode(first))
        if process.stdout is not None:
            async for line in process.stdout:
                self._take(msgspec.json.decode(line, type=Report))
        return await process.wait()

    def _take(self, report: Report) -> None:
        telemetry = self._telemetry
        if report.kind == "ready":
            self.was_ready = True
            self.error = None
            telemetry.committer_up.set(1)
        elif report.kind == "committed":
            self.error = None
            self._reported = report.segments
            telemetry.commits.labels("committed").inc()
            telemetry.commit_seconds.observe(report.seconds)
            telemetry.spool_corrupt.inc(len(report.damaged))
            recovered = all(name in self._recovered for name in report.segments)
            for cluster, counts in report.clusters.items():
                label = telemetry.label(cluster)
                telemetry.events_written.labels(label).inc(counts.written)
                telemetry.events_duplicate.labels(label).inc(counts.duplicates)
                telemetry.events_quarantined.labels(label).inc(counts.quarantined)
                if recovered:
                    telemetry.events_recovered.labels(label).inc(counts.received)
                else:
                    telemetry.spool_events.dec(counts.received)
        elif report.kind == "failed":
            self.error = f"{report.message} [{report.code}]"
            telemetry.commits.labels("failed").inc()
        elif report.kind == "fatal":
            self.fatal = UsageError(report.code, report.message, report.hint)

    def _tell(self, line: bytes) -> None:
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            with suppress(OSError, RuntimeError):
                process.stdin.write(line + b"\n")

    def sealed(self) -> None:
        """There is work."""
        self._tell(b"sealed")

    async def stop(self, seconds: float) -> bool:
        """Let it finish what is spooled, at most so long; True when it did."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return False
        self._tell(b"stop")
        try:
            async with asyncio.timeout(seconds):
                return await process.wait() == 0
        except TimeoutError:
            # What it has not committed stays in the spool.
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return False


class _Sink:
    """One running sink: its parts, and the order in which they start and stop."""

    def __init__(self, settings: SinkSettings, redactor: Redactor, log: Log) -> None:
        self._settings = settings
        self._redactor = redactor
        self._log = log
        self._telemetry = Telemetry()
        self._credentials = CredentialSource(settings.tokens, settings.client_ca is not None, settings.cluster)
        self._tls: Tls | None = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            self._tls = Tls(settings.tls_cert, settings.tls_key, settings.client_ca)
        self._stopping = False

    async def run(self, listener: socket.socket, on_listening: Callable[[Listening], None]) -> int:
        """Serve until a signal; the spool's lock is held by the caller."""
        settings, log, telemetry = self._settings, self._log, self._telemetry
        recovered = recover(settings.spool)
        log(
            "info",
            "spool_opened",
            segments=len(recovered.names),
            bytes=recovered.bytes,
            torn_bytes=recovered.torn_bytes,
            damaged=recovered.damaged,
        )
        telemetry.spool_corrupt.inc(recovered.damaged)
        loop = asyncio.get_running_loop()
        committer = CommitterProcess(settings, recovered, telemetry, log)

        def on_error(error: OSError) -> None:
            telemetry.spool_errors.inc()
            log.seldom("error", "spool_write_failed", error=error.strerror or repr(error))

        def on_sealed() -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(committer.sealed)

        spool = Spool(
            settings.spool,
            flush_seconds=settings.flush_seconds,
            flush_bytes=settings.flush_bytes,
            max_bytes=settings.max_spool_bytes,
            min_free_bytes=settings.min_free_bytes,
            on_sealed=on_sealed,
            on_written=telemetry.fsync_seconds.observe,
            on_error=on_error,
        )

        def readiness() -> dict[str, Any]:
            return self._readiness(spool, committer)

        app = Webhook(settings, spool, self._redactor, lambda: self._credentials.current, telemetry, log, readiness)
        server = make_server(app, settings, self._tls, telemetry, log)

        def stop() -> None:
            self._stopping = True
            # Asked twice, nobody is waited for.
            server.force_exit = server.should_exit
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        tasks = [
            loop.create_task(committer.supervise(stop)),
            loop.create_task(self._keep_house(spool)),
            loop.create_task(self._announce(server, listener, recovered, on_listening)),
        ]
        # What is alive now stays alive: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        await server.serve(sockets=[listener])
        self._stopping = True
        log("info", "stopping", drain_seconds=settings.drain_seconds)
        await asyncio.to_thread(spool.close)
        drained = committer.fatal is None and await committer.stop(0.0 if server.force_exit else settings.drain_seconds)
        app.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left = spool.waiting()
        log("info", "stopped", drained=drained, segments_left=left.segments, bytes_left=left.bytes)
        if committer.fatal is not None:
            raise committer.fatal
        return 0

    async def _announce(
        self, server: Server, listener: socket.socket, recovered: Recovered, on_listening: Callable[[Listening], None]
    ) -> None:
        settings = self._settings
        await server.answering.wait()
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{'https' if settings.tls else 'http'}://{host}:{port}"
        if settings.port_file is not None:
            temporary = settings.port_file.with_name(settings.port_file.name + ".new")
            temporary.write_text(f"{port}\n")
            temporary.replace(settings.port_file)
        self._log("info", "listening", url=url)
        on_listening(Listening(url, port, self._introduction(url, recovered)))

    def _introduction(self, url: str, recovered: Recovered) -> str:
        settings, credentials = self._settings, self._credentials.current
        writers: list[str] = []
        if credentials.open_to_all:
            writers.append("anyone on this machine (--insecure), for any cluster")
        if credentials.tokens_known:
            writers.append("bearer tokens of " + ", ".join(sorted(set(credentials.digests.values()))))
        if credentials.certificates_known:
            names = sorted(set(credentials.common_names.values()))
            writers.append("client certificates" + (f" of {', '.join(names)}" if names else ""))
        waiting = f" ({len(recovered.names)} segments of an earlier run go first)" if recovered.names else ""
        more = "" if credentials.open_to_all else " with your credential"
        return (
            f"ashiato sink listening on {url}\n"
            f"  events    POST {url}/audit or {url}/audit/CLUSTER\n"
            f"  writers   {'; '.join(writers)}\n"
            f"  lake      {settings.lake}\n"
            f"  spool     {settings.spool}{waiting}\n"
            f"  state     {url}/readyz and {url}/metrics\n"
            f"  try       ashiato doctor --sink {url}{more}\n"
        )

    def _readiness(self, spool: Spool, committer: CommitterProcess) -> dict[str, Any]:
        """Whether a post would be stored.

        A lake that is away is ``degraded`` only, as long as the spool has room: taken out of service,
        the sink would lose what it can still keep.
        """
        waiting = spool.waiting()
        reasons: list[str] = []
        degraded: list[str] = []
        if self._stopping:
            reasons.append("the sink is stopping")
        refusal = spool.refusal()
        if refusal is not None:
            reasons.append(refusal)
        if committer.error is not None:
            # One that never once reached its lake is misconfigured: a roll-out shall stop here.
            (degraded if committer.was_ready else reasons).append(f"the lake refuses: {committer.error}")
        age = time.time() - waiting.oldest_at if waiting.oldest_at is not None else 0.0
        if age > max(60.0, 10 * self._settings.flush_seconds):
            degraded.append(f"the oldest post has waited {age:.0f} s for the lake")
        return {
            "ready": not reasons,
            "reasons": reasons,
            "degraded": degraded,
            "spool": {"segments": waiting.segments, "bytes": waiting.bytes, "oldest_age_seconds": round(age, 3)},
        }

    async def _keep_house(self, spool: Spool) -> None:
        telemetry, log = self._telemetry, self._log
        while True:
            try:
                waiting = spool.waiting()
                telemetry.spool_bytes.set(waiting.bytes)
                telemetry.spool_segments.set(waiting.segments)
                age = time.time() - waiting.oldest_at if waiting.oldest_at is not None else 0.0
                telemetry.spool_oldest_age_seconds.set(max(0.0, age))
                problem = await asyncio.to_thread(spool.probe)
                if problem is not None:
                    log.seldom("error", "spool_not_writable", reason=problem)
                self._reload()
            except Exception as error:  # noqa: BLE001 - housekeeping goes on
                log.seldom("error", "housekeeping_failed", error=repr(error))
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    def _reload(self) -> None:
        """Take changed credential and certificate files into use; broken ones are said and change nothing."""
        for reload, what in (
            (self._credentials.reload, "credentials"),
            (self._tls.reload if self._tls is not None else lambda: False, "certificate"),
        ):
            try:
                if reload():
                    self._telemetry.credentials_reloads.labels("taken").inc()
                    self._telemetry.credentials_current.set(1)
                    self._log("info", f"{what}_reloaded", clusters=self._credentials.current.clusters())
            except UsageError as error:
                self._telemetry.credentials_reloads.labels("broken").inc()
                self._telemetry.credentials_current.set(0)
                self._log("error", f"{what}_broken", code=error.code, error=error.message, effect="the old ones hold")


def _print_introduction(listening: Listening) -> None:
    print(listening.text, flush=True)  # noqa: T201 - this is what a person waits for


def run_sink(settings: SinkSettings, on_listening: Callable[[Listening], None] = _print_introduction) -> int:
    """Run until SIGTERM or SIGINT; 0: everything acknowledged is in the lake or in the spool.

    ``on_listening`` is called once, when posts are answered. Raises UsageError for settings that do not fit
    together, AshiatoError when the sink cannot start.
    """
    settings.check()
    log = Log()
    sink = _Sink(settings, load_redactor(settings.redaction_key_file), log)
    prepare(settings.spool)
    with locked(settings.spool, "sink.lock", lambda: False):
        listener = bind(settings.host, settings.port)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(sink.run(listener, on_listening))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
