"""What changed between two versions of a Kubernetes object, as a flat list of paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Written by the server or by kubectl on every write: that they changed says nothing by itself.
_NOISE = frozenset(
    {
        "/metadata/managedFields", "/metadata/resourceVersion", "/metadata/generation", "/metadata/uid",
        "/metadata/creationTimestamp", "/metadata/selfLink", "/status",
        "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    }
)  # fmt: skip
# What names an item of a list in Kubernetes' own merge keys, in order of preference.
_MERGE_KEYS = ("name", "key", "mountPath", "containerPort", "port", "ip", "type")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: ``path`` is a JSON pointer (RFC 6901; items of lists by their merge key where they have one)."""

    operation: str
    """add, remove or replace"""
    path: str
    before: Any
    after: Any


def changes(before: Any, after: Any) -> list[Change]:
    """The differences from *before* to *after* (JSON values), in the order of the paths; server's bookkeeping left out."""
    return sorted(_walk(before, after, ""), key=lambda change: change.path)


def _walk(before: Any, after: Any, path: str) -> Iterator[Change]:
    if path in _NOISE or before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            yield from _member(before, after, key, f"{path}/{_escaped(str(key))}")
        return
    if isinstance(before, list) and isinstance(after, list):
        key = _merge_key(before, after)
        old = _named(before, key)
        new = _named(after, key)
        for name in old.keys() | new.keys():
            yield from _member(old, new, name, f"{path}/{_escaped(name)}")
        return
    yield Change("replace", path, before, after)


def _member(before: Mapping[str, Any], after: Mapping[str, Any], key: str, path: str) -> Iterator[Change]:
    if path in _NOISE:
        return
    if key not in before:
        yield Change("add", path, None, after[key])
    elif key not in after:
        yield Change("remove", path, before[key], None)
    else:
        yield from _walk(before[key], after[key], path)


def _merge_key(*lists: list[Any]) -> str | None:
    """The key whose values tell the items of all *lists* apart."""
    for key in _MERGE_KEYS:
        if all(_tells_apart(items, key) for items in lists):
            return key
    return None


def _tells_apart(items: list[Any], key: str) -> bool:
    values = [item[key] for item in items if isinstance(item, Mapping) and isinstance(item.get(key), str | int)]
    return len(values) == len(items) == len(set(map(str, values)))


def _named(items: list[Any], key: str | None) -> dict[str, Any]:
    return {str(item[key]) if key else str(number): item for number, item in enumerate(items)}


def _escaped(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")
