"""Docs: no dead link, no command or option that does not exist, no finding that no rule prints."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from ashiato.cli import cli
from detections.catalog import load_catalog
from detections.engine import detect
from detections.reports import text
from ingest.importer import import_files
from ingest.redact import Redactor
from lake.delta import Lake

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("sample_logs/*.md"),
        *ROOT.glob("bench/*.md"),
    )
    if path.name != "CHANGELOG.md"
)
SCRIPTS = [path for path in ROOT.glob("deploy/**/*") if path.is_file()]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _slug(heading: str) -> str:
    words = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project finds it, and its heading where it names one."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+://", target):
            continue
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page

        assert linked.exists(), f"{target} in {_name(page)}"
        if heading:
            found = {_slug(line.lstrip("# ")) for line in linked.read_text().splitlines() if line.startswith("#")}
            assert heading in found, f"{target} in {_name(page)}"


def _commands(text: str) -> list[list[str]]:
    """Every ``ashiato ...`` command line in *text*, as words, up to the shell's own signs."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = []
    for match in re.finditer(r"(?:^[# ]*|`|\| |&& |bin/)ashiato ([a-z][^\n`]*)", joined, re.MULTILINE):
        words = re.split(r"\s(?:[|>#&;]|2>|&&)|\s{3,}", match.group(1))[0].rstrip(".,;:)")
        try:
            found.append(shlex.split(words))
        except ValueError:
            found.append(words.split())
    return found


def _problem(words: list[str]) -> str | None:
    command: click.Command = cli
    context = click.Context(cli)
    rest = list(words)
    while isinstance(command, click.Group):
        if not rest or rest[0].startswith("-"):
            return None
        name = rest.pop(0)
        inner = command.get_command(context, name)
        if inner is None:
            return f"no command {name}"
        command = inner
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        option = word.split("=")[0].strip("[](),.;")
        if re.fullmatch(r"-{1,2}[a-z][a-z-]*", option) and option not in {*options, "--help", "-h"}:
            return f"{command.name} has no option {option}"
    return None


@pytest.mark.parametrize("page", [*(p for p in PAGES if p.parent.name != "reference"), *SCRIPTS], ids=_name)
def test_commands_exist(page: Path) -> None:
    """Every ashiato command and option that a page or deploy file shows is one the program has."""
    problems = [
        f"ashiato {' '.join(command)}: {problem}"
        for command in _commands(page.read_text())
        if command and (problem := _problem(command))
    ]

    assert problems == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_make_targets_exist(page: Path) -> None:
    """Every make target that a page names is in the Makefile."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^|&& )make ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE))

    assert named <= targets


def test_make_help_lists_every_target() -> None:
    """`make` explains every target that a person may type."""
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)", text, re.MULTILINE))
    explained = set(re.findall(r"^([a-z0-9-]+):.*## \S", text, re.MULTILINE))

    assert phony == explained


def test_troubleshooting_names_real_errors() -> None:
    """Every code in brackets on the troubleshooting page is one that the code raises."""
    known = set(re.findall(r"^\| `([a-z0-9-]+)`", (ROOT / "docs/reference/errors.md").read_text(), re.MULTILINE))
    named = set(re.findall(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]", (ROOT / "docs/troubleshooting.md").read_text()))

    assert named
    assert named <= known


def test_readme_shows_a_real_finding(lake: Lake, redactor: Redactor) -> None:
    """The finding on the README's first screen is what the rule says of the sample logs (UPDATE_GOLDEN=1 renews it)."""
    import_files(lake, [str(ROOT / "sample_logs/attacks.jsonl.gz")], "attacked", redactor, workers=0)
    run = detect(lake, [rule for rule in load_catalog() if rule.id == "permission-granted-to-everybody"])
    section = text.render(run).split("─\n")[1].rsplit("\n\n─", 1)[0]
    path = ROOT / "README.md"
    before, rest = path.read_text().split("<!-- demo -->\n")
    shown, after = rest.split("<!-- /demo -->")
    if os.environ.get("UPDATE_GOLDEN"):
        shown = f"```text\n{section}\n```\n"
        path.write_text(f"{before}<!-- demo -->\n{shown}<!-- /demo -->{after}")

    assert shown == f"```text\n{section}\n```\n"


def _level(policy: dict, verb: str, resource: str, group: str) -> str:
    """What *policy* logs of an ordinary person's request: the first rule that matches decides."""
    for rule in policy["rules"]:
        if "users" in rule or "userGroups" in rule or "namespaces" in rule or "nonResourceURLs" in rule:
            continue
        if verb not in rule.get("verbs", [verb]):
            continue
        for entry in rule.get("resources", [{"group": group}]):
            main, _, sub = resource.partition("/")
            names = entry.get("resources", [])
            if "resourceNames" in entry or entry.get("group", "") != group:
                continue
            if not names or resource in names or "*" in names or (sub and f"*/{sub}" in names) or f"{main}/*" in names:
                return rule["level"]
    return "None"


GROUPS = {
    **dict.fromkeys(("clusterroles", "clusterrolebindings", "roles", "rolebindings"), "rbac.authorization.k8s.io"),
    **dict.fromkeys(("deployments", "daemonsets", "statefulsets", "replicasets"), "apps"),
    **dict.fromkeys(("jobs", "cronjobs"), "batch"),
    **dict.fromkeys(("networkpolicies", "ingresses"), "networking.k8s.io"),
    **dict.fromkeys(
        ("mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies"),
        "admissionregistration.k8s.io",
    ),
    **dict.fromkeys(("certificatesigningrequests",), "certificates.k8s.io"),
    **dict.fromkeys(("apiservices",), "apiregistration.k8s.io"),
    **dict.fromkeys(("selfsubjectaccessreviews", "selfsubjectrulesreviews"), "authorization.k8s.io"),
    **dict.fromkeys(("tokenreviews",), "authentication.k8s.io"),
}


# Rules that the recommended policy leaves blind on purpose, and why. They say that they were skipped.
WITHHELD = {
    "credential-in-configmap": "ConfigMaps hold credentials: their bodies stay out of the log; who logs them gets the rule.",
    "pod-token-away-from-pod": "Pods' addresses stand in status writes, half of all traffic; who logs their bodies gets the rule.",
    "event-forged": "Events are written all the time; the policy says that forged ones are not seen.",
}


def test_policy_feeds_the_rules() -> None:
    """The recommended audit policy logs what every rule needs: each of its resources, at its level, for one of its verbs."""
    policy = yaml.safe_load((ROOT / "deploy/audit-policy.yaml").read_text())
    levels = ("None", "Metadata", "Request", "RequestResponse")
    short = []
    for rule in load_catalog():
        for resource in rule.needs.resources if rule.id not in WITHHELD else ():
            group = GROUPS.get(resource.split("/")[0], "")
            best = max(
                (
                    _level(policy, verb, resource, group)
                    for verb in rule.needs.verbs or ("create", "update", "patch", "get")
                ),
                key=levels.index,
            )
            if levels.index(best) < levels.index(rule.needs.level):
                short.append(f"{rule.id}: {resource} at {best}, needs {rule.needs.level}")

    assert short == []


@pytest.mark.parametrize(
    ("resource", "group", "most"),
    [
        ("secrets", "", "Metadata"),
        ("configmaps", "", "Metadata"),
        ("tokenreviews", "authentication.k8s.io", "Metadata"),
        ("serviceaccounts/token", "", "Request"),
    ],
)
def test_policy_keeps_secrets_out(resource: str, group: str, most: str) -> None:
    """The recommended audit policy never logs the contents of Secrets or ConfigMaps, nor a token that was issued."""
    policy = yaml.safe_load((ROOT / "deploy/audit-policy.yaml").read_text())
    levels = ("None", "Metadata", "Request", "RequestResponse")

    for verb in ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"):
        assert levels.index(_level(policy, verb, resource, group)) <= levels.index(most), verb


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.suffix == ".yaml"], ids=_name)
def test_deploy_is_yaml(path: Path) -> None:
    """Every YAML file under deploy is valid and says what it is in its first line."""
    assert [document for document in yaml.safe_load_all(path.read_text()) if document]
    assert path.read_text().startswith("# ")


def test_constraints_are_exact() -> None:
    """constraints.txt holds names and exact versions, and no address to download from."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert "duckdb==1.5.6" in lines
