"""What a technique is for: its ATT&CK tactic, and its step in the chain of an attack."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from detections.techniques import techniques

_FILE = Path(__file__).parent / "tactics.yml"


@cache
def _content() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return content


def tactic(attack: str) -> str | None:
    """The name of the tactic that an ATT&CK technique (``T1552.007``) stands for; None for one we do not know."""
    known = _content()["techniques"]
    found = known.get(attack) or known.get(attack.split(".", maxsplit=1)[0])
    return str(_content()["tactics"][found]) if found else None


def tactic_of(technique_ids: Iterable[str]) -> str | None:
    """The tactic of the first of *technique_ids* (of our catalogue) that has one: a deed is one step, not several."""
    catalogue = techniques()
    for technique_id in technique_ids:
        for attack in catalogue[technique_id].attack if technique_id in catalogue else ():
            found = tactic(attack)
            if found:
                return found
    return None


def chain() -> tuple[str, ...]:
    """The steps of an attack, in order: recon, secrets, rights, workload, cleanup."""
    return tuple(_content()["chain"])


@cache
def _steps() -> dict[str, int]:
    return {technique: number for number, name in enumerate(chain()) for technique in _content()["chain"][name]}


def step_of(technique_ids: Iterable[str]) -> int | None:
    """The position in ``chain()`` of the first of *technique_ids* that is a step; None when none is."""
    return next((_steps()[technique] for technique in technique_ids if technique in _steps()), None)
