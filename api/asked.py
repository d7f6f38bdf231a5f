"""What every question may carry: a time range, clusters, a filter, a page."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.credentials import Caller
from api.errors import ApiError
from detections.investigation.matching import Matching
from lake.timerange import TimeRange

_TIME = "RFC 3339, UTC"
_Text = Annotated[str | None, Field(max_length=2000)]


class Range(BaseModel):
    """Which events: a time range by stage_at, and clusters."""

    model_config = ConfigDict(extra="forbid")

    last: _Text = Field(None, description="The last 90s, 15m, 24h, 7d.", examples=["24h"])
    since: _Text = Field(None, description=f"From this time on ({_TIME}).", examples=["2026-11-23T08:00:00Z"])
    until: _Text = Field(None, description=f"Before this time ({_TIME}).")
    cluster: list[str] = Field([], description="Only these clusters.", max_length=100)

    def time_range(self) -> TimeRange:
        """The time range; UsageError where the words make none."""
        return TimeRange.parse(self.last, self.since, self.until)

    def clusters(self, caller: Caller) -> list[str] | None:
        """The clusters to look at: those asked for, within what *caller* may see; ApiError 403 beyond."""
        if caller.clusters is None:
            return self.cluster or None
        beyond = sorted(set(self.cluster) - set(caller.clusters))
        if beyond:
            raise ApiError(
                403,
                "cluster-forbidden",
                f"{caller.name} may not look at {', '.join(beyond)}",
                "ask for another cluster",
            )
        return self.cluster or list(caller.clusters)


class Filter(Range):
    """A range, and what a request must match; all given ones must hold."""

    user: _Text = Field(None, description="User name, acting or acted as.", examples=["mallory"])
    source_ip: _Text = Field(None, description="Last hop.")
    namespace: _Text = Field(None, description="Namespace of the object.")
    resource: _Text = Field(None, description="Resource, or resource/subresource.", examples=["secrets", "pods/exec"])
    name: _Text = Field(None, description="Object name.")
    verb: _Text = Field(None, description="Verb.")
    credential: _Text = Field(None, description="Credential id.")
    pod: _Text = Field(None, description="Pod that a bound token belongs to.")
    node: _Text = Field(None, description="Node that a bound token belongs to.")
    user_agent: _Text = Field(None, description="User agent, as claimed.")
    audit_id: _Text = Field(None, description="Audit id.")
    api_group: _Text = Field(None, description="API group of the object.")
    writes: bool = Field(False, description="Only requests that change something.")
    denied: bool | None = Field(None, description="Only requests that were refused, or were not.")

    def matching(self) -> Matching:
        """The filter as the investigation knows it."""
        return Matching(
            user_name=self.user, source_ip=self.source_ip, namespace=self.namespace, resource=self.resource, name=self.name,
            verb=self.verb, credential_id=self.credential, pod_name=self.pod, node_name=self.node,
            user_agent=self.user_agent, audit_id=self.audit_id, api_group=self.api_group,
            writes_only=self.writes, denied=self.denied,
        )  # fmt: skip


class Page(Filter):
    """A filter, and which page of what matches."""

    limit: int = Field(200, ge=1, le=10_000, description="At most so many rows.")
    cursor: _Text = Field(None, description="`next` of the page before.")
    newest_first: bool = Field(True, description="Latest first.")
    findings: bool = Field(False, description="With the stored findings about these requests between them.")

    def after(self) -> tuple[datetime, str] | None:
        """Where the page before ended; ApiError 400 for what is no cursor of ours."""
        if self.cursor is None:
            return None
        try:
            moment, event_id = json.loads(base64.urlsafe_b64decode(self.cursor.encode()))
            at = datetime.fromisoformat(moment)
            if at.tzinfo is None or not isinstance(event_id, str):
                raise ValueError  # noqa: TRY301 - one answer for all of it
        except (ValueError, TypeError, binascii.Error):
            raise ApiError(400, "cursor-invalid", "not a cursor of ours", "take `next` of the page before") from None
        return at, event_id


def cursor(time: datetime, event_id: str) -> str:
    """The cursor of a page that ends with this row."""
    return base64.urlsafe_b64encode(json.dumps([time.isoformat(), event_id]).encode()).decode()


_Limit = Annotated[int, Field(ge=1, le=10_000, description="At most so many rows.")]
_Word = Annotated[str, Field(min_length=1, max_length=2000)]


class Buckets(Filter):
    """A filter, and into how many equal steps of time to count."""

    buckets: int = Field(200, ge=1, le=2000)


class Counted(Filter):
    """A filter, and how many rows."""

    limit: _Limit = 100


class Stored(Range):
    """Stored findings: a range by their times, severities and rules."""

    severity: list[str] = Field([], max_length=5, examples=[["critical", "high"]])
    rule: list[str] = Field([], max_length=500)
    limit: _Limit = 1000


class Ranking(Range):
    """Risk: about what, and how many."""

    by: Literal["identity", "workload", "source", "namespace"] = "identity"
    limit: _Limit = 50


class Somebody(Range):
    """One identity."""

    user: _Word = Field(description="User name, acting or acted as.", examples=["mallory"])


class Object(Range):
    """One object."""

    resource: _Word = Field(examples=["clusterrolebindings"])
    name: _Word = Field(examples=["support-access"])
    namespace: _Text = None
    api_group: _Text = None
    limit: _Limit = 500


class Secrets(Range):
    """Secrets of a namespace, or one of them."""

    namespace: _Text = None
    name: _Text = None
    limit: _Limit = 1000


class Windows(Range):
    """The later window is the range; the earlier one ends where it begins, if nothing else is said."""

    baseline_since: _Text = None
    baseline_until: _Text = None
    limit: _Limit = 1000


class Sought(Filter):
    """Text to look for among what matches."""

    text: str = Field(min_length=3, max_length=1000, examples=["docker.sock"])
    limit: _Limit = 200


def described(asked: Range) -> dict[str, object]:
    """What was asked, for the access log: only what was given."""
    return {name: value for name, value in asked.model_dump(exclude_defaults=True).items() if value not in (None, [])}
