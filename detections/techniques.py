"""The catalogue of techniques: what the audit log can show, whether a rule covers it yet or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).parent / "techniques.yml"


@dataclass(frozen=True, slots=True)
class Technique:
    """One way of attacking that leaves traces: ``attack`` are ATT&CK ids, ``threat_matrix`` Microsoft's."""

    id: str
    title: str
    attack: tuple[str, ...]
    threat_matrix: tuple[str, ...]


@cache
def techniques() -> dict[str, Technique]:
    """All techniques by id, in the catalogue's order."""
    content = yaml.safe_load(_FILE.read_text())
    return {
        key: Technique(key, body["title"], tuple(body["attack"]), tuple(body["threat_matrix"]))
        for key, body in content.items()
    }
