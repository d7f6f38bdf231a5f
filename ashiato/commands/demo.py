"""The demo: from a kube-apiserver's posts to a report, on this machine, in a minute."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from lake.errors import AshiatoError, UsageError

MARKER = ".ashiato-demo"
CAPTURES = (("attacked", "attacks.jsonl.gz"), ("quiet", "benign.jsonl.gz"))
_START_SECONDS = 30
_COMMIT_SECONDS = 120


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ashiato-demo"),
    show_default=True,
    help="Where the demo's lake and report go; made anew each time.",
)
def demo(folder: Path) -> int:
    """See real findings: two captures of a real kube-apiserver, one with known attacks, one of a quiet day.

    Starts the sink on loopback, posts the events to it as a kube-apiserver does, waits until they are in the lake,
    runs the rules, prints what they found and writes report.html.
    """
    from ashiato import judge
    from detections.incremental import store
    from detections.reports import text
    from detections.reports.wording import counts
    from lake.delta import Lake
    from lake.timerange import TimeRange

    samples = _samples()
    _prepare(folder)
    os.environ["ASHIATO_REDACTION_KEY"] = str(folder / "redaction.key")
    lake_folder, report_file = folder / "lake", folder / "report.html"
    with _Sink(folder) as port:
        _say(f"1  sink on http://127.0.0.1:{port}, spool and lake in {folder}/")
        total = 0
        for cluster, name in CAPTURES:
            posted = _post(port, cluster, samples / name)
            total += posted
            _say(
                f"2  posted {posted:,} events of cluster {cluster!r}, EventLists of up to 400, each acknowledged after fsync"
            )
        seconds = _wait(port, total)
        _say(f"3  all {total:,} in the lake {seconds:.1f} s later")
    lake = Lake.open(lake_folder)
    run = judge.judge(lake, judge.rules(), TimeRange())
    _say(f"4  {len(run.rules)} rules judged them in {run.seconds:.1f} s\n")
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    # The worst in full; hundreds of lines more are for the page.
    worst = replace(run, findings=[finding for finding in run.findings if finding.severity == "critical"], skipped=[])
    click.echo(text.render(worst, width=width, colour=sys.stdout.isatty()))
    click.echo(
        f"Besides these          {', '.join(f'{count} {name}' for name, count in counts(run) if name != 'critical')}"
    )
    store(lake, run.findings)
    report_file.write_text(judge.report(run, "html"))
    click.echo(f"All of it as a page    {report_file}")
    click.echo(f"The lake               {lake_folder}\n")
    click.echo("What to type next")
    program = "ashiato" if shutil.which("ashiato") else ".venv/bin/ashiato"
    for line in (
        f"{program} api --lake {lake_folder}          # the console",
        f"{program} risk --lake {lake_folder}",
        f"{program} timeline --lake {lake_folder} --user mallory --findings",
        f"{program} detect --lake {lake_folder} --cluster quiet",
        f'{program} sql --lake {lake_folder} "SELECT user_name, count(*) AS n FROM requests GROUP BY ALL ORDER BY n DESC LIMIT 10"',
    ):
        click.echo(f"  {line}")
    return 0


def _say(line: str) -> None:
    click.echo(line)


def _samples() -> Path:
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "sample_logs", package.parent / "sample_logs"):
        if (folder / CAPTURES[0][1]).is_file():
            return folder
    raise AshiatoError(
        "samples-missing", "the sample logs are not installed", "reinstall ashiato, or run from a source checkout"
    )


def _prepare(folder: Path) -> None:
    """An empty folder that is the demo's own; never anybody else's."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise UsageError(
            "demo-folder-taken", f"{folder} holds something that is not the demo's", "choose another: --folder DIR"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


class _Sink:
    """A sink as a process of its own, as in real life; stopped gracefully at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> int:
        self._log = tempfile.TemporaryFile()
        port_file = self._folder / "port"
        command = [
            sys.executable,
            "-m",
            "ashiato",
            "sink",
            "--insecure",
            "--listen",
            "127.0.0.1:0",
            "--flush-seconds",
            "1",
        ]
        command += [
            "--lake",
            str(self._folder / "lake"),
            "--spool",
            str(self._folder / "spool"),
            "--port-file",
            str(port_file),
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL)
        started = time.monotonic()
        while time.monotonic() - started < _START_SECONDS and self._process.poll() is None:
            if port_file.exists() and port_file.read_text().strip():
                return int(port_file.read_text())
            time.sleep(0.02)
        self._process.kill()
        self._log.seek(0)
        raise AshiatoError(
            "demo-sink-failed",
            f"the sink did not start:\n{self._log.read().decode(errors='replace')[-2000:]}",
            "see above",
        )

    def __exit__(self, *exc: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()


def _post(port: int, cluster: str, capture: Path) -> int:
    from ingest.client import post_event_lists

    def lines() -> Iterator[bytes]:
        with gzip.open(capture) as stream:
            yield from (line.strip() for line in stream)

    return post_event_lists(f"http://127.0.0.1:{port}/audit/{cluster}", lines()).events


def _wait(port: int, events: int) -> float:
    """Wait until the sink's own counters say that everything is in the lake; the seconds it took."""
    started = time.monotonic()
    while time.monotonic() - started < _COMMIT_SECONDS:
        if _stored(port) >= events:
            return time.monotonic() - started
        time.sleep(0.1)
    raise AshiatoError("demo-commit-late", f"after {_COMMIT_SECONDS} s not all events were in the lake", "try again")


def _stored(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    names = ("ashiato_events_written_total", "ashiato_events_duplicate_total", "ashiato_events_quarantined_total")
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(names)))
