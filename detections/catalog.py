"""All rules: those that come with Ashiato and those of the operator's folders; ids are unique."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from detections.rule import Rule, RuleInvalid, Severity, load_rule
from lake.errors import UsageError

RULES_FOLDER = Path(__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Catalog:
    """The rules that can be read, by id, and what is wrong with the others: ``file:line: what``, each file's together."""

    rules: list[Rule]
    problems: dict[str, list[str]]


def read_catalog(folders: Sequence[Path] = ()) -> Catalog:
    """The packaged rules and those of *folders*; a broken file does not hinder the others.

    Raises UsageError ``rules-folder-missing`` for a folder that is none.
    """
    rules: dict[str, Rule] = {}
    problems: dict[str, list[str]] = {}
    for folder in (RULES_FOLDER, *folders):
        if not folder.is_dir():
            raise UsageError("rules-folder-missing", f"there is no folder {folder}", "check --rules")
        for path in sorted(folder.rglob("*.sql")):
            try:
                rule = _load(path)
            except RuleInvalid as error:
                problems[path.stem] = error.problems
                continue
            if rule.id in rules:
                problems.setdefault(path.stem, []).append(f"{path}:1: id {rule.id!r} is taken by {rules[rule.id].path}")
                continue
            rules[rule.id] = rule
    return Catalog([rules[key] for key in sorted(rules)], problems)


def load_catalog(folders: Sequence[Path] = ()) -> list[Rule]:
    """All rules, by id; RuleInvalid with every problem of every file where one is broken."""
    catalog = read_catalog(folders)
    if catalog.problems:
        raise RuleInvalid([problem for problems in catalog.problems.values() for problem in problems])
    return catalog.rules


@cache
def _load(path: Path) -> Rule:
    return load_rule(path)


def choose(
    rules: Iterable[Rule], ids: Sequence[str] = (), severity: str | None = None, techniques: Sequence[str] = ()
) -> list[Rule]:
    """The rules with one of *ids* (all, if none), at least *severity*, for one of *techniques*.

    Raises UsageError for an id that no rule has.
    """
    rules = list(rules)
    known = {rule.id for rule in rules}
    for name in ids:
        if name not in known:
            import difflib

            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else "see them all: ashiato rules list"
            raise UsageError("rule-unknown", f"no rule is called {name!r}", hint)
    least = Severity(severity).rank if severity else 0
    return [
        rule
        for rule in rules
        if (not ids or rule.id in ids)
        and rule.severity.rank >= least
        and (not techniques or set(techniques) & set(rule.techniques))
    ]
