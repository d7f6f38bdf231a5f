"""What the rules cover, as a layer of the ATT&CK Navigator (layer format 4.5)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from detections.finding import Finding
from detections.rule import Rule

VERSIONS = {"attack": "18", "navigator": "5.1.0", "layer": "4.5"}


def layer(rules: Sequence[Rule], findings: Iterable[Finding] = (), *, name: str = "Ashiato") -> dict[str, Any]:
    """The layer as a JSON object: a technique's score is the number of its rules; its comment names them.

    With *findings* each technique says how many there were, and the score is that number instead.
    """
    by: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        for technique in rule.attack:
            by[technique].append(rule)
    counted = Counter(finding.rule_id for finding in findings if finding.suppressed is None)
    entries = []
    for technique in sorted(by):
        found = sum(counted[rule.id] for rule in by[technique])
        entries.append(
            {
                "techniqueID": technique,
                "score": found if counted else len(by[technique]),
                "comment": "; ".join(sorted(rule.id for rule in by[technique])),
                "enabled": True,
                "metadata": [
                    {"name": "rules", "value": str(len(by[technique]))},
                    {"name": "findings", "value": str(found)},
                ],
                "showSubtechniques": "." in technique,
            }
        )
    most = max((int(entry["score"]) for entry in entries), default=1)  # type: ignore[call-overload]
    return {
        "name": name,
        "versions": VERSIONS,
        "domain": "enterprise-attack",
        "description": f"{len(rules)} rules over the Kubernetes audit log"
        + ("; scores are findings" if counted else "; scores are rules"),
        "filters": {"platforms": ["Containers", "IaaS", "Linux"]},
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "showName": True},
        "hideDisabled": False,
        "techniques": entries,
        "gradient": {"colors": ["#ffffff", "#1f5f5b"], "minValue": 0, "maxValue": max(1, most)},
        "legendItems": [],
        "metadata": [],
    }
