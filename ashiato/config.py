"""Configuration: one YAML file, environment variables over it, flags over both.

Keys are the commands' own long options: those that several commands share stand at the top
(``lake``, ``redaction-key``, ``suppressions``), the others under their command. An unknown key is an error.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from lake.errors import UsageError

DEFAULT_FILE = "ashiato.yaml"
SHARED = ("lake", "redaction-key", "suppressions")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its key in the file, its value, and where the value came from."""

    key: str
    value: Any
    origin: str
    environment: str
    help: str


def load_defaults(
    config_file: Path | None, group: click.Group, ctx: click.Context
) -> tuple[dict[str, Any], Path | None]:
    """The values of the configuration file as click's default map, and the file that was read.

    Raises UsageError: ``config-not-found``, ``config-invalid``, ``config-key-unknown`` (with the key
    that was probably meant).
    """
    path = config_file or Path(DEFAULT_FILE)
    if not path.exists():
        if config_file is not None:
            raise UsageError("config-not-found", f"there is no configuration file {path}", "check --config")
        return {}, None
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("config-invalid", f"cannot read {path}: {error}", "it must be YAML") from None
    if content is None:
        return {}, path
    if not isinstance(content, dict):
        raise UsageError("config-invalid", f"{path} is not a mapping", "write keys such as 'lake: ./lake'")
    return _default_map(content, path, group, ctx), path


def _default_map(content: dict[Any, Any], path: Path, group: click.Group, ctx: click.Context) -> dict[str, Any]:
    commands = dict(_commands(group, ctx))
    known = {*SHARED, *commands}
    defaults: dict[str, Any] = {name: {} for name in commands}
    for key, value in content.items():
        if key not in known:
            raise _unknown(str(key), known, path)
        if key == "suppressions" and isinstance(value, list):
            # The entries themselves: whoever reads them reads this file, and so knows their lines.
            value = str(path)  # noqa: PLW2901 - from here on as if the file had been named
        if key in SHARED:
            for name, command in commands.items():
                option = _options(command).get(str(key))
                if option is not None and option.name:
                    defaults[name].setdefault(option.name, value)
            continue
        options = _options(commands[str(key)])
        if not isinstance(value, dict):
            raise UsageError("config-invalid", f"{path}: {key} is not a mapping", f"known keys: {', '.join(options)}")
        for inner, setting in value.items():
            option = options.get(str(inner).replace("_", "-"))
            if option is None or option.name is None:
                raise _unknown(f"{key}.{inner}", {f"{key}.{name}" for name in options}, path)
            defaults[str(key)][option.name] = setting
    return defaults


def _unknown(key: str, known: set[str], path: Path) -> UsageError:
    close = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(sorted(known))}"
    return UsageError("config-key-unknown", f"{path}: unknown key {key}", hint)


def _commands(group: click.Group, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not isinstance(command, click.Group) and name not in ("demo", "config"):
            yield name, command


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        max(parameter.opts, key=len).lstrip("-"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }


def settings(group: click.Group, ctx: click.Context) -> list[Setting]:
    """Every setting of every command with its effective value and origin, flags aside."""
    found: list[Setting] = []
    for name, command in _commands(group, ctx):
        defaults = (ctx.default_map or {}).get(name, {})
        for key, option in _options(command).items():
            prefix = f"ASHIATO_{name.upper()}_{(option.name or key).upper()}"
            variables = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or [])
            variables.append(prefix)
            setting = key if key in SHARED else f"{name}.{key}"
            if any(known.key == setting for known in found):
                continue
            value, origin = _shown(option.get_default(ctx, call=False)), "default"
            if option.name in defaults:
                value, origin = defaults[option.name], str(ctx.obj.get("config_file"))
            for variable in variables:
                if variable in os.environ:
                    value, origin = os.environ[variable], f"environment {variable}"
                    break
            found.append(Setting(setting, value, origin, variables[0], (option.help or "").split("\n")[0]))
    return found


def _shown(value: Any) -> Any:
    return None if repr(value).startswith("Sentinel") or callable(value) else value
