"""Judge the lake: run the rules, list, show, test and begin rules."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ashiato.options import (
    emit,
    format_option,
    is_interactive,
    lake_option,
    open_lake,
    output_option,
    show,
    suppressions_option,
    time_options,
    time_range,
    within_config,
)
from lake.errors import UsageError

if TYPE_CHECKING:
    from detections.rule import Rule

SEVERITIES = ("critical", "high", "medium", "low", "informational")
EXIT_FOUND = 10
rules_folder_option = click.option(
    "--rules", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="A folder of rules of your own (repeatable).",
)  # fmt: skip


@click.command()
@lake_option
@time_options
@click.option("--rule", "ids", multiple=True, metavar="ID", help="Only this rule (repeatable).")
@rules_folder_option
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only findings at least this bad.")
@click.option("--technique", "techniques", multiple=True, metavar="ID", help="Only rules for this technique, e.g. A01.")
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="YAML: parameters of rules.",
)
@suppressions_option
@click.option(
    "--new", "only_new", is_flag=True, help="Judge what was committed since the last --new, and store the findings."
)
@click.option("--store", is_flag=True, help="Store the findings in the lake.")
@click.option("--profile", is_flag=True, help="Say on standard error how long each rule took, the slowest first.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit with 10 when a finding is at least this bad.")
@format_option("table", "json", "jsonl", "markdown", "html", "falco")
@output_option
def detect(
    lake_location: str,
    last: str | None,
    since: str | None,
    until: str | None,
    ids: tuple[str, ...],
    folders: tuple[Path, ...],
    severity: str | None,
    techniques: tuple[str, ...],
    clusters: tuple[str, ...],
    params_file: Path | None,
    suppressions_file: Path | None,
    only_new: bool,
    store: bool,
    profile: bool,
    fail_on: str | None,
    format_: str,
    output: Path | None,
) -> int:
    """Judge the events of a time range: what happened, who did it, and what the log could not show.

    \b
    Examples:
      ashiato detect --lake L --last 24h
      ashiato detect --lake L --severity high --format html --output report.html
      ashiato detect --lake L --rule admin-role-bound --format json
      ashiato detect --lake L --new --fail-on high           what is new since the last --new
      ashiato detect --lake L --suppressions known.yaml --fail-on high
    """
    from dataclasses import replace

    from ashiato import judge
    from detections import incremental
    from detections.rule import Severity

    when = time_range(last, since, until)
    chosen, broken = judge.readable_rules(ids, techniques=techniques, folders=folders)
    params = judge.load_params(params_file, chosen)
    entries = judge.suppressions(suppressions_file, folders, within_config=within_config(suppressions_file))
    if only_new and (when.since or when.until or clusters or ids or techniques):
        raise UsageError(
            "detect-new-alone",
            "--new judges everything that is new",
            "leave out time range, --cluster, --rule and --technique",
        )
    lake = open_lake(lake_location)
    stored: incremental.Stored | None = None
    with _progress() as on_progress:
        if only_new:
            run, stored = incremental.detect_new(lake, chosen, params=params)
        else:
            run = judge.judge(
                lake, chosen, when, clusters=list(clusters) or None, params=params, on_progress=on_progress
            )
            if store:
                stored = incremental.store(lake, run.findings)
    run = replace(run, failed=[*broken, *run.failed])
    # Stored as found, read as suppressed: a suppression ends by itself.
    run = judge.suppress(run, entries)
    if severity:
        least = Severity(severity).rank
        run = replace(run, findings=[f for f in run.findings if Severity(f.severity).rank >= least])
    if format_ == "table" and output is None:
        from detections.reports import text

        width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        emit(text.render(run, width=width, colour=sys.stdout.isatty()), None)
    else:
        emit(judge.report(run, format_), output)
    if profile:
        whole = sum(run.timings.values()) or 1.0
        for name, seconds in sorted(run.timings.items(), key=lambda item: -item[1]):
            click.echo(f"{seconds:8.3f} s {seconds / whole:6.1%}  {name}", err=True)
    if stored is not None:
        click.echo(f"stored: {stored.new} new, {stored.changed} changed, {stored.known} known already", err=True)
    if fail_on and any(
        f.suppressed is None and Severity(f.severity).rank >= Severity(fail_on).rank for f in run.findings
    ):
        return EXIT_FOUND
    return 1 if run.failed else 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Rule, int, int], None]]:
    if not is_interactive():
        yield lambda rule, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rule]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rules", total=None, rule="")
        yield lambda rule, done, total: bar.update(task, total=total, completed=done, rule=rule.id)


@click.group()
def rules() -> None:
    """The rules: list, show, test, and begin one of your own."""


@rules.command("list")
@rules_folder_option
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only rules at least this bad.")
@click.option("--technique", "techniques", multiple=True, metavar="ID", help="Only rules for this technique.")
@format_option()
def rules_list(folders: tuple[Path, ...], severity: str | None, techniques: tuple[str, ...], format_: str) -> None:
    """List the rules: severity, id, title, techniques, what the log must show."""
    import pyarrow as pa

    from ashiato import judge

    chosen = sorted(
        judge.rules((), severity=severity, techniques=techniques, folders=folders),
        key=lambda r: (-r.severity.rank, r.id),
    )
    show(
        pa.table(
            {
                "severity": [str(rule.severity) for rule in chosen],
                "rule": [rule.id for rule in chosen],
                "title": [rule.title for rule in chosen],
                "techniques": [" ".join(rule.techniques) for rule in chosen],
                "attack": [" ".join(rule.attack) for rule in chosen],
                "practice": [rule.practice for rule in chosen],
                "level": [rule.needs.level for rule in chosen],
            }
        ),
        format_,
    )


@rules.command("show")
@click.argument("rule_id")
@rules_folder_option
def rules_show(rule_id: str, folders: tuple[Path, ...]) -> None:
    """Print a rule: its front matter and query."""
    from ashiato import judge

    (rule,) = judge.rules([rule_id], folders=folders)
    emit(rule.path.read_text(), None)


@rules.command("navigator")
@rules_folder_option
@click.option(
    "--lake",
    "lake_location",
    metavar="PATH",
    envvar=None,
    help="Score by the stored findings of this lake instead of by rules.",
)
@output_option
def rules_navigator(folders: tuple[Path, ...], lake_location: str | None, output: Path | None) -> None:
    """What the rules cover, as a layer for the ATT&CK Navigator.

    \b
    Examples:
      ashiato rules navigator -o layer.json
      ashiato rules navigator --lake L -o found.json
    """
    import json

    from ashiato import judge
    from detections.navigator import layer
    from detections.stored_findings import stored_findings

    found = stored_findings(open_lake(lake_location)) if lake_location else ()
    emit(json.dumps(layer(judge.rules(folders=folders), found), indent=1) + "\n", output)


@rules.command("test")
@click.argument("ids", nargs=-1, metavar="[RULE]...")
@rules_folder_option
def rules_test(ids: tuple[str, ...], folders: tuple[Path, ...]) -> int:
    """Run the cases beside the rules through the real decode path, lake and engine.

    \b
    Examples:
      ashiato rules test
      ashiato rules test admin-role-bound
      ashiato rules test --rules my-rules
    """
    from ashiato import judge
    from ashiato.ruletest import run_cases

    chosen = judge.rules(ids, folders=folders)
    passed = failed = 0
    for result in run_cases(chosen):
        if result.problem is None:
            passed += 1
        else:
            failed += 1
            click.echo(f"FAILED {result.rule_id}: {result.case}\n       {result.problem}")
    click.echo(f"{len(chosen)} rules: {passed} cases passed, {failed} failed")
    return 1 if failed else 0


_TEMPLATE = """/*---
id: {id}
title: What happened, in one line
techniques: [X01]
status: experimental
severity: medium
confidence: medium
attack: [T1078]
layer: cluster
control: detection
practice: rbac
needs: {{level: Metadata}}
window: 1h
entity: [user_name, source_ip]
why: Why somebody should care.
blind_spots: What it cannot see.
false_positives: What else looks like this.
triage:
  - What to look at first?
---*/
SELECT cluster, event_id, request_received_at, user_name, source_ip, verb || ' ' || resource AS detail
FROM requests
WHERE resource = 'secrets' AND verb = 'list' AND succeeded(response_code)
"""
_TEST_TEMPLATE = """# Each event is a JSON merge patch onto the ordinary event; see: ashiato rules test --help
fires:
  - name: secrets are listed
    events: [{verb: list, objectRef: {resource: secrets, name: null}}]
    expect: [{user_name: alice@example.com, event_count: 1}]
quiet:
  - name: pods are listed
    events: [{verb: list, objectRef: {resource: pods, name: null}}]
"""


@rules.command("new")
@click.argument("path", type=click.Path(path_type=Path))
def rules_new(path: Path) -> None:
    """Begin a rule with a test that passes: PATH is FOLDER/rule-id.

    \b
    Example:
      ashiato rules new my-rules/secrets-listed-by-night
      ashiato rules test --rules my-rules secrets-listed-by-night
    """
    sql, test = path.with_suffix(".sql"), path.with_suffix(".test.yml")
    for file in (sql, test):
        if file.exists():
            raise UsageError("rule-exists", f"{file} exists already", "choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    sql.write_text(_TEMPLATE.format(id=path.stem))
    test.write_text(_TEST_TEMPLATE)
    click.echo(f"wrote {sql} and {test}\nnext: ashiato rules test --rules {path.parent} {path.stem}")
