"""Read a suppressions file strictly: everything that is wrong with it at once, as ``file:line: what``.

A typing error in an exception either hides what it should not, or hides nothing and nobody notices.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import yaml

from detections.rule import CLAIMED, Rule
from detections.suppression import ANYWHERE, Suppression
from lake.errors import UsageError

TOP = "suppressions"
_KEYS = ("rule", "match", "owner", "reason", "expires")
_CLAIMS = (*CLAIMED, "agent")
_NULL, _TEXT, _DATE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"


class SuppressionsInvalid(UsageError):
    """Everything that is wrong with a suppressions file, one ``file:line: what`` a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "suppressions-invalid",
            "\n".join(problems),
            "an entry: {rule: ID, match: {column: value or patterns}, owner: WHO, reason: WHY, expires: 2027-03-31}",
        )
        self.problems = problems


def load_suppressions(
    path: Path, rules: Sequence[Rule], *, broken: Collection[str] = (), within_config: bool = False
) -> tuple[Suppression, ...]:
    """The entries of *path*, in order; *rules* are all that there are, but for those whose files are *broken*.

    Entries of a broken rule are left out: it will find nothing. Raises SuppressionsInvalid with every problem.
    ``within_config``: the list stands among other settings.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SuppressionsInvalid([f"{path}: cannot be read: {error}"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SuppressionsInvalid([f"{path}:{line}: {getattr(error, 'problem', None) or error}"]) from None
    reader = _Reader(path, {rule.id: rule for rule in rules}, broken)
    entries = tuple(reader.entries(root, within_config))
    if reader.problems:
        raise SuppressionsInvalid([f"{path}:{line}: {what}" for line, what in sorted(reader.problems)])
    return entries


class _Reader:
    """Walks the YAML nodes, which know their lines, and collects what is wrong."""

    def __init__(self, path: Path, rules: Mapping[str, Rule], broken: Collection[str]) -> None:
        self._path, self._rules, self._broken = path, rules, broken
        self.problems: list[tuple[int, str]] = []
        self._seen: dict[object, int] = {}

    def entries(self, root: yaml.Node | None, within_config: bool) -> Iterator[Suppression]:
        """The entries that can be read at all; problems are in ``problems``."""
        top = self._mapping(root, f"the file must hold a list under '{TOP}:'") if root else {}
        for name, node in top.items():
            if name != TOP and not within_config:
                self._problem(node, _unknown("key", name, (TOP,)))
        entries = top.get(TOP)
        if entries is None or entries.tag == _NULL:
            return
        if not isinstance(entries, yaml.SequenceNode):
            self._problem(entries, f"{TOP} must be a list")
            return
        for item in entries.value:
            found = self._entry(item)
            if found is not None:
                yield found

    def _entry(self, node: yaml.Node) -> Suppression | None:
        before = len(self.problems)
        entry = self._mapping(node, "an entry must be a mapping with rule, match, owner, reason and expires")
        if not entry:
            return None
        for name, value in entry.items():
            if name not in _KEYS:
                self._problem(value, _unknown("key", name, _KEYS))
        for name in _KEYS:
            if name not in entry or (entry[name].tag == _NULL and name != "match"):
                self._problem(node, f"{name} is missing")
        rule = self._rule(entry.get("rule"))
        match = self._match(entry.get("match"), rule)
        owner, reason = self._text(entry, "owner"), self._text(entry, "reason")
        expires = self._date(entry.get("expires"))
        if len(self.problems) > before or rule is None or expires is None:
            return None
        line = _line(node)
        key = (rule.id, frozenset((name, frozenset(patterns)) for name, patterns in match.items()))
        first = self._seen.setdefault(key, line)
        if first != line:
            self._problem(node, f"the same rule and match stand on line {first} already")
        return Suppression(rule.id, match, owner, reason, expires, f"{self._path}:{line}")

    def _rule(self, node: yaml.Node | None) -> Rule | None:
        if node is None or node.tag == _NULL or (isinstance(node, yaml.ScalarNode) and node.value in self._broken):
            return None
        if not isinstance(node, yaml.ScalarNode) or node.value not in self._rules:
            name = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            self._problem(node, _unknown("rule", name, tuple(self._rules), list_all="see: ashiato rules list"))
            return None
        return self._rules[node.value]

    def _match(self, node: yaml.Node | None, rule: Rule | None) -> dict[str, tuple[str | None, ...]]:
        if node is None:
            return {}
        columns = self._mapping(node, "match must be a mapping of columns to values or patterns")
        if not columns and isinstance(node, yaml.MappingNode):
            self._problem(node, "match is empty: to do without a rule, leave it out of the run")
        allowed = (*(rule.entity if rule else ()), *ANYWHERE)
        match: dict[str, tuple[str | None, ...]] = {}
        for name, value in columns.items():
            if name in _CLAIMS:
                self._problem(value, f"{name} is what the client claims: whoever claims the same would be exempt")
            elif rule and name not in allowed:
                self._problem(value, _unknown(f"column of {rule.id}", name, allowed))
            match[name] = self._patterns(name, value)
        return match

    def _patterns(self, name: str, node: yaml.Node) -> tuple[str | None, ...]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not nodes:
            self._problem(node, f"{name} is an empty list")
        patterns: list[str | None] = []
        for item in nodes:
            if not isinstance(item, yaml.ScalarNode) or item.tag not in (_TEXT, _NULL):
                self._problem(item, f"{name} must be text, null or a list of them; quote what looks like a number")
            elif item.tag == _TEXT and not item.value.strip("*?"):
                self._problem(item, f"{name}: {item.value!r} fits anything; leave {name} out, or say what is meant")
            else:
                patterns.append(None if item.tag == _NULL else item.value)
        return tuple(patterns)

    def _text(self, entry: Mapping[str, yaml.Node], name: str) -> str:
        node = entry.get(name)
        if node is None or node.tag == _NULL:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT or not node.value.strip():
            self._problem(node, f"{name} must be text")
            return ""
        return " ".join(node.value.split())

    def _date(self, node: yaml.Node | None) -> date | None:
        if node is None or node.tag == _NULL:
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag in (_TEXT, _DATE):
            with contextlib.suppress(ValueError):
                return date.fromisoformat(node.value)
        self._problem(node, "expires must be a day, such as 2027-03-31: the last on which it holds (UTC)")
        return None

    def _mapping(self, node: yaml.Node, otherwise: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, otherwise)
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                self._problem(key, f"{name} stands twice")
            found[name] = value
        return found

    def _problem(self, node: yaml.Node, what: str) -> None:
        self.problems.append((_line(node), what))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _unknown(what: str, name: str, known: Sequence[str], list_all: str = "") -> str:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else list_all or f"one of: {', '.join(known)}"
    return f"unknown {what} {name!r}: {hint}"
