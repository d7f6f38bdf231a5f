"""The command line: one group, a module per kind of work, errors without tracebacks."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from ashiato.config import load_defaults
from lake.errors import AshiatoError, NothingToRead, UsageError

EXIT_BROKEN, EXIT_USAGE, EXIT_NOTHING = 1, 2, 3

# Command -> module that defines it: a command imports only what it needs, so that the sink starts
# quickly and without the libraries of the analysts.
COMMANDS = {
    "demo": "ashiato.commands.demo",
    "sink": "ashiato.commands.collect",
    "import": "ashiato.commands.collect",
    "quarantine": "ashiato.commands.collect",
    "detect": "ashiato.commands.detect",
    "report": "ashiato.commands.report",
    "rules": "ashiato.commands.detect",
    "backtest": "ashiato.commands.backtest",
    "risk": "ashiato.commands.risk",
    "baseline": "ashiato.commands.baseline",
    "suppressions": "ashiato.commands.suppressions",
    "sql": "ashiato.commands.explore",
    "timeline": "ashiato.commands.investigate",
    "pivot": "ashiato.commands.investigate",
    "identity": "ashiato.commands.investigate",
    "sessions": "ashiato.commands.investigate",
    "history": "ashiato.commands.investigate",
    "secret-access": "ashiato.commands.investigate",
    "compare": "ashiato.commands.investigate",
    "search": "ashiato.commands.investigate",
    "api": "ashiato.commands.api",
    "schema": "ashiato.commands.explore",
    "export": "ashiato.commands.explore",
    "case": "ashiato.commands.case",
    "compact": "ashiato.commands.maintain",
    "doctor": "ashiato.commands.maintain",
    "config": "ashiato.commands.maintain",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of a first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command called *name*, imported now."""
        if name not in COMMANDS:
            return None
        attribute = {"import": "import_", "config": "config_group"}.get(name, name.replace("-", "_"))
        command: click.Command = getattr(importlib.import_module(COMMANDS[name]), attribute)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ASHIATO", "max_content_width": 110},
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="ASHIATO_CONFIG",
    metavar="FILE",
    help="Configuration file (default: ashiato.yaml, where there is one).",
)
@click.version_option(version("ashiato"), prog_name="ashiato")
@click.pass_context
def cli(ctx: click.Context, config_file: Path | None) -> None:
    """Kubernetes audit logs: take them in, keep them, judge them, follow the footprints.

    \b
    First steps:
      ashiato demo                                  see real findings from real audit logs
      ashiato import audit.log --lake L --cluster C
      ashiato detect --lake L --last 24h
      ashiato timeline --lake L --user mallory
    """
    ctx.ensure_object(dict)
    defaults, path = load_defaults(config_file, cli, ctx)
    ctx.default_map = defaults
    ctx.obj["config_file"] = path


def run(arguments: list[str] | None = None) -> int:
    """Run one command line; the exit code. Bad input never shows a traceback."""
    try:
        result: Any = cli.main(args=arguments, prog_name="ashiato", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UsageError as error:
        return _explain(error, EXIT_USAGE)
    except NothingToRead as error:
        return _explain(error, EXIT_NOTHING)
    except AshiatoError as error:
        return _explain(error, EXIT_BROKEN)
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _explain(error: AshiatoError, code: int) -> int:
    click.echo(f"error: {error.message} [{error.code}]", err=True)
    if error.hint:
        click.echo(f"hint:  {error.hint}", err=True)
    return code


def main() -> None:
    """Entry point of the ``ashiato`` program."""
    sys.exit(run())
