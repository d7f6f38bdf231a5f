"""Options that many commands share, and the way errors and tables reach a person."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lake.errors import UsageError
from lake.timerange import TimeRange

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.delta import Lake

FORMAT_NAMES = ("table", "json", "jsonl", "markdown", "html", "csv")

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_LAKE = "./lake"


def lake_option(function: F) -> F:
    """``--lake PATH``: where the lake lies."""
    return click.option(
        "--lake",
        "lake_location",
        default=DEFAULT_LAKE,
        show_default=True,
        envvar="ASHIATO_LAKE",
        metavar="PATH",
        help="Where the lake lies.",
    )(function)


def time_options(function: F) -> F:
    """``--last``, ``--since``, ``--until``: which events."""
    for option in reversed(
        (
            click.option("--last", metavar="DURATION", help="Events of the last 90s, 15m, 24h, 7d, ..."),
            click.option("--since", metavar="TIME", help="Events from this time on (RFC 3339, UTC)."),
            click.option("--until", metavar="TIME", help="Events before this time (RFC 3339, UTC)."),
        )
    ):
        function = option(function)
    return function


def format_option(*formats: str, default: str = "table") -> Callable[[F], F]:
    """``--format``: how the result is shown."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats or FORMAT_NAMES),
        default=default,
        show_default=True,
        help="How to show it.",
    )


def output_option(function: F) -> F:
    """``--output FILE``: write there instead of standard output."""
    return click.option(
        "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead."
    )(function)


def redaction_key_option(function: F) -> F:
    """``--redaction-key FILE``: the key under which secrets become fingerprints."""
    return click.option(
        "--redaction-key",
        "redaction_key",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="ASHIATO_REDACTION_KEY",
        metavar="FILE",
        help="Key for fingerprints of redacted secrets; made on first use. One key for all sinks and imports of a lake.",
    )(function)


def suppressions_option(function: F) -> F:
    """``--suppressions FILE``: which findings do not count."""
    return click.option(
        "--suppressions",
        "suppressions_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="ASHIATO_SUPPRESSIONS",
        metavar="FILE",
        help="YAML: findings that somebody answers for; they are marked and do not count.",
    )(function)


def within_config(path: Path | None) -> bool:
    """Whether *path* is the configuration file itself, whose other keys are settings."""
    context = click.get_current_context(silent=True)
    return path is not None and path == ((context.obj or {}).get("config_file") if context else None)


def open_lake(location: str, create: bool = False) -> Lake:
    """The lake at *location*, made if asked for; see ``Lake.open`` for errors."""
    from lake.delta import Lake

    refuse_source_folder(location)
    return Lake.open(location, create=create)


def refuse_source_folder(location: str) -> None:
    """Ashiato's own source folder happens to be called lake as well: never write into it."""
    if (Path(location) / "__init__.py").exists():
        raise UsageError(
            "lake-is-source",
            f"{location} is Ashiato's own source code, not a lake",
            "name a lake: --lake ../my-lake, or set ASHIATO_LAKE",
        )


def time_range(last: str | None, since: str | None, until: str | None) -> TimeRange:
    """The TimeRange of the three time options."""
    return TimeRange.parse(last, since, until)


def emit(text: str, output: Path | None) -> None:
    """Write a result to *output* or standard output."""
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        output.write_text(text)
        click.echo(f"wrote {output}", err=True)


def show(table: pa.Table, format_: str, output: Path | None = None) -> None:
    """Show *table* in one of the formats."""
    from detections.reports.tables import FORMATS

    emit(FORMATS[format_](table), output)


def is_interactive() -> bool:
    """True when progress on standard error would be seen by a person."""
    return sys.stderr.isatty()
