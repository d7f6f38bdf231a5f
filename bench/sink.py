"""How much the sink takes, and how fast it acknowledges: loopback, real HTTP, a load process of its own.

    python bench/sink.py [--rates 4000,20000] [--seconds 10] [--rounds 1]

Events are those of sample_logs/ with new audit ids and the present time, in EventLists of 400, offered on
a fixed schedule over up to 20 connections. An acknowledgement's latency counts from the moment its post
was due, so a sink that falls behind cannot hide it. Everything runs on this machine: the load process
takes its share of the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

BATCH = 400
CONNECTIONS = 20
SAMPLES = Path(__file__).resolve().parent.parent / "sample_logs"
AUDIT_ID = re.compile(rb'"auditID":"([0-9a-f-]{36})"')
TIMES = re.compile(rb'"(?:requestReceivedTimestamp|stageTimestamp)":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z"')


class Template:
    """A body whose audit ids and times can be renewed in place, cheaply."""

    def __init__(self, events: list[bytes]) -> None:
        items = []
        for event in events:
            members = msgspec.json.decode(event, type=dict[str, msgspec.Raw])
            members.pop("kind", None)
            members.pop("apiVersion", None)
            items.append(msgspec.json.encode(members))
        head = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
        self.body = bytearray(head + b",".join(items) + b"]}\n")
        position = len(head)
        self.ids: list[int] = []
        self.times: list[int] = []
        for item in items:
            found = AUDIT_ID.search(item)
            if found:
                self.ids.append(position + found.start(1))
            self.times += [position + match.start(1) for match in TIMES.finditer(item)]
            position += len(item) + 1

    def renew(self, serial: int) -> bytes:
        body = self.body
        for index, start in enumerate(self.ids):
            body[start : start + 36] = b"%08x-0000-4000-8000-%012x" % (serial, index)
        now = datetime.now(UTC)
        stamp = b""
        for index, start in enumerate(self.times):
            if index % 64 == 0:
                stamp = (now + timedelta(microseconds=index)).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
            body[start : start + 26] = stamp
        return bytes(body)


def templates(limit_events: int | None = None) -> list[Template]:
    lines: list[bytes] = []
    for name in ("benign.jsonl.gz", "attacks.jsonl.gz"):
        lines += gzip.decompress((SAMPLES / name).read_bytes()).splitlines()
    lines = [line for line in lines if len(TIMES.findall(line)) == 2 and AUDIT_ID.search(line)]
    if limit_events is not None:
        lines = lines[:limit_events]
    return [Template(lines[n : n + BATCH]) for n in range(0, len(lines) - BATCH + 1, BATCH)]


# --- the load process ------------------------------------------------------------------------------


async def _load(port: int, rate: float, seconds: float, serial: int) -> dict:
    ready = templates()
    interval = BATCH / rate
    count = int(seconds / interval)
    idle: asyncio.Queue = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    sent_bytes = 0

    async def post(due: float, body: bytes) -> None:
        nonlocal sent_bytes
        reader, writer = connection = await idle.get()
        writer.write(
            b"POST /audit/bench?timeout=30s HTTP/1.1\r\nHost: bench\r\nUser-Agent: Go-http-client/1.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE).group(1))
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - due)
        status = int(head.split()[1])
        statuses[status] = statuses.get(status, 0) + 1
        sent_bytes += len(body)
        idle.put_nowait(connection)

    began = time.perf_counter() + 0.1
    tasks = []
    for number in range(count):
        due = began + number * interval
        body = ready[number % len(ready)].renew(serial + number)
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(post(due, body)))
        while len(tasks) > 2000:
            await tasks.pop(0)
    await asyncio.gather(*tasks)
    elapsed = time.perf_counter() - began
    return {
        "posts": count,
        "events": count * BATCH,
        "acknowledged": statuses.get(200, 0) * BATCH,
        "statuses": statuses,
        "seconds": elapsed,
        "bytes": sent_bytes,
        "latencies": sorted(latencies),
    }


def load_main(arguments: argparse.Namespace) -> None:
    import uvloop

    result = uvloop.run(_load(arguments.port, arguments.rate, arguments.seconds, arguments.serial))
    json.dump(result, sys.stdout)


# --- the measuring process -------------------------------------------------------------------------


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def metric(text: str, name: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def bytes_per_event(folder: Path) -> float:
    """Of the lake after every sample event was posted once, in one commit as the sink makes it."""
    from ingest.committer import Committer
    from ingest.intake import take
    from ingest.redact import Redactor
    from ingest.spool import frame, prepare, sealed_segments, segment_head
    from ingest.telemetry import Log
    from lake.delta import Lake

    prepare(folder / "spool")
    redactor, head = Redactor(bytes(32)), segment_head()
    segment, bodies = [head], [template.renew(number) for number, template in enumerate(templates())]
    for body in bodies:
        record = take(body, "bench", time.time_ns() // 1000, redactor).record
        segment += [frame(head, record), record]
    (folder / "spool" / "segment-0000000000000001-0000.sealed").write_bytes(b"".join(segment))
    lake = Lake.open(folder / "lake", create=True)
    Committer(lake, folder / "spool", redactor, Log()).commit(sealed_segments(folder / "spool"))
    files = lake.files()
    return sum(file.size_bytes for file in files) / sum(file.rows for file in files)


def run(rate: float, seconds: float, folder: Path) -> dict:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "sink.log").open("wb")
    code = (
        "import sys; sys.setswitchinterval(0.001); from pathlib import Path; from ingest.settings import SinkSettings; from ingest.sink import run_sink;"
        "f = Path(sys.argv[1]); sys.exit(run_sink(SinkSettings(lake=str(f / 'lake'), spool=f / 'spool', insecure=True,"
        "listen='127.0.0.1:' + sys.argv[2], redaction_key_file=f / 'key')))"
    )
    sink = subprocess.Popen([sys.executable, "-c", code, str(folder), str(port)], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                if metric(metrics(port), "ashiato_committer_up"):
                    break
            except OSError:
                pass
            time.sleep(0.1)
        committer = int(re.findall(rb'"committer_started", "pid": (\d+)', (folder / "sink.log").read_bytes())[-1])
        command = [sys.executable, __file__, "--load", "--port", str(port), "--rate", str(rate)]
        command += ["--seconds", str(seconds), "--serial", "1"]
        cpu = cpu_seconds(sink.pid), cpu_seconds(committer)
        began = time.monotonic()
        result = json.loads(
            subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds * 10 + 60).stdout
        )
        while time.monotonic() < began + seconds * 10 + 60:
            text = metrics(port)
            if metric(text, "ashiato_spool_events") == 0:
                break
            time.sleep(0.1)
        result["drained_after"] = time.monotonic() - began - result["seconds"]
        result["written"] = metric(text, "ashiato_events_written_total")
        result["fsyncs"] = metric(text, "ashiato_fsync_seconds_count")
        result["fsync_mean"] = metric(text, "ashiato_fsync_seconds_sum") / max(1, result["fsyncs"])
        result["commit_seconds"] = metric(text, "ashiato_commit_seconds_sum")
        result["front_mb"], result["committer_mb"] = peak_mb(sink.pid), peak_mb(committer)
        result["front_cpu"] = cpu_seconds(sink.pid) - cpu[0]
        result["committer_cpu"] = cpu_seconds(committer) - cpu[1]
    finally:
        sink.send_signal(signal.SIGTERM)
        sink.wait(60)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="4000,20000")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="where to put lake and spool (default: temporary)")
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--serial", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        load_main(arguments)
        return
    body = b"\n".join(template.renew(7) for template in templates())
    count = len(templates()) * BATCH
    gzipped = len(gzip.compress(body, 6)) / count
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        stored = bytes_per_event(Path(folder))
    print(f"{os.cpu_count()} cores, shared by sink, committer and load; {BATCH} events a post")
    print(
        f"bytes an event: JSON {len(body) / count:,.0f}, gzip -6 {gzipped:.0f}, lake {stored:.0f} "
        f"({stored / gzipped:.2f} of gzip; {count:,} different events)"
    )
    print(
        f"{'offered/s':>9} {'acked/s':>8} {'ratio':>5} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7} {'committed':>10} {'ratio':>5} "
        f"{'commit/s':>9} {'lag s':>6} {'front':>6} {'cores':>5} {'commit.':>7} {'cores':>5} {'fsync ms':>8}"
    )
    for rate in (float(part) for part in arguments.rates.split(",")):
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                result = run(rate, arguments.seconds, Path(folder))
            latencies = result["latencies"]
            acked = result["acknowledged"] / result["seconds"]
            print(
                f"{rate:>9,.0f} {acked:>8,.0f} {acked / rate:>5.2f} {latencies[len(latencies) // 2] * 1e3:>7.1f} "
                f"{latencies[int(len(latencies) * 0.99)] * 1e3:>7.1f} {latencies[-1] * 1e3:>7.1f} "
                f"{result['written']:>10,.0f} {result['written'] / result['events']:>5.2f} "
                f"{result['written'] / result['commit_seconds']:>9,.0f} {result['drained_after']:>6.1f} "
                f"{result['front_mb']:>3.0f} MB {result['front_cpu'] / result['seconds']:>5.2f} "
                f"{result['committer_mb']:>4.0f} MB {result['committer_cpu'] / result['seconds']:>5.2f} "
                f"{result['fsync_mean'] * 1e3:>8.1f}",
                flush=True,
            )
            if set(result["statuses"]) != {"200"}:
                print(f"{'':>9} answers: {result['statuses']}")
    print(
        "committed: events in the lake in the end, of those offered; commit/s: events per second of committing;\n"
        "lag: from the last acknowledgement until all is in the lake (a segment waits up to flush_seconds, 5);\n"
        "front, commit.: peak memory of the two processes, and the cores they used while the load ran"
    )


if __name__ == "__main__":
    main()
