"""A lake in a notebook: ``open_lake(...)``, then SQL and timelines as tables that show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from detections.investigation.matching import Matching
from detections.investigation.timeline import DEFAULT_LIMIT
from detections.investigation.timeline import timeline as timeline_of
from detections.reports.tables import FORMATS
from lake.delta import Lake
from lake.query import connect, select
from lake.timerange import TimeRange

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_ROWS = 50


@dataclass(frozen=True, slots=True)
class Result:
    """Rows that came out of the lake; times are UTC with microseconds."""

    table: pa.Table

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def df(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame; lists as Python lists, times as UTC timestamps."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return FORMATS["table"](self.table.slice(0, _SHOWN_ROWS)) + self._more()

    def _repr_html_(self) -> str:
        return FORMATS["html"](self.table.slice(0, _SHOWN_ROWS)) + self._more()

    def _more(self) -> str:
        hidden = self.table.num_rows - _SHOWN_ROWS
        return f"... and {hidden:,} more rows" if hidden > 0 else ""


@dataclass(frozen=True, slots=True)
class OpenLake:
    """A lake to ask: ``sql`` and ``timeline``; ``ashiato.detect`` judges it."""

    lake: Lake

    def sql(
        self,
        query: str,
        params: Mapping[str, Any] | None = None,
        *,
        last: str | None = None,
        since: str | None = None,
        until: str | None = None,
        clusters: list[str] | None = None,
    ) -> Result:
        """One SELECT over the views events, requests, findings, quarantine, with bound ``$name`` parameters.

        ``last``, ``since`` and ``until`` select by stage_at before the query runs. Raises UsageError.
        """
        with connect(self.lake, TimeRange.parse(last, since, until), clusters=clusters) as con:
            return Result(select(con, query, params))

    def timeline(
        self,
        *,
        last: str | None = None,
        since: str | None = None,
        until: str | None = None,
        clusters: list[str] | None = None,
        limit: int = DEFAULT_LIMIT,
        newest_first: bool = False,
        **matching: Any,
    ) -> Result:
        """Who did what, in order; ``matching`` names fields of Matching (user_name, source_ip, writes_only, ...)."""
        return Result(
            timeline_of(
                self.lake,
                TimeRange.parse(last, since, until),
                Matching(**matching),
                clusters=clusters,
                limit=limit,
                newest_first=newest_first,
            )
        )

    def __repr__(self) -> str:
        files = self.lake.files()
        rows = sum(file.rows for file in files)
        clusters = sorted({file.partition["cluster"] for file in files})
        days = sorted({file.partition["date"] for file in files})
        span = f", {days[0]} to {days[-1]}" if days else ""
        return f"Lake at {self.lake.location}: {rows:,} events of {', '.join(clusters) or 'no cluster'}{span}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>"


def open_lake(location: str | Path) -> OpenLake:
    """The lake at *location*; NothingToRead ``lake-not-found`` when there is none."""
    return OpenLake(Lake.open(location))
