"""Who may look: bearer tokens with roles and clusters, kept as SHA-256 digests, re-read when the file changes.

callers:
  alice:
    token_sha256: [<64 hex digits>]    # printf %s "$TOKEN" | sha256sum
    roles: [read, sql]
    clusters: [prod-eu]                # left out: all clusters
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lake.errors import UsageError

ROLES = ("read", "sql")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "callers: {NAME: {token_sha256: [...], roles: [read, sql], clusters: [...]}}"


@dataclass(frozen=True, slots=True)
class Caller:
    """One who may look: at ``clusters`` only, where it is not None."""

    name: str
    roles: frozenset[str]
    clusters: tuple[str, ...] | None = None


class Callers:
    """The callers of a token file, as it stands now."""

    def __init__(self, path: Path | None, fixed: Mapping[str, Caller] | None = None) -> None:
        """*fixed* maps SHA-256 digests (hex) of tokens to callers, for a run without a file."""
        self._path = path
        self._known = dict(fixed or {})
        self._stamp: tuple[int, int] | None = None
        if path is not None:
            self._known = read_callers(path)
            self._stamp = _stamp(path)

    def __repr__(self) -> str:
        return f"Callers({len(self._known)} tokens)"

    def of(self, authorization: str | None) -> Caller | None:
        """Whose token an Authorization header carries; None: nobody's.

        The token is looked up by its digest, so the time it takes says nothing about the tokens there are.
        """
        self._refresh()
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._known.get(hashlib.sha256(token.strip().encode()).hexdigest())

    def _refresh(self) -> None:
        """A changed file is in force at once; a broken one changes nothing."""
        if self._path is None or _stamp(self._path) == self._stamp:
            return
        try:
            self._known = read_callers(self._path)
        except UsageError:
            return
        self._stamp = _stamp(self._path)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def read_callers(path: Path) -> dict[str, Caller]:
    """Digest -> caller of the token file *path*; UsageError ``callers-invalid`` with every problem."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("callers-invalid", f"cannot read {path}: {error}", _HINT) from None
    except yaml.YAMLError:
        raise UsageError("callers-invalid", f"{path} is not YAML", _HINT) from None
    entries = document.get("callers") if isinstance(document, dict) and set(document) == {"callers"} else None
    if not isinstance(entries, dict) or not entries:
        raise UsageError("callers-invalid", f"{path} must hold one key, callers, with a caller or more", _HINT)
    known: dict[str, Caller] = {}
    problems: list[str] = []
    for name, entry in entries.items():
        caller, digests = _caller(str(name), entry, problems)
        for digest in digests:
            if digest in known:
                problems.append(f"{name}: has a token of {known[digest].name}")
            known[digest] = caller
    if problems:
        raise UsageError("callers-invalid", f"{path}: " + "; ".join(problems), _HINT)
    return known


def _caller(name: str, entry: Any, problems: list[str]) -> tuple[Caller, list[str]]:
    nobody = Caller(name, frozenset())
    if not isinstance(entry, dict) or not set(entry) <= {"token_sha256", "roles", "clusters"}:
        problems.append(f"{name}: may hold token_sha256, roles and clusters")
        return nobody, []
    digests, roles, clusters = entry.get("token_sha256"), entry.get("roles"), entry.get("clusters")
    if not isinstance(digests, list) or not digests or not all(_DIGEST.fullmatch(str(d).lower()) for d in digests):
        problems.append(f"{name}: token_sha256 must be a list of SHA-256 digests (64 hex digits)")
        return nobody, []
    if not isinstance(roles, list) or not roles or not set(roles) <= set(ROLES):
        problems.append(f"{name}: roles must be some of {', '.join(ROLES)}")
        return nobody, []
    if clusters is not None and (
        not isinstance(clusters, list) or not clusters or not all(isinstance(c, str) for c in clusters)
    ):
        problems.append(f"{name}: clusters must be a list of names; leave it out for all")
        return nobody, []
    return (
        Caller(name, frozenset(roles), tuple(clusters) if clusters is not None else None),
        [str(digest).lower() for digest in digests],
    )
