"""Showing tables: every format says the same, and hostile text stays text in each."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from detections.reports.tables import FORMATS

HOSTILE = "<script>alert(1)</script>|`x`\n\x1b[31mred\u202e=cmd()"
TABLE = pa.table(
    {
        "who": [HOSTILE, "=1+1", None],
        "n": [1, 2, 3],
        "when": pa.array([datetime(2026, 11, 23, 8, 0, 0, 123456, UTC)] * 3, pa.timestamp("us", tz="UTC")),
        "groups": [["a", "b"], [], None],
    }
)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_passes_control_characters_on(name: str) -> None:
    """Escape sequences and direction overrides of a user name reach no terminal, page or document."""
    text = FORMATS[name](TABLE)

    assert "\x1b" not in text or name == "csv"
    assert "\u202e" not in text or name in ("json", "jsonl", "csv")


def test_markup_is_escaped_in_html() -> None:
    """A user name with markup is shown, never run."""
    page = FORMATS["html"](TABLE)

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in page


def test_markdown_cells_stay_in_their_cell() -> None:
    """A bar or newline in a value neither opens a column nor a row."""
    lines = FORMATS["markdown"](TABLE).splitlines()

    assert len(lines) == 2 + TABLE.num_rows
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines)


def test_csv_gives_spreadsheets_no_formula() -> None:
    """A text that starts like a formula is preceded by an apostrophe; the other values are exact."""
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](TABLE))))

    assert rows[1]["who"] == "'=1+1"
    assert rows[0]["when"] == "2026-11-23T08:00:00.123456Z"


def test_json_is_exact() -> None:
    """JSON and JSON lines hold the values themselves, times in RFC 3339 with microseconds."""
    rows = json.loads(FORMATS["json"](TABLE))

    assert rows == [json.loads(line) for line in FORMATS["jsonl"](TABLE).splitlines()]
    assert rows[0] == {"who": HOSTILE, "n": 1, "when": "2026-11-23T08:00:00.123456Z", "groups": ["a", "b"]}
