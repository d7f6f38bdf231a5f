"""Import against bare DuckDB: the same file, read_json with a full schema to zstd Parquet.

    python bench/import_files.py [--megabytes 500] [--rounds 3]

Prints seconds, MB/s and the ratio of medians, peak memory (largest process and all together) and bytes
per event on disk against gzip. Both sides run as processes of their own, in turn, on the same file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ("attacks.jsonl.gz", "benign.jsonl.gz", "gce.jsonl.gz")

DUCKDB = """
import duckdb, sys
con = duckdb.connect()
user = "STRUCT(username VARCHAR, uid VARCHAR, groups VARCHAR[], extra JSON)"
con.execute(f'''COPY (SELECT * FROM read_json('{sys.argv[1]}', format = 'newline_delimited',
  maximum_object_size = 134217728, columns = {{
    kind: 'VARCHAR', apiVersion: 'VARCHAR', level: 'VARCHAR', auditID: 'VARCHAR', stage: 'VARCHAR',
    requestURI: 'VARCHAR', verb: 'VARCHAR', user: '{user}', impersonatedUser: '{user}', sourceIPs: 'VARCHAR[]',
    userAgent: 'VARCHAR', objectRef: 'STRUCT(resource VARCHAR, namespace VARCHAR, name VARCHAR, uid VARCHAR,
      apiGroup VARCHAR, apiVersion VARCHAR, resourceVersion VARCHAR, subresource VARCHAR)',
    responseStatus: 'STRUCT(metadata JSON, status VARCHAR, message VARCHAR, reason VARCHAR, details JSON, code INTEGER)',
    requestObject: 'JSON', responseObject: 'JSON', requestReceivedTimestamp: 'TIMESTAMPTZ',
    stageTimestamp: 'TIMESTAMPTZ', annotations: 'JSON'}}))
  TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)''')
"""

ASHIATO = "from ashiato.cli import run; import sys; sys.exit(run(sys.argv[1:]))"


def make_log(path: Path, megabytes: int) -> int:
    """Sample events over and over, each round an hour later and with audit ids of its own; their number."""
    events = []
    for name in SAMPLES:
        with gzip.open(ROOT / "sample_logs" / name) as stream:
            events += [json.loads(line) for line in stream]
    count, size = 0, 0
    with path.open("w") as out:
        round_ = 0
        while size < megabytes * 1_000_000:
            shift = timedelta(hours=round_)
            for sample in events:
                event = dict(sample)
                for field in ("requestReceivedTimestamp", "stageTimestamp"):
                    moment = datetime.fromisoformat(event[field]) + shift
                    event[field] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                event["auditID"] = f"{event['auditID'][:-6]}{round_:06x}"
                size += out.write(json.dumps(event, separators=(",", ":")) + "\n")
                count += 1
            round_ += 1
    return count


def run(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, peak MB of the largest process, peak MB of all its processes together."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    largest = together = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal largest, together
        while not done.wait(0.25):
            sizes = [_private_mb(pid) for pid in _family(process.pid)]
            largest, together = max(largest, *sizes, 0.0), max(together, sum(sizes))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    if code:
        sys.exit(f"{' '.join(command[:3])} failed with {code}")
    return seconds, largest, together


def _family(pid: int) -> list[int]:
    found = [pid]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent in found:
                found.append(int(entry.name))
    return found


def _private_mb(pid: int) -> float:
    """Memory of a process in MB, pages it shares with others divided among them (PSS)."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="ashiato-bench-"))
    os.environ["ASHIATO_REDACTION_KEY"] = str(work / "key")
    try:
        log = work / "audit.log"
        count = make_log(log, options.megabytes)
        size = log.stat().st_size
        print(f"{count:,} events, {size / 1e6:.0f} MB, {size / count:.0f} bytes an event, {os.cpu_count()} cores")
        ours, bare = [], []
        extra = ["--workers", str(options.workers)] if options.workers is not None else []
        for _ in range(options.rounds):
            shutil.rmtree(work / "lake", ignore_errors=True)
            command = [
                sys.executable,
                "-c",
                ASHIATO,
                "import",
                str(log),
                "--lake",
                str(work / "lake"),
                "--cluster",
                "b",
            ]
            ours.append(run([*command, *extra]))
            bare.append(run([sys.executable, "-c", DUCKDB, str(log), str(work / "bare.parquet")]))
        for name, runs in (("ashiato import", ours), ("bare DuckDB", bare)):
            seconds = statistics.median(r[0] for r in runs)
            print(
                f"{name:15} {seconds:6.2f} s  {size / 1e6 / seconds:5.0f} MB/s  peak {max(r[1] for r in runs):.0f} MB "
                f"(all processes {max(r[2] for r in runs):.0f} MB)"
            )
        ratio = statistics.median(r[0] for r in ours) / statistics.median(r[0] for r in bare)
        print(f"ratio of medians {ratio:.2f} (goal: at most 1.5)")
        lake = folder_bytes(work / "lake")
        with log.open("rb") as stream, gzip.open(work / "log.gz", "wb", compresslevel=6) as out:
            shutil.copyfileobj(stream, out)
        packed = (work / "log.gz").stat().st_size
        print(
            f"on disk: lake {lake / count:.0f}, gzip -6 {packed / count:.0f} bytes an event; ratio {lake / packed:.2f}"
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
