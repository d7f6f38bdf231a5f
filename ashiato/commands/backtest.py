"""Try a rule on the past before it wakes anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ashiato.options import emit, format_option, lake_option, open_lake, output_option, time_options, time_range


@click.command()
@click.argument("rule_name", metavar="RULE")
@lake_option
@time_options
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster (repeatable).")
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Parameters of rules (YAML).",
)
@format_option("table", "json")
@output_option
def backtest(
    rule_name: str, lake_location: str, last: str | None, since: str | None, until: str | None, clusters: tuple[str, ...],
    params_file: Path | None, format_: str, output: Path | None,
) -> int:  # fmt: skip
    """What a rule would have found, and how noisy it is; a file is compared with the rule of its name that there is.

    \b
    Examples:
      ashiato backtest many-secrets-read --lake L --last 30d
      ashiato backtest my-rules/many-secrets-read.sql --lake L --last 30d
    """
    from ashiato import judge
    from detections.backtest import backtest as tried
    from detections.catalog import read_catalog
    from detections.reports.tables import as_table, json_text, rows_of
    from detections.rule import load_rule

    path = Path(rule_name)
    if path.suffix == ".sql" or path.exists():
        rule = load_rule(path)
        against = next((known for known in read_catalog().rules if known.id == rule.id), None)
    else:
        (rule,) = judge.rules([rule_name])
        against = None
    params = judge.load_params(params_file, [rule]).get(rule.id, {})
    done = tried(
        open_lake(lake_location),
        rule,
        time_range(last, since, until),
        against=against,
        clusters=list(clusters) or None,
        params=params,
    )
    run = done.run
    if format_ == "json":
        found: dict[str, Any] = {
            "rule_id": rule.id, "rule_version": rule.version, "events": done.events, "days": done.days, "seconds": round(run.seconds, 3),
            "findings": len(run.findings), "severities": done.severities, "per_day": list(rows_of(done.per_day)),
            "per_entity": list(rows_of(done.per_entity)), "appeared": [f.finding_id for f in done.appeared],
            "vanished": [f.finding_id for f in done.vanished], "skipped": [s.reason for s in run.skipped], "failed": [f.error for f in run.failed],
        }  # fmt: skip
        emit(json_text(found), output)
        return 1 if run.failed else 0
    days = max(1, done.days)
    lines = [
        f"{rule.title} ({rule.id}, version {rule.version})",
        f"{done.events:,} events of {done.days} days in {run.seconds:.1f} s: {len(run.findings)} findings, {len(run.findings) / days:.1f} a day"
        + "".join(f", {count} {name}" for name, count in done.severities.items()),
        *(f"skipped: {item.reason}" for item in run.skipped),
        *(f"failed: {item.error}" for item in run.failed),
    ]
    if done.before is not None:
        lines.append(
            f"against the version there is: {len(done.appeared)} findings more, {len(done.vanished)} fewer, {len(run.findings) - len(done.appeared)} in both"
        )
        for sign, findings in (("+", done.appeared), ("-", done.vanished)):
            lines += [
                f"  {sign} {f.severity} {f.evidence[0].get('detail') or f.title}"[:160]
                for f in findings[:5]
                if f.evidence
            ]
    if done.per_day.num_rows:
        lines += ["", as_table(done.per_day), as_table(done.per_entity.slice(0, 20))]
    emit("\n".join(lines) + "\n", output)
    return 1 if run.failed else 0
