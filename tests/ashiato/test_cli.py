"""The command line as a person uses it: real processes' exit codes, words on the right stream."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ashiato.cli import COMMANDS, run

SAMPLES = Path(__file__).resolve().parents[2] / "sample_logs"


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASHIATO_REDACTION_KEY", str(tmp_path / "key"))
    for name in ("ASHIATO_LAKE", "ASHIATO_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake with the attack capture."""
    folder = tmp_path_factory.mktemp("attacks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASHIATO_REDACTION_KEY", str(folder / "key"))
        assert (
            run(["import", str(SAMPLES / "attacks.jsonl.gz"), "--lake", str(folder / "lake"), "--cluster", "prod"]) == 0
        )
    return str(folder / "lake")


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """--help of the program and of each command works and is no empty page."""
    assert run(["--help"]) == 0
    listing = capsys.readouterr().out
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        assert len(capsys.readouterr().out) > 150
        assert f"  {name} " in listing


def test_import_counts_and_says_what_next(attacks: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A second import of the same file says that everything was stored already."""
    assert run(["import", str(SAMPLES / "attacks.jsonl.gz"), "--lake", attacks, "--cluster", "prod"]) == 0
    out = capsys.readouterr().out

    assert "4,119 received from 1 file: 0 written, 4,119 stored already, 0 quarantined" in out


def test_export_gives_back_what_was_imported(attacks: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Exported lines are the imported events as JSON values, in time order."""
    import gzip

    assert run(["export", "--lake", attacks]) == 0
    out = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    with gzip.open(SAMPLES / "attacks.jsonl.gz") as lines:
        given = [json.loads(line) for line in lines]

    def key(event: dict[str, str]) -> str:
        return json.dumps(event, sort_keys=True)

    assert sorted(out, key=key) == sorted(given, key=key)
    assert [event["stageTimestamp"] for event in out] == sorted(event["stageTimestamp"] for event in given)


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "markdown", "html", "csv"])
def test_timeline_shows_who_did_what_in_every_format(
    attacks: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The timeline of a user shows that user's requests and no other's."""
    assert run(["timeline", "--lake", attacks, "--user", "mallory", "--resource", "secrets", "--format", form]) == 0
    out = capsys.readouterr().out

    assert "mallory" in out
    assert "203.0.113.66" in out
    assert "dev-alice" not in out


def test_sql_takes_one_select_and_nothing_else(attacks: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A SELECT answers; anything else is refused with exit code 2 and a hint, without a traceback."""
    assert run(["sql", "--lake", attacks, "--format", "json", "SELECT count(*) AS n FROM events"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 4119}]
    for query in (
        "DROP VIEW events",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM events",
        "SELECT * FROM '/etc/passwd'",
        "",
    ):
        assert run(["sql", "--lake", attacks, query]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "hint:" in error


def test_no_lake_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    """A lake that is not there is named, with what to do."""
    assert run(["timeline", "--lake", "nowhere"]) == 3
    assert "nowhere" in capsys.readouterr().err


def test_the_source_folder_is_no_lake(capsys: pytest.CaptureFixture[str]) -> None:
    """In a source checkout ./lake is code: nothing is written into it."""
    Path("lake").mkdir()
    Path("lake/__init__.py").touch()
    Path("a.jsonl").write_text("{}\n")

    assert run(["import", "a.jsonl", "--cluster", "c"]) == 2
    assert "lake-is-source" in capsys.readouterr().err
    assert [p.name for p in Path("lake").iterdir()] == ["__init__.py"]


def test_wrong_words_are_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown options, bad durations and bad cluster names are usage errors."""
    assert run(["timeline", "--nonsense"]) == 2
    assert run(["timeline", "--last", "soon"]) == 2
    assert "'soon'" in capsys.readouterr().err
    Path("a.jsonl").write_text("{}\n")
    assert run(["import", "a.jsonl", "--cluster", "../../etc", "--lake", "l"]) == 2
    assert not Path("l").exists()


def test_configuration_has_an_order_and_no_unknown_keys(
    attacks: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File under environment under flag; an unknown key is an error that guesses what was meant."""
    Path("ashiato.yaml").write_text(f"lake: {attacks}\ntimeline:\n  limit: 3\n  format: json\n")
    assert run(["timeline"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    monkeypatch.setenv("ASHIATO_TIMELINE_LIMIT", "2")
    assert run(["timeline"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert run(["timeline", "--limit", "1"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1

    assert run(["config", "show", "--format", "json"]) == 0
    shown = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert shown["lake"]["origin"] == "ashiato.yaml"
    assert shown["timeline.limit"]["origin"] == "environment ASHIATO_TIMELINE_LIMIT"
    assert shown["timeline.verb"]["origin"] == "default"

    Path("ashiato.yaml").write_text("timeline:\n  limitt: 3\n")
    assert run(["timeline"]) == 2
    assert "did you mean timeline.limit?" in capsys.readouterr().err


def test_quarantine_shows_the_bytes_as_received(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What was set aside comes back byte for byte, and only with the key."""
    Path("bad.jsonl").write_bytes(b'{"kind": "Pod"\xff}\n')
    assert run(["import", "bad.jsonl", "--cluster", "c", "--lake", "l"]) == 0
    capfdbinary.readouterr()
    assert run(["quarantine", "list", "--lake", "l", "--format", "json"]) == 0
    (row,) = json.loads(capfdbinary.readouterr().out)
    assert run(["quarantine", "show", row["quarantine_id"], "--lake", "l"]) == 0
    assert capfdbinary.readouterr().out == b'{"kind": "Pod"\xff}'
    assert run(["quarantine", "show", row["quarantine_id"], "--lake", "l", "--redaction-key", "other"]) == 1


def test_compact_merges_and_keeps_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """After compaction there are fewer files and the same events; a dry run changes nothing."""
    for name in ("benign.jsonl.gz", "gce.jsonl.gz"):
        assert run(["import", str(SAMPLES / name), "--cluster", "c", "--lake", "l"]) == 0
    before = sorted(Path("l/events").rglob("*.parquet"))
    assert run(["compact", "--lake", "l", "--dry-run"]) == 0
    assert sorted(Path("l/events").rglob("*.parquet")) == before
    assert run(["compact", "--lake", "l"]) == 0
    capsys.readouterr()
    assert (
        run(
            [
                "sql",
                "--lake",
                "l",
                "--format",
                "json",
                "SELECT count(*) AS n, count(DISTINCT event_id) AS d FROM events",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out) == [{"n": 6630 + 3615, "d": 6630 + 3615}]
    assert run(["compact", "--lake", "l"]) == 0
    assert "nothing to merge" in capsys.readouterr().out


def test_a_broken_rule_does_not_hinder_the_others(
    attacks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each broken file is told with its lines, the other rules judge, and the run says that it is incomplete."""
    (tmp_path / "half-a-rule.sql").write_text("/*---\nid: half-a-rule\nseverity: awful\n---*/\nSELECT 1\n")
    (tmp_path / "no-rule.sql").write_text("SELECT 1\n")

    assert run(["detect", "--lake", attacks, "--rules", str(tmp_path), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)

    broken = {item["rule_id"]: item["error"] for item in found["failed"]}
    assert set(broken) == {"half-a-rule", "no-rule"}
    assert "half-a-rule.sql:3: severity 'awful'" in broken["half-a-rule"]
    assert found["findings"]


def test_a_profile_names_every_rule_that_ran(attacks: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--profile says on standard error what each rule took, the slowest first; the result stays as it is."""
    assert (
        run(
            [
                "detect",
                "--lake",
                attacks,
                "--rule",
                "admin-role-bound",
                "--rule",
                "anonymous-write",
                "--profile",
                "--format",
                "json",
            ]
        )
        == 0
    )
    printed = capsys.readouterr()

    lines = [
        line.split()
        for line in printed.err.splitlines()
        if line.strip().endswith(("admin-role-bound", "anonymous-write", "(views)"))
    ]
    assert {line[-1] for line in lines} == {"admin-role-bound", "anonymous-write", "(views)"}
    assert [float(line[0]) for line in lines] == sorted((float(line[0]) for line in lines), reverse=True)
    assert json.loads(printed.out)["findings"]
