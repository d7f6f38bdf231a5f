"""Findings and coverage in the forms of others: Falco's lines, the ATT&CK Navigator's layers."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from ashiato.cli import run as ashiato
from detections.catalog import load_catalog
from detections.navigator import layer
from detections.reports import falco
from tests.reports.runs import whole


def test_falco_lines_have_what_its_consumers_read() -> None:
    """Time, rule, priority, source, output and output_fields of each finding that counts; priorities are Falco's."""
    run = whole()

    lines = [json.loads(line) for line in falco.render(run).splitlines()]

    assert len(lines) == len([finding for finding in run.findings if finding.suppressed is None])
    for line in lines:
        assert {"time", "rule", "priority", "source", "output", "output_fields", "tags", "hostname"} == set(line)
        assert line["priority"] in {"Critical", "Error", "Warning", "Notice", "Informational"}
        assert line["source"] == "k8s_audit"
        assert datetime.fromisoformat(line["time"]).tzinfo == UTC
        assert all(
            name.startswith("ka.") or name in {"finding_id", "rule_id", "event_count"} for name in line["output_fields"]
        )


def test_a_layer_keeps_to_the_navigators_form() -> None:
    """Format 4.5 of enterprise-attack: known keys, technique ids once each, scores within the gradient."""
    made = layer(load_catalog())

    assert made["versions"]["layer"] == "4.5"
    assert made["domain"] == "enterprise-attack"
    ids = [entry["techniqueID"] for entry in made["techniques"]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", one) for one in ids)
    gradient = made["gradient"]
    assert all(gradient["minValue"] <= entry["score"] <= gradient["maxValue"] for entry in made["techniques"])
    assert len(gradient["colors"]) >= 2


def test_the_command_writes_a_layer(tmp_path: Path) -> None:
    """`rules navigator -o` writes the same layer to a file."""
    assert ashiato(["rules", "navigator", "-o", str(tmp_path / "layer.json")]) == 0

    assert json.loads((tmp_path / "layer.json").read_text()) == json.loads(json.dumps(layer(load_catalog())))
