"""Write the reference pages from the code they describe; with --check, fail where a page differs.

    python docs/generate.py [--check]

Pages: schema (lake.schema), cli (click's commands), configuration (the commands' options), metrics
(ingest.telemetry), errors (the source), detections (the rule catalogue). Nobody edits docs/reference/ by hand.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

REFERENCE = Path(__file__).resolve().parent / "reference"
HEAD = "<!-- Written by docs/generate.py from {source}; `make docs` writes it anew. -->\n\n"


def cell(text: object) -> str:
    """*text* inside a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def schema() -> str:
    """Every table and column of the lake."""
    from lake.schema import TABLES, Trust

    trust = {
        Trust.SERVER: "the kube-apiserver states it about the request",
        Trust.AUTHENTICATED: "an authenticator vouched for it",
        Trust.CLIENT: "the client chooses it freely: evidence, never proof",
        Trust.REQUEST: "the client's request, as the server parsed and judged it",
        Trust.PIPELINE: "Ashiato computed or measured it",
    }
    out = [
        "# The lake's tables\n\n",
        "One Delta Lake table per kind of row, Parquet files inside. `ashiato schema` shows the same in a terminal.\n",
        "Every time is UTC, in microseconds. *Trust* says who decides what stands in a column:\n\n",
        table(("trust", "who decides"), [(f"`{level}`", trust[level]) for level in Trust]),
    ]
    for name, kept in TABLES.items():
        out += [
            f"\n## `{name}`\n\n{kept.doc}\n\n",
            f"- Partitioned by: {', '.join(f'`{c}`' for c in kept.partition_by)}\n",
        ]
        out.append(f"- Sorted inside a file by: {', '.join(f'`{c}`' for c in kept.sort_by)}\n")
        if kept.key:
            out.append(f"- A row is stored once per: `{kept.key}`\n")
        out.append(f"- `--last`, `--since` and `--until` select on: `{kept.time}`\n\n")
        rows = [
            (f"`{c.name}`", f"`{c.type}`", c.doc, f"`{c.path}`" if c.path else "", f"`{c.trust}`", c.unit)
            for c in kept.columns
        ]
        out.append(table(("column", "type", "meaning", "from the event's", "trust", "unit"), rows))
    return "".join(out)


def _walk(command: click.Command, words: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _walk(inner, (*words, name))


def cli() -> str:
    """Every command with its help, as the program prints it."""
    from ashiato.cli import cli as group

    out = [
        "# The command line\n\n",
        "Exit codes: 0 clean, 1 something broke, 2 usage, 3 nothing to read, 10 a finding as `detect --fail-on` asks for.\n",
        "Errors are two lines, what and what now, with a stable code in brackets: see [troubleshooting](../troubleshooting.md).\n",
    ]
    for words, command in _walk(group, ("ashiato",)):
        parent = None
        for word in words:
            parent = click.Context(
                command, info_name=word, parent=parent, max_content_width=110, terminal_width=110,
                help_option_names=["-h", "--help"],
            )  # fmt: skip
        assert parent is not None
        text = "\n".join(line.rstrip() for line in command.get_help(parent).splitlines())
        out.append(f"\n{'#' * min(len(words) + 1, 3)} `{' '.join(words)}`\n\n```text\n{text}\n```\n")
    return "".join(out)


def configuration() -> str:
    """Every key of the configuration file."""
    from ashiato.cli import cli as group
    from ashiato.config import DEFAULT_FILE, settings

    context = click.Context(group, obj={"config_file": None})
    found = settings(group, context)
    rows = [
        (f"`{s.key}`", "" if s.value in (None, ()) else f"`{s.value}`", f"`{s.environment}`", s.help) for s in found
    ]
    return (
        "# Configuration\n\n"
        f"One YAML file, `{DEFAULT_FILE}` in the working folder or named by `--config` or `ASHIATO_CONFIG`; environment variables\n"
        "over it; command-line options over both. `ashiato config show` says where each value came from. An unknown key is an error.\n\n"
        "Keys are the commands' long options, under the command's name; those that several commands share stand at the top:\n\n"
        "```yaml\nlake: /var/lib/ashiato/lake\nsink:\n  listen: 0.0.0.0:9443\n```\n\n"
        + table(("key", "default", "environment", "meaning"), rows)
    )


def metrics() -> str:
    """Every metric of the sink."""
    from ingest.telemetry import Telemetry

    rows = []
    for metric in Telemetry().registry._names_to_collectors.values():  # noqa: SLF001 (no public way to read label names)
        entry: Any = metric
        suffix = "_total" if entry._type == "counter" else ""  # noqa: SLF001
        labels = ", ".join(f"`{label}`" for label in entry._labelnames)  # noqa: SLF001
        rows.append((f"`{entry._name}{suffix}`", entry._type, labels, entry._documentation))  # noqa: SLF001
    unique = sorted(set(rows))
    promise = (inspect.getdoc(sys.modules["ingest.telemetry"]) or "").split("\n\n")[1]
    return (
        "# Metrics of the sink\n\n`GET /metrics`, Prometheus text format. "
        + " ".join(promise.replace("``", "`").split())
        + "\n\n"
        + table(("metric", "type", "labels", "meaning"), unique)
    )


def detections() -> str:
    """Every rule, in one form, and what the rules cover."""
    from detections.catalog import load_catalog

    rules = sorted(load_catalog(), key=lambda rule: (-rule.severity.rank, rule.id))
    out = [
        "# Detections\n\n",
        f"{len(rules)} rules. `ashiato rules list` shows them in a terminal, `ashiato rules show ID` a rule with its query, ",
        "`ashiato rules test` runs the cases\nbeside each. *Severity*: how bad if true; a rule may raise or lower it for a request. ",
        "*Confidence*: how often true.\n\n",
        table(
            ("rule", "what happened", "severity", "confidence", "needs"),
            [(f"[`{r.id}`](#{r.id})", r.title, r.severity, r.confidence, f"level {r.needs.level}") for r in rules],
        ),
        "\n## By technique\n\n",
        _techniques(rules),
        "\n## By ATT&CK technique\n\n",
        table(("technique", "rules"), _covered(rules, lambda rule: rule.attack, _attack)),
        "\n## By practice\n\nThe practice that a rule guards.\n\n",
        table(("practice", "rules"), _covered(rules, lambda rule: (rule.practice,), str)),
        "\n## By tactic of Microsoft's threat matrix for Kubernetes\n\n",
        table(("technique", "rules"), _covered(rules, lambda rule: rule.threat_matrix, str)),
        "\n## By layer and control\n\n",
        table(("layer, control", "rules"), _covered(rules, lambda rule: (f"{rule.layer}, {rule.control}",), str)),
        "\n## The rules\n",
    ]
    for rule in rules:
        out.append(f"\n### {rule.id}\n\n**{rule.title}.** {_line(rule.why)}\n\n")
        facts = [
            ("severity, confidence", f"{rule.severity}, {rule.confidence}"),
            ("status", rule.status),
            ("techniques", ", ".join(f"`{text}`" for text in rule.techniques)),
            ("ATT&CK", ", ".join(_attack(text) for text in rule.attack)),
            ("practice, layer, control", f"{rule.practice}, {rule.layer}, {rule.control}"),
            ("the log must show", _needs(rule.needs)),
            ("one finding per", ", ".join(f"`{name}`" for name in rule.entity) + f", in windows of {rule.window}"),
            ("file", f"`{rule.path.relative_to(REFERENCE.parent.parent).as_posix()}`"),
        ]
        out.append(table(("", ""), facts))
        out.append(
            f"\n- **Cannot see:** {_line(rule.blind_spots)}\n- **Also looks like this:** {_line(rule.false_positives)}\n\n"
        )
        out.append("To check:\n\n" + "".join(f"{n}. {_line(step)}\n" for n, step in enumerate(rule.triage, 1)))
        if rule.params:
            rows = [
                (f"`{q.name}`", f"`{q.default}`" if q.default is not None else "yours to set", q.why)
                for q in rule.params
            ]
            out.append("\n" + table(("parameter", "default", "meaning"), rows))
        out += [f"\n<{link}>\n" for link in rule.references]
    return "".join(out)


def _techniques(rules: Iterable[Any]) -> str:
    """All techniques of the catalogue, those without a rule as well."""
    from detections.techniques import techniques

    by: dict[str, list[str]] = {}
    for rule in rules:
        for key in rule.techniques:
            by.setdefault(key, []).append(f"[`{rule.id}`](#{rule.id})")
    known = techniques()
    rows = [(f"`{key}`", known[key].title, ", ".join(by.get(key, [])) or "*none yet*") for key in known]
    covered = sum(key in by for key in known)
    return (
        f"{covered} of the {len(known)} techniques of Ashiato's own catalogue (`detections/techniques.yml`) have a rule.\n\n"
        + table(("id", "technique", "rules"), rows)
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _attack(identifier: str) -> str:
    return f"[{identifier}](https://attack.mitre.org/techniques/{identifier.replace('.', '/')}/)"


def _needs(needs: Any) -> str:
    parts = [f"level {needs.level} or higher"]
    parts += [
        f"{name} {', '.join(values)}" for name in ("stages", "verbs", "resources") if (values := getattr(needs, name))
    ]
    return "; ".join(parts)


def _covered(
    rules: Iterable[Any], of: Callable[[Any], Iterable[str]], show: Callable[[str], str]
) -> list[tuple[object, ...]]:
    found: dict[str, list[str]] = {}
    for rule in rules:
        for key in of(rule):
            found.setdefault(key, []).append(rule.id)
    return [(show(key), ", ".join(f"[`{name}`](#{name})" for name in ids)) for key, ids in sorted(found.items())]


_ERRORS = {"AshiatoError": 0, "UsageError": 0, "NothingToRead": 0, "Refusal": 1, "_Failure": 2}
"""Who carries a code, a message and a hint, and at which position the code stands."""


def errors() -> str:
    """Every error of the product with its code, read from the source."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    root = REFERENCE.parent.parent
    for package in ("ashiato", "api", "detections", "ingest", "lake"):
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in _ERRORS:
                    continue
                position = _ERRORS[getattr(node.func, "id", "")]
                words = [_text(argument) for argument in node.args[position : position + 3]]
                words += [_text(keyword.value) for keyword in node.keywords if keyword.arg == "hint"]
                if words and words[0] and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", words[0]):
                    code, message, hint = (*words, "", "")[:3]
                    entry = (message, hint, path.relative_to(root).as_posix())
                    if entry not in found.setdefault(code, []):
                        found[code].append(entry)
    rows = [(f"`{code}`", *entry) for code, entries in sorted(found.items()) for entry in entries]
    return (
        "# Errors\n\n"
        "Every error has a stable code, in brackets on the command line and as `error.code` in an HTTP answer. `…` stands for what\n"
        "differs from case to case. [Troubleshooting](../troubleshooting.md) says more about the frequent ones.\n\n"
        + table(("code", "what it says", "what to do", "from"), rows)
    )


def _text(node: ast.expr) -> str:
    """A message as its source spells it, with … for every part that is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "schema.md": ("lake/schema.py", schema),
    "cli.md": ("the commands of ashiato/", cli),
    "configuration.md": ("the options of the commands", configuration),
    "errors.md": ("the errors raised in the code", errors),
    "detections.md": ("the rules under detections/rules/", detections),
    "metrics.md": ("ingest/telemetry.py", metrics),
}


def main() -> int:
    """Write or check every page; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page differs")
    check = parser.parse_args().check
    differing = 0
    for name, (source, render) in PAGES.items():
        path = REFERENCE / name
        text = HEAD.format(source=source) + render()
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if text == kept:
            continue
        differing += 1
        if check:
            lines = difflib.unified_diff(
                kept.splitlines(), text.splitlines(), f"{name} as kept", f"{name} as the code has it", lineterm="", n=0
            )
            print("\n".join(list(lines)[:20]))
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    if check and differing:
        print(f"{differing} reference page(s) differ from the code; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
