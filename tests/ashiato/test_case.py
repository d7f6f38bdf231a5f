"""A case file holds the evidence exactly, says how it came about, and can be checked."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from ashiato.case import export_case
from detections.catalog import choose, load_catalog
from detections.engine import detect
from detections.incremental import store
from ingest.rows import rows
from lake.delta import Lake
from lake.errors import AshiatoError
from tests.builders import NOON, audit_event


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.open(tmp_path / "lake", create=True)
    dump = audit_event(
        1,
        {
            "verb": "list",
            "user": {"username": "mallory"},
            "objectRef": {"resource": "secrets", "namespace": None, "name": None},
        },
    )
    lake.append(
        "events",
        rows(
            [json.dumps(event).encode() for event in (audit_event(0), dump, audit_event(2))], "prod", "apiserver", NOON
        ),
    )
    store(lake, detect(lake, choose(load_catalog(), ["secrets-listed-cluster-wide"])).findings)
    return lake


def test_a_case_holds_its_evidence_and_can_be_checked(lake: Lake, tmp_path: Path) -> None:
    """Events as they came, the finding, its rule, and checksums that fit."""
    (finding,) = detect(lake, choose(load_catalog(), ["secrets-listed-cluster-wide"])).findings

    case = export_case(lake, tmp_path / "case.zip", finding_ids=[finding.finding_id], title="Secrets")

    with zipfile.ZipFile(tmp_path / "case.zip") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    (event,) = map(json.loads, contents["events.jsonl"].splitlines())
    assert (event["kind"], event["verb"], event["user"]["username"]) == ("Event", "list", "mallory")
    assert json.loads(contents["findings.jsonl"])["finding_id"] == finding.finding_id
    assert b"id: secrets-listed-cluster-wide" in contents["rules/secrets-listed-cluster-wide.sql"]
    line = json.loads(contents["timesketch.jsonl"])
    assert line["message"].startswith("mallory list secrets")
    assert {"datetime", "timestamp_desc"} <= set(line)
    told = dict(reversed(text.split("  ")) for text in contents["SHA256SUMS"].decode().splitlines())
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in contents.items() if name != "SHA256SUMS"}
    assert (case.events, case.findings) == (1, 1)


def test_the_same_question_gives_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    """Two exports of one lake version are equal, so that two people can compare theirs."""
    for name in ("one.zip", "two.zip"):
        export_case(lake, tmp_path / name, where="verb = 'get'")

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.zip").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({}, "case-question"),
        ({"finding_ids": ["nothing"]}, "finding-unknown"),
        ({"where": "verb = 'nothing'"}, "case-empty"),
        ({"where": "nonsense = 1"}, "sql-invalid"),
        ({"where": "true); DROP TABLE events; --"}, "sql-invalid"),
        ({"where": "verb IN (SELECT content FROM read_text('/etc/passwd'))"}, "sql-function-refused"),
    ],
)
def test_a_case_of_nothing_is_an_error(lake: Lake, tmp_path: Path, question: dict[str, object], code: str) -> None:
    """What makes no case is said, and no file is left behind."""
    with pytest.raises(AshiatoError) as caught:
        export_case(lake, tmp_path / "case.zip", **question)  # type: ignore[arg-type]

    assert caught.value.code in (code, "sql-not-select")
    assert not list(tmp_path.glob("case*"))
