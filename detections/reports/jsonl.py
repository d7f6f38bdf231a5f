"""The report as JSON lines: one finding, skipped rule or failed rule a line, for log shippers and jq."""

from __future__ import annotations

import json

from detections.engine import Run
from detections.reports.json import document


def render(run: Run, *, lake: str | None = None) -> str:  # noqa: ARG001 - the reader has the lake's version
    """One object a line; ``outcome`` says which kind: finding, suppressed (a finding that does not count), skipped, failed."""
    whole = document(run)
    lines = [
        {"outcome": "suppressed" if "suppressed" in item else outcome, **item}
        for outcome, key in (("finding", "findings"), ("skipped", "skipped"), ("failed", "failed"))
        for item in whole[key]
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)
