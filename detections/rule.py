"""One detection: a ``.sql`` file with YAML front matter, read and checked as a whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from lake.errors import AshiatoError, UsageError
from lake.timerange import parse_duration


class Severity(StrEnum):
    """How bad it is if it is true."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATIONAL = "informational"

    @property
    def rank(self) -> int:
        """0 for informational up to 4 for critical."""
        return len(Severity) - 1 - list(Severity).index(self)


class Confidence(StrEnum):
    """How often it is true."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Status(StrEnum):
    """How settled a rule is."""

    STABLE = "stable"
    EXPERIMENTAL = "experimental"
    DEPRECATED = "deprecated"


LEVELS = ("Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
LAYERS = ("cloud", "cluster", "container", "code")
CONTROLS = ("prevention", "detection", "response")
CLAIMED = ("user_agent", "source_ips", "audit_id")
PRACTICES = (
    "rbac", "secrets", "pod-security", "network", "audit-logging", "cluster-components", "supply-chain", "runtime",
    "admission",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Needs:
    """What the log must show for the rule to judge; empty lists ask for nothing.

    ``resources`` are ``resource`` or ``resource/subresource``; without a level, Metadata does. ``history`` is
    how much log a baseline must know from before: the engine reads that much further back.
    """

    level: str = "Metadata"
    stages: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    history: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Param:
    """A value the operator may set. ``default`` None: only the operator can know it."""

    name: str
    default: Any
    why: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A detection, checked. ``sql`` is the query below the front matter, which begins at ``sql_line``.

    ``claims`` are the columns it reads that a client sets as it likes: they may be the subject of a rule
    (a tool that names itself), never the reason for an exemption.
    """

    id: str
    title: str
    techniques: tuple[str, ...]
    status: Status
    severity: Severity
    confidence: Confidence
    attack: tuple[str, ...]
    threat_matrix: tuple[str, ...]
    layer: str
    control: str
    practice: str
    needs: Needs
    window: timedelta
    entity: tuple[str, ...]
    params: tuple[Param, ...]
    why: str
    blind_spots: str
    false_positives: str
    triage: tuple[str, ...]
    references: tuple[str, ...]
    claims: tuple[str, ...]
    sql: str
    sql_line: int
    version: str
    path: Path

    def bound(self, given: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """Values of the parameters: *given* over the defaults; None where only the operator knows."""
        return {param.name: given.get(param.name, param.default) for param in self.params}


class RuleInvalid(AshiatoError):
    """Everything that is wrong with one rule file, as ``file:line: what``."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("rule-invalid", "\n".join(problems), "compare with a rule that works, or: ashiato rules new")
        self.problems = problems


_FRONT_MATTER = re.compile(r"\A/\*---\n(.*?)\n---\*/\n", re.DOTALL)
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)", re.IGNORECASE)
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
_REQUIRED = (
    "id", "title", "techniques", "status", "severity", "confidence", "attack", "layer", "control", "practice",
    "window", "entity", "why", "blind_spots", "false_positives", "triage",
)  # fmt: skip
_OPTIONAL = ("threat_matrix", "needs", "params", "references", "claims")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML would silently let win."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_rule(path: Path) -> Rule:
    """The rule in *path*; RuleInvalid with every problem found."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RuleInvalid([f"{path}: cannot be read: {error}"]) from None
    match = _FRONT_MATTER.match(text)
    if not match:
        raise RuleInvalid([f"{path}:1: no front matter: the file must begin with /*---, YAML and ---*/"])
    try:
        front = yaml.load(match.group(1), _Loader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        raise RuleInvalid([f"{path}:{line}: {getattr(error, 'problem', None) or error}"]) from None
    sql = text[match.end() :].strip()
    return _Reader(path, match.group(1), front, sql, text.count("\n", 0, match.end()) + 1, text).rule()


class _Reader:
    """Collects problems while reading one front matter, so that a person sees all of them at once."""

    def __init__(self, path: Path, yaml_text: str, front: Any, sql: str, sql_line: int, text: str) -> None:
        self._path, self._yaml, self._sql, self._sql_line, self._text = path, yaml_text, sql, sql_line, text
        self._front: dict[str, Any] = front if isinstance(front, dict) else {}
        self._problems: list[str] = []
        if not isinstance(front, dict):
            self._problems.append(f"{path}:2: the front matter is not a mapping")

    def rule(self) -> Rule:
        front = self._front
        for key in front:
            if key not in (*_REQUIRED, *_OPTIONAL):
                self._problem(str(key), f"unknown key {key!r}")
        for key in _REQUIRED:
            if front.get(key) in (None, "", []):
                self._problem(key, f"{key} is missing")
        params = self._params()
        used = set(_PARAMETER.findall(re.sub(r"--[^\n]*", "", self._sql)))
        for param in params:
            if param.name not in used:
                self._problem("params", f"parameter {param.name} is declared and not used")
        for name in sorted(used - {param.name for param in params}):
            self._problems.append(f"{self._path}:{self._sql_line}: ${name} is used and not declared under params")
        if not self._sql:
            self._problems.append(f"{self._path}:{self._sql_line}: no query below the front matter")
        identifier = str(front.get("id", ""))
        if identifier and identifier != self._path.stem:
            self._problem("id", f"id {identifier!r} is not the file's name {self._path.stem!r}")
        if identifier and not _ID.fullmatch(identifier):
            self._problem("id", f"id {identifier!r} must be lower-case words joined by dashes")
        rule = Rule(
            id=identifier,
            title=str(front.get("title", "")),
            techniques=self._texts("techniques"),
            status=Status(self._choice("status", tuple(Status))),
            severity=Severity(self._choice("severity", tuple(Severity))),
            confidence=Confidence(self._choice("confidence", tuple(Confidence))),
            attack=self._texts("attack"),
            threat_matrix=self._texts("threat_matrix"),
            layer=self._choice("layer", LAYERS),
            control=self._choice("control", CONTROLS),
            practice=self._choice("practice", PRACTICES),
            needs=self._needs(),
            window=self._window(),
            entity=self._texts("entity"),
            params=params,
            why=self._prose("why"),
            blind_spots=self._prose("blind_spots"),
            false_positives=self._prose("false_positives"),
            triage=self._texts("triage"),
            references=self._texts("references"),
            claims=self._claims(),
            sql=self._sql,
            sql_line=self._sql_line,
            version=hashlib.sha256(self._text.encode()).hexdigest()[:12],
            path=self._path,
        )
        if self._problems:
            raise RuleInvalid(self._problems)
        return rule

    def _problem(self, key: str, what: str) -> None:
        match = re.search(rf"^\s*{re.escape(key)}\s*:", self._yaml, re.MULTILINE)
        line = self._yaml.count("\n", 0, match.start()) + 2 if match else 1
        self._problems.append(f"{self._path}:{line}: {what}")

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._front.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._problem(key, f"{key} must be a list of texts")
            return ()
        return tuple(value)

    def _prose(self, key: str) -> str:
        value = self._front.get(key, "")
        if not isinstance(value, str):
            self._problem(key, f"{key} must be text")
        return " ".join(str(value).split())

    def _claims(self) -> tuple[str, ...]:
        claims = self._texts("claims")
        query = re.sub(r"--[^\n]*", "", self._sql)
        read = {column for column in CLAIMED if re.search(rf"\b{column}\b", query)}
        for column in sorted(read ^ set(claims)):
            what = "is read: a client sets it as it likes; say so" if column in read else "is declared and not read"
            self._problem("claims", f"{column} {what} under claims")
        return claims

    def _choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self._front.get(key)
        if value not in choices:
            if value is not None:
                self._problem(key, f"{key} {value!r} is none of {', '.join(choices)}")
            return choices[0]
        return str(value)

    def _window(self) -> timedelta:
        return self._duration("window", self._front.get("window", "1h"))

    def _duration(self, key: str, value: Any) -> timedelta:
        try:
            return parse_duration(str(value))
        except UsageError as error:
            self._problem(key, error.message)
            return timedelta(hours=1)

    def _needs(self) -> Needs:
        value = self._front.get("needs") or {}
        if not isinstance(value, dict) or not set(value) <= {"level", "stages", "verbs", "resources", "history"}:
            self._problem("needs", "needs may hold level, stages, verbs, resources and history")
            return Needs()
        level = value.get("level", "Metadata")
        stages = tuple(value.get("stages") or ())
        if level not in LEVELS:
            self._problem("level", f"level {level!r} is none of {', '.join(LEVELS)}")
        for stage in stages:
            if stage not in STAGES:
                self._problem("stages", f"stage {stage!r} is none of {', '.join(STAGES)}")
        history = self._duration("history", value["history"]) if "history" in value else timedelta()
        return Needs(level, stages, tuple(value.get("verbs") or ()), tuple(value.get("resources") or ()), history)

    def _params(self) -> tuple[Param, ...]:
        value = self._front.get("params") or {}
        params = []
        if not isinstance(value, dict):
            self._problem("params", "params must be a mapping of name to {default, why}")
            return ()
        for name, body in value.items():
            if not isinstance(body, dict) or "why" not in body or not set(body) <= {"default", "why"}:
                self._problem(str(name), f"parameter {name} needs a default (or none) and a why")
                continue
            params.append(Param(str(name), body.get("default"), str(body["why"])))
        return tuple(params)
