"""What the log can show: a rule that could not have seen anything says so instead of staying quiet."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from detections.rule import LEVELS, Rule

_QUERY = """
SELECT resource, concat_ws('/', resource, subresource) AS path, verb, level, stage, count(*) AS events
FROM events GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which (resource, verb, level, stage) stand in a range of the log."""

    rows: tuple[tuple[str | None, str | None, str | None, str, str], ...]

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection) -> Coverage:
        """The coverage of what *con* sees."""
        table = con.execute(_QUERY).to_arrow_table()
        return cls(
            tuple((row["resource"], row["path"], row["verb"], row["level"], row["stage"]) for row in table.to_pylist())
        )

    def gap(self, rule: Rule) -> str | None:
        """Why this log cannot show what *rule* looks for; None when it can, or when there is no event at all."""
        needs = rule.needs
        if not self.rows:
            return None
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
