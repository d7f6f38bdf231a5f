"""Cluster names: part of paths, credentials and partitions, so their form is fixed."""

from __future__ import annotations

import re

from lake.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def is_cluster_name(name: str) -> bool:
    """Whether *name* is 1 to 63 letters, digits, dots, dashes, underscores, with a letter or digit at both ends."""
    return _NAME.fullmatch(name) is not None


def check_cluster_name(name: str) -> str:
    """*name* itself; UsageError ``cluster-name-invalid`` if it is none."""
    if not is_cluster_name(name):
        raise UsageError(
            "cluster-name-invalid",
            f"not a cluster name: {name[:80]!r}",
            "use 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit at both ends",
        )
    return name
