"""Look at a suppressions file: is it right, what holds, what has ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import pyarrow as pa

from ashiato.commands.detect import rules_folder_option
from ashiato.options import format_option, show, within_config


@click.group()
def suppressions() -> None:
    """Findings that somebody answers for: check the file that says so."""


@suppressions.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@rules_folder_option
@format_option()
def suppressions_check(file: Path, folders: tuple[Path, ...], format_: str) -> None:
    """List the entries of FILE with their state; every problem of the file at once, if it has any.

    \b
    Examples:
      ashiato suppressions check known.yaml
      ashiato suppressions check ashiato.yaml --format json
    """
    from ashiato import judge

    today = datetime.now(UTC).date()
    entries = judge.suppressions(file, folders, within_config=within_config(file))
    show(
        pa.table(
            {
                "state": pa.array([str(entry.state(today)) for entry in entries], pa.string()),
                "expires": pa.array([entry.expires for entry in entries], pa.date32()),
                "rule": pa.array([entry.rule for entry in entries], pa.string()),
                "match": pa.array([_match(entry.match) for entry in entries], pa.string()),
                "owner": pa.array([entry.owner for entry in entries], pa.string()),
                "reason": pa.array([entry.reason for entry in entries], pa.string()),
                "origin": pa.array([entry.origin for entry in entries], pa.string()),
            }
        ),
        format_,
    )


def _match(match: Mapping[str, tuple[str | None, ...]]) -> str:
    """``user_name: ci, bot-*; namespace: none``."""
    return "; ".join(
        f"{column}: {', '.join('none' if pattern is None else pattern for pattern in patterns)}"
        for column, patterns in match.items()
    )
