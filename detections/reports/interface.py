"""What a report format promises: one module per format with ``render``."""

from __future__ import annotations

from typing import Protocol

from detections.engine import Run


class Report(Protocol):
    """One way to show a run of the rules. A module with ``render`` satisfies it."""

    def render(self, run: Run, *, lake: str | None = None) -> str:
        """The whole report, ending in a newline; *lake* stands in the commands it proposes.

        Every outcome of *run* is in it: findings, rules skipped with the reason, rules failed with the
        error. Text from the log is an attacker's to choose, so each format neutralises what its reader
        would obey: terminal sequences, markup, links, table separators. The same run renders the same bytes.
        """
