"""What the log can show: a rule that could not have seen anything says so instead of staying quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import duckdb

from detections.rule import LEVELS, Rule

_QUERY = """
SELECT resource, concat_ws('/', resource, subresource) AS path, verb, level, stage, count(*) AS events
FROM events GROUP BY ALL
"""
_SPAN = """
SELECT max(seconds) AS longest
FROM (SELECT epoch(max(request_received_at)) - epoch(min(request_received_at)) AS seconds FROM events GROUP BY cluster)
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which (resource, path, verb, level, stage) stand in a range of the log, and how long its longest cluster's is."""

    rows: tuple[tuple[str | None, str | None, str | None, str, str], ...]
    span: timedelta

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, learnt: timedelta = timedelta()) -> Coverage:
        """The coverage of what *con* sees; baselines know *learnt* of the longest cluster's time."""
        table = con.execute(_QUERY).to_arrow_table()
        return cls(
            tuple((row["resource"], row["path"], row["verb"], row["level"], row["stage"]) for row in table.to_pylist()),
            max(learnt, timedelta(seconds=con.execute(_SPAN).to_arrow_table()["longest"][0].as_py() or 0)),
        )

    def gap(self, rule: Rule) -> str | None:
        """Why this log cannot show what *rule* looks for; None when it can, or when there is no event at all."""
        needs = rule.needs
        if not self.rows:
            return None
        if self.span < needs.history:
            return (
                f"the log is {_in_words(self.span)} long; to know what is new the rule needs {_in_words(needs.history)}"
            )
        verbs = {row[2] for row in self.rows}
        if needs.verbs and not verbs & set(needs.verbs):
            return f"no {' or '.join(needs.verbs)} of anything is in the log: the audit policy, or the provider, leaves it out"
        stages = {row[4] for row in self.rows}
        if needs.stages and not stages & set(needs.stages):
            return f"no event of stage {' or '.join(needs.stages)} is in the log: the audit policy omits that stage"
        relevant = [
            row
            for row in self.rows
            if (not needs.resources or row[0] in needs.resources or row[1] in needs.resources)
            and (not needs.verbs or row[2] in needs.verbs)
        ]
        least = LEVELS.index(needs.level)
        known = [row for row in relevant if row[3] in LEVELS]
        if known and max(LEVELS.index(row[3]) for row in known) < least:
            what = ", ".join(needs.resources) or "what it looks at"
            highest = LEVELS[max(LEVELS.index(row[3]) for row in known)]
            return f"{what} stand{'s' if len(needs.resources) == 1 else ''} in the log at level {highest}; the rule needs {needs.level}"
        return None


def _in_words(span: timedelta) -> str:
    for unit, seconds in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if span.total_seconds() >= 2 * seconds:
            return f"{span.total_seconds() / seconds:.0f} {unit}"
    return f"{span.total_seconds():.0f} seconds"
