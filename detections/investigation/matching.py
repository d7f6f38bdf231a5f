"""What a request must match: the filter that timelines, pivots and searches share."""

from __future__ import annotations

from dataclasses import dataclass, fields

WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Matching:
    """What a request must match; None matches everything, all given ones must hold.

    ``user_name`` also matches the identity that a request acted as. ``resource`` may name a subresource
    (``pods/exec``). ``denied`` selects refused (codes 401 and 403) or other requests.
    """

    user_name: str | None = None
    source_ip: str | None = None
    namespace: str | None = None
    resource: str | None = None
    name: str | None = None
    verb: str | None = None
    credential_id: str | None = None
    pod_name: str | None = None
    node_name: str | None = None
    user_agent: str | None = None
    audit_id: str | None = None
    api_group: str | None = None
    writes_only: bool = False
    denied: bool | None = None

    def condition(self) -> tuple[str, dict[str, object]]:
        """The SQL condition over ``requests`` or ``events``, and its bound values."""
        params: dict[str, object] = {}
        conditions = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or field.name in ("writes_only", "denied"):
                continue
            params[field.name] = value
            if field.name == "user_name":
                conditions.append("(user_name = $user_name OR impersonated_user_name = $user_name)")
            elif field.name == "resource" and "/" in value:
                params["resource"], _, params["subresource"] = value.partition("/")
                conditions.append("resource = $resource AND subresource = $subresource")
            else:
                conditions.append(f"{field.name} = ${field.name}")
        if self.writes_only:
            conditions.append(f"verb IN {WRITES}")
        if self.denied is not None:
            refused = "coalesce(response_code IN (401, 403), false)"
            conditions.append(refused if self.denied else f"NOT {refused}")
        return " AND ".join(conditions) or "true", params
