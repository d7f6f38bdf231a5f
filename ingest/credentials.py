"""Who may write for which cluster: bearer tokens and client certificates, re-read while the sink runs.

The file of ``--tokens`` holds no secret that could be used as it stands, only SHA-256 digests:

    clusters:
      prod-eu:
        token_sha256: [<64 hex digits>, ...]       # printf %s "$TOKEN" | sha256sum
        token_files: [/run/secrets/prod-eu-token]  # or the token itself, in a file of its own
        client_certificate_common_names: [kube-apiserver-audit]

Two tokens of one cluster may be valid at a time, so that they can be rotated without a gap.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ingest.cluster import is_cluster_name
from lake.errors import UsageError

MIN_TOKEN_BYTES = 16
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_KEYS = ("token_sha256", "token_files", "client_certificate_common_names")
_HINT = "see docs: clusters: {NAME: {token_sha256: [...], client_certificate_common_names: [...]}}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request may not write: the HTTP status, and an error's code, message and hint."""

    status: int
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may write. ``digests`` maps SHA-256 of a token to its cluster, ``common_names`` a certificate's."""

    digests: dict[bytes, str] = field(default_factory=dict)
    common_names: dict[str, str] = field(default_factory=dict)
    tokens_known: bool = False
    certificates_known: bool = False
    open_to_all: bool = False
    default_cluster: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(tokens={len(self.digests)}, common_names={len(self.common_names)})"

    def clusters(self) -> list[str]:
        """The clusters that are named, in order."""
        return sorted({*self.digests.values(), *self.common_names.values()})

    def cluster_for(self, authorization: str | None, common_name: str | None, wanted: str | None) -> str | Refusal:
        """The cluster a request writes for, from its credential; *wanted* is the one its path names.

        ``authorization`` is the header as it came; ``common_name`` is that of a client certificate
        which the TLS layer has verified. A token, when there is one, decides alone.
        """
        if self.open_to_all:
            own: str | Refusal = wanted or self.default_cluster or "default"
        elif authorization is not None and self.tokens_known:
            own = self._of_token(authorization)
        elif common_name is not None and self.certificates_known:
            own = self._of_certificate(common_name)
        else:
            ways = [
                *(["a bearer token (Authorization: Bearer ...)"] if self.tokens_known else []),
                *(["a client certificate"] if self.certificates_known else []),
            ]
            return Refusal(
                401,
                "credential-missing",
                f"this sink asks for {' or '.join(ways)}",
                "set it in the kubeconfig of --audit-webhook-config-file, under users",
            )
        if isinstance(own, Refusal) or wanted is None or wanted == own:
            return own
        return Refusal(
            403,
            "cluster-forbidden",
            f"this credential writes for another cluster than {wanted[:63]!r}",
            "post to /audit, which takes the cluster from the credential",
        )

    def _of_token(self, authorization: str) -> str | Refusal:
        scheme, _, token = authorization.partition(" ")
        found: str | None = None
        if scheme.lower() == "bearer":
            digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
            # Every digest is compared, so that the time taken tells nothing.
            for known, cluster in self.digests.items():
                if hmac.compare_digest(known, digest):
                    found = cluster
        return found or Refusal(
            401,
            "credential-wrong",
            "this token is not known here",
            "compare printf %s TOKEN | sha256sum with token_sha256 in the sink's tokens file",
        )

    def _of_certificate(self, common_name: str) -> str | Refusal:
        cluster = self.common_names.get(common_name)
        if cluster is None and not self.common_names:
            cluster = self.default_cluster or common_name
        if cluster is not None and is_cluster_name(cluster):
            return cluster
        return Refusal(
            403,
            "certificate-unknown",
            f"no cluster belongs to a client certificate with the common name {common_name[:100]!r}",
            "add it to client_certificate_common_names in the sink's tokens file",
        )


class CredentialSource:
    """The credential files, read again when they change; broken new ones leave the old in force."""

    def __init__(self, tokens: Path | None, certificates: bool, default_cluster: str | None) -> None:
        self._tokens = tokens
        self._certificates = certificates
        self._default_cluster = default_cluster
        self._watched: tuple[Path, ...] = ()
        self._seen: tuple[object, ...] = ()
        self.current = self._load()

    def reload(self) -> bool:
        """Read the files again if they changed; True when new credentials are in force.

        Raises UsageError when the new files are broken (once per change): the old ones stay in force.
        """
        if self._tokens is None or self._state() == self._seen:
            return False
        self.current = self._load()
        return True

    def _load(self) -> Credentials:
        if self._tokens is None:
            return Credentials(
                certificates_known=self._certificates,
                open_to_all=not self._certificates,
                default_cluster=self._default_cluster,
            )
        self._watched = (self._tokens,)
        self._seen = self._state()
        digests, common_names, files = _parse(self._tokens)
        self._watched = (self._tokens, *files)
        self._seen = self._state()
        problems: list[str] = []
        for path, cluster in files.items():
            token = _read_token(path, problems)
            if token is not None:
                _claim(digests, hashlib.sha256(token).digest(), cluster, f"the token in {path}", problems)
        _raise(self._tokens, problems)
        if not digests and not self._certificates:
            raise UsageError(
                "sink-no-credentials",
                f"{self._tokens} holds no token, and without --client-ca no certificate can be checked",
                "add a token_sha256, or give --client-ca FILE",
            )
        return Credentials(
            digests,
            common_names,
            tokens_known=bool(digests),
            certificates_known=self._certificates,
            default_cluster=self._default_cluster,
        )

    def _state(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in self._watched)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # A Kubernetes secret is swapped by a symbolic link: its inode changes, its times may not.
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _read_token(path: Path, problems: list[str]) -> bytes | None:
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        problems.append(f"cannot read {path}: {error.strerror}")
        return None
    if len(token) < MIN_TOKEN_BYTES:
        problems.append(f"the token in {path} has {len(token)} bytes; take at least {MIN_TOKEN_BYTES} random ones")
        return None
    return token


def _parse(path: Path) -> tuple[dict[bytes, str], dict[str, str], dict[Path, str]]:
    try:
        document: Any = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise UsageError("tokens-unreadable", f"cannot read {path}: {error.strerror}", "check --tokens") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        # The parser's own words may repeat lines of the file, and a digest is better not in a log.
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise UsageError("tokens-invalid", f"{path} is not YAML{where}", _HINT) from None
    digests: dict[bytes, str] = {}
    common_names: dict[str, str] = {}
    files: dict[Path, str] = {}
    problems: list[str] = []
    clusters = document.get("clusters") if isinstance(document, dict) and set(document) == {"clusters"} else None
    if not isinstance(clusters, dict) or not clusters:
        raise UsageError("tokens-invalid", f"{path} must hold one key, clusters, with a cluster or more", _HINT)
    for cluster, entry in clusters.items():
        if not isinstance(cluster, str) or not is_cluster_name(cluster):
            problems.append(f"{cluster!r} is no cluster name")
            continue
        if not isinstance(entry, dict) or not entry:
            problems.append(f"{cluster}: no credentials")
            continue
        problems += [f"{cluster}: unknown key {str(key)[:50]!r}" for key in entry if key not in _KEYS]
        for digest in _texts(entry, "token_sha256", cluster, problems):
            if _DIGEST.fullmatch(digest):
                _claim(digests, bytes.fromhex(digest), cluster, f"{cluster}: a token_sha256", problems)
            else:
                problems.append(f"{cluster}: a token_sha256 is not 64 hexadecimal digits")
        for name in _texts(entry, "client_certificate_common_names", cluster, problems):
            _claim(common_names, name, cluster, f"{cluster}: the common name {name!r}", problems)
        for file in _texts(entry, "token_files", cluster, problems):
            _claim(files, path.parent / file, cluster, f"{cluster}: {file}", problems)
    _raise(path, problems)
    return digests, common_names, files


def _texts(entry: dict[str, Any], key: str, cluster: str, problems: list[str]) -> list[str]:
    value = entry.get(key, [])
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        problems.append(f"{cluster}: {key} is not a list of texts (quote digits)")
        return []
    return value


def _claim(known: dict[Any, str], key: Any, cluster: str, what: str, problems: list[str]) -> None:
    if known.setdefault(key, cluster) != cluster:
        problems.append(f"{what} belongs to {known[key]} already: a credential writes for one cluster")


def _raise(path: Path, problems: list[str]) -> None:
    if problems:
        raise UsageError("tokens-invalid", f"{path}: " + "; ".join(problems), _HINT)
