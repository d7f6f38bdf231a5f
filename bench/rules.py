"""The whole rule pack over one and ten million events, and over 4,000 new ones.

    python bench/rules.py [--million 1 10] [--rounds 3] [--keep FOLDER]

The lakes are built from the sample captures by a seeded generator that keeps their shapes: the quiet day
over and over through thirty days, with names of its own in each copy, and one copy of the attacks in two
hundred. Prints seconds, findings and peak memory of a run in a process of its own on two threads, the
growth between the sizes, the share of the slowest rules, and how long judging 4,000 new events takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_logs"
DAYS = 30
ATTACKS_ONE_IN = 200
SEED = 20261123

# One copy: its own time, its own ids, and names that tell it from other copies where the cluster would have
# made new ones (pods, their owners, what people create); principals, addresses and namespaces stay.
COPY = """
SELECT * REPLACE (
    md5(event_id || $copy) || md5($copy || event_id) AS event_id,
    md5(audit_id || $copy) AS audit_id,
    request_received_at + to_seconds($shift) AS request_received_at,
    stage_at + to_seconds($shift) AS stage_at,
    CASE WHEN resource IN ('pods', 'replicasets', 'events', 'endpointslices', 'jobs', 'serviceaccounts') THEN name || '-' || $copy ELSE name END AS name,
    CASE WHEN credential_id IS NULL THEN NULL ELSE md5(credential_id || ($copy::INTEGER // 20)) END AS credential_id,
    'bench' AS cluster,
    ((stage_at + to_seconds($shift)) AT TIME ZONE 'UTC')::DATE AS date
)
FROM source
"""

RUN = """
import json, resource, sys, time
from pathlib import Path
from detections.catalog import load_catalog
from detections.engine import detect
from lake.delta import Lake
lake = Lake.open(Path(sys.argv[1]))
began = time.perf_counter()
run = detect(lake, load_catalog(), threads=2)
print(json.dumps({"seconds": time.perf_counter() - began, "findings": len(run.findings), "failed": [f.rule_id + f.error for f in run.failed],
    "skipped": len(run.skipped), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "timings": run.timings}))
"""

NEW = """
import json, sys, time
from pathlib import Path
from detections.catalog import load_catalog
from detections.incremental import detect_new
from lake.delta import Lake
lake = Lake.open(Path(sys.argv[1]))
began = time.perf_counter()
run, stored = detect_new(lake, load_catalog())
print(json.dumps({"seconds": time.perf_counter() - began, "findings": len(run.findings), "new": stored.new}))
"""


def captures(folder: Path) -> dict[str, object]:
    """The quiet day without its set-up and the attacks, as tables of the lake's columns."""
    import gzip

    from ingest.importer import import_files
    from ingest.redact import Redactor
    from lake.delta import Lake
    from lake.query import connect

    truth = [json.loads(line) for line in (SAMPLES / "truth.jsonl").read_text().splitlines()]
    setup = next(e["end"] for e in truth if e["capture"] == "benign" and e["technique"] == "setup")
    quiet = folder / "quiet.jsonl"
    with gzip.open(SAMPLES / "benign.jsonl.gz", "rt") as lines, quiet.open("w") as out:
        out.writelines(line for line in lines if json.loads(line)["requestReceivedTimestamp"] >= setup)
    tables: dict[str, object] = {}
    for name, path in (("quiet", quiet), ("attacks", SAMPLES / "attacks.jsonl.gz")):
        lake = Lake.open(folder / name, create=True)
        import_files(lake, [str(path)], name, Redactor(b"b" * 32), workers=0)
        with connect(lake) as con:
            tables[name] = con.execute("SELECT * FROM events").to_arrow_table()
    return tables


def make_lake(folder: Path, events: int, tables: dict[str, object]) -> int:
    """A compacted lake of about *events* events through thirty days; the number it has."""
    from datetime import UTC, datetime

    import duckdb

    from lake.delta import Lake

    choose = random.Random(SEED)
    lake = Lake.open(folder, create=True)
    con = duckdb.connect()
    quiet, attacks = tables["quiet"], tables["attacks"]
    rows = quiet.num_rows  # type: ignore[attr-defined]
    copies = max(1, events // rows)
    step = DAYS * 86400 / copies
    made = 0
    begin = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    batch = []
    for copy in range(copies):
        source = attacks if choose.randrange(ATTACKS_ONE_IN) == 0 else quiet
        con.register("source", source)
        starts = con.execute("SELECT epoch(min(stage_at)) FROM source").fetchall()[0][0]
        shift = begin + copy * step - float(starts)
        batch.append(con.execute(COPY, {"copy": str(copy), "shift": shift}).to_arrow_table())
        made += batch[-1].num_rows
        if sum(table.num_rows for table in batch) > 400_000 or copy == copies - 1:
            import pyarrow as pa

            lake.append("events", pa.concat_tables(batch))
            batch = []
    return made


def run(code: str, folder: Path) -> dict[str, object]:
    """What a process of its own prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the lakes here, and use those that are there")
    options = parser.parse_args()
    work = options.keep or Path(tempfile.mkdtemp(prefix="ashiato-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        seconds = {}
        for million in options.million:
            folder = work / f"lake-{million:g}m"
            if not folder.exists():
                with tempfile.TemporaryDirectory() as scratch:
                    made = make_lake(folder, int(million * 1_000_000), captures(Path(scratch)))
                print(f"{folder.name}: {made:,} events made")
            runs = [run(RUN, folder) for _ in range(options.rounds)]
            middle = sorted(runs, key=lambda r: float(str(r["seconds"])))[len(runs) // 2]
            seconds[million] = statistics.median(float(str(r["seconds"])) for r in runs)
            print(
                f"{million:g} million events: {seconds[million]:.2f} s, {middle['findings']} findings, "
                f"peak {float(str(middle['peak_mb'])):.0f} MB, failed {middle['failed']}"
            )
            timings: dict[str, float] = middle["timings"]  # type: ignore[assignment]
            whole = sum(timings.values())
            for name, spent in sorted(timings.items(), key=lambda item: -item[1])[:12]:
                print(f"    {spent:6.2f} s {spent / whole:6.1%}  {name}")
        if len(seconds) > 1:
            small, large = min(seconds), max(seconds)
            print(f"{large / small:g} times the events took {seconds[large] / seconds[small]:.1f} times as long")
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    main()
