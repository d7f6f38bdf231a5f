"""Reports: complete, the same every time, and safe to read whatever an attacker wrote."""

from __future__ import annotations

import json
import os
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from detections.reports import FORMATS, text
from detections.reports.wording import request, short, timeline_command, visible
from tests.reports.runs import HOSTILE, blind, evidence, finding, hostile, quiet, rule, whole

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = {"table": "txt", "json": "json", "jsonl": "jsonl", "markdown": "md", "html": "html"}
HUMAN = ("table", "markdown", "html")


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name: str) -> None:
    """A run with all three outcomes renders as the golden file shows (UPDATE_GOLDEN=1 writes it anew)."""
    path = GOLDEN / f"whole.{SUFFIX[name]}"
    rendered = FORMATS[name].render(whole())
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(rendered, encoding="utf-8")

    assert rendered == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_every_outcome(name: str) -> None:
    """Each finding's rule, each skipped rule with its reason and each failed rule with its error is in every format."""
    run = whole()
    rendered = " ".join(FORMATS[name].render(run).replace("\\", "").split())

    for found in run.findings:
        assert found.rule_id in rendered
    for skipped in run.skipped:
        assert skipped.rule_id in rendered
        assert skipped.reason in rendered
    for failed in run.failed:
        assert failed.rule_id in rendered
        assert failed.error in rendered


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("run", [whole, hostile, quiet, blind])
def test_repeatable(name: str, run) -> None:
    """The same run renders the same bytes, which are valid UTF-8 and whole lines."""
    rendered = FORMATS[name].render(run())

    assert rendered == FORMATS[name].render(run())
    assert rendered.encode("utf-8").endswith(b"\n") or (name, run) == ("jsonl", quiet)


@pytest.mark.parametrize("name", HUMAN)
def test_quiet_is_not_blind(name: str) -> None:
    """A report without findings tells apart that nothing was found and that nothing could be seen."""
    assert "No findings" in FORMATS[name].render(quiet())
    assert "No rule could judge" in FORMATS[name].render(blind())
    assert "No findings" not in FORMATS[name].render(blind())


def test_severity_order() -> None:
    """The worst comes first, whatever order the findings come in."""
    run = whole()
    run.findings.reverse()
    rendered = text.render(run)

    assert rendered.index("CRITICAL") < rendered.index("HIGH") < rendered.index("LOW")


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_hostile() -> None:
    """No text from a log becomes a tag, an attribute or a link; the page loads and runs nothing."""
    page = _Page(FORMATS["html"].render(hostile()))
    shape = {tag for tag, _ in page.tags}

    assert shape <= {tag for tag, _ in _Page(FORMATS["html"].render(whole())).tags} | {"details", "summary"}
    assert shape.isdisjoint({"script", "img", "iframe", "link", "object", "form", "base"})
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")], tag
        assert (attributes.get("href") or "#").startswith("#")
    assert any("<script>alert(1)</script>" in words for words in page.texts)


def test_html_stands_alone() -> None:
    """The page forbids everything from elsewhere and names no address in its own style or markup."""
    page = FORMATS["html"].render(quiet())

    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_markdown_hostile() -> None:
    """Text from a log makes no link, image, HTML, emphasis or heading, and no table gets another shape."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(FORMATS["markdown"].render(hostile()))
    inline = {child.type for token in tokens for child in token.children or []}

    assert inline <= {"text", "code_inline", "softbreak", "text_special"}
    assert not [
        token.type for token in tokens if token.type in ("html_block", "fence", "code_block", "blockquote_open")
    ]
    cells = 0
    for token in tokens:
        if token.type == "tr_open":
            cells = 0
        cells += token.type in ("td_open", "th_open")
        if token.type == "tr_close":
            assert cells in (3, 5)
    codes = {child.content for token in tokens for child in token.children or [] if child.type == "code_inline"}
    for words in HOSTILE:
        assert f"{short(words, 100)} (acting as {short(words, 100)}) from {short(words, 60)}"[:399] in {
            c[:399] for c in codes
        }
        assert short(words, 400) in codes, "the user agent's cell"
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    assert headings.count("h1") == 1
    assert headings.count("h3") == len(HOSTILE)


def test_markdown_no_autolink() -> None:
    """A forge that turns bare addresses and mentions into links finds none outside code spans."""
    rendered = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", FORMATS["markdown"].render(hostile()))

    assert not re.search(r"(?<!\\)://|(?<!\\)@|www\.(?!\\)", rendered.replace("\\:", "").replace("\\@", ""))


@pytest.mark.parametrize("width", [60, 100, 200])
def test_text_hostile(width: int) -> None:
    """A terminal gets no control or bidirectional character from a log, and no line wider than it is."""
    rendered = text.render(hostile(), width=width)

    assert "\\u001b[2J" in rendered.replace("\n", "") or width == 60
    for line in rendered.split("\n"):
        assert line == visible(line)
        assert cell_len(line) <= width


def test_text_colour() -> None:
    """With colour, the only sequences are colours, and they are ours: without them the words are the same."""
    coloured = text.render(hostile(), colour=True)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)

    assert "\x1b[" in coloured
    assert [line.rstrip() for line in bare.split("\n")] == text.render(hostile()).split("\n")


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_hostile(name: str) -> None:
    """Programs get every character back, and one line stays one line."""
    rendered = FORMATS[name].render(hostile())
    whole_json = [json.loads(line) for line in rendered.splitlines()] if name == "jsonl" else json.loads(rendered)
    findings = [item for item in whole_json if "finding_id" in item] if name == "jsonl" else whole_json["findings"]

    assert rendered.isascii()
    assert [found["entity"]["user_name"] for found in findings] == list(HOSTILE)


def test_json_form() -> None:
    """Every field that programs rely on is there, times in RFC 3339 with microseconds."""
    found = json.loads(FORMATS["json"].render(whole()))["findings"][0]

    assert found["first_seen"] == "2026-11-23T12:00:01.000125Z"
    assert found["evidence"][0]["request_received_at"] == found["first_seen"]
    assert set(found) >= {
        "finding_id",
        "rule_id",
        "title",
        "techniques",
        "severity",
        "confidence",
        "cluster",
        "entity",
        "first_seen",
        "last_seen",
        "event_count",
        "event_ids",
    }


@pytest.mark.parametrize("name", ["$(reboot)", "a'b; rm -rf ~", "https://login.corp.example#bob", "-rf", "x y"])
def test_command_is_quoted(name: str) -> None:
    """The command to copy passes a name to the shell as one argument, whatever is in it."""
    found = finding(rule("x-y", whole().rules[0].severity), 1, [evidence(1, user_name=name)])
    command = timeline_command(found)

    assert command is not None
    assert shlex.split(command)[2:4] == ["--user", name]


@pytest.mark.parametrize("name", HUMAN)
def test_command_names_the_lake(name: str) -> None:
    """The command to copy works as it stands: it names the lake that was judged."""
    rendered = " ".join(FORMATS[name].render(whole(), lake="/var/lib/my lake").replace("&#39;", "'").split())

    assert "ashiato timeline --lake '/var/lib/my lake' --user mallory" in rendered


def test_command_not_for_hidden() -> None:
    """A name with characters that nobody sees gets no command to copy; the address does."""
    found = finding(rule("x-y", whole().rules[0].severity), 1, [evidence(1, user_name="bob\u200b")])

    assert "--source-ip 203.0.113.66" in str(timeline_command(found))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "get secrets shop/login-1 → 200"),
        ({"resource": None, "request_uri": "/version"}, "get /version → 200"),
        ({"subresource": "exec", "resource": "pods", "response_code": 101}, "get pods/exec shop/login-1 → 101"),
        ({"name": None, "namespace": None, "verb": "list", "response_code": None}, "list secrets"),
        ({"verb": None, "resource": None, "request_uri": None}, "? ? → 200"),
    ],
)
def test_request_words(fields: dict, words: str) -> None:
    """A request reads as verb, resource, place and outcome, whatever of it is missing."""
    assert request(evidence(1, **fields)) == words
