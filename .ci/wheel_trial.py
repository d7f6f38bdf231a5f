"""Use the installed wheel where no source is in reach: import sample logs, judge them, read the answer.

Run by .ci/try_wheel with the environment's own interpreter, isolated (-I); the argument is the source tree,
which nothing may come from.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(sys.argv[1]).resolve()
PROGRAM = str(Path(sys.executable).parent / "ashiato")
EXPECTED = {"anonymous-write", "secrets-listed-cluster-wide", "admin-role-bound"}


def ashiato(*arguments: str) -> str:
    """Standard output of one command; stops the trial when the command fails."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ashiato {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}"
    return done.stdout


for name in ("ashiato", "api", "detections", "ingest", "lake"):
    where = Path(importlib.import_module(name).__file__ or "").resolve()
    assert SOURCE not in where.parents, f"{name} comes from the source tree: {where}"

import ashiato as facade  # noqa: E402  (after the check above)

logs = Path(facade.__file__).parent / "sample_logs"
assert (logs / "attacks.jsonl.gz").is_file(), f"the wheel lacks the sample logs: {logs}"

with tempfile.TemporaryDirectory() as folder:
    lake = f"{folder}/lake"
    ashiato("import", str(logs / "attacks.jsonl.gz"), "--lake", lake, "--cluster", "trial")
    run = json.loads(ashiato("detect", "--lake", lake, "--format", "json"))
    html = ashiato("detect", "--lake", lake, "--format", "html")

assert not run["failed"], run["failed"]
rules = {finding["rule_id"] for finding in run["findings"]}
assert rules >= EXPECTED, f"missing: {sorted(EXPECTED - rules)}"
assert html.lstrip().lower().startswith("<!doctype html>"), html[:80]
print(f"the installed wheel works: {len(run['findings'])} findings by {len(rules)} rules")
