"""What a row means: every table and column with its doc, unit, source path and trust.

The reference page, ``ashiato schema`` and the tooltips are generated from this module, so a column
cannot exist without saying what it is and how far it can be believed.

Sources: k8s.io/apiserver/pkg/apis/audit/v1/types.go (field meanings and the warnings about what a
client can set), authentication and authorization annotation keys as a kube-apiserver v1.36 sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.string())


class Trust(StrEnum):
    """Who decides what stands in a column."""

    SERVER = "server"  # the kube-apiserver states it about the request
    AUTHENTICATED = "authenticated"  # an authenticator vouched for it
    CLIENT = "client"  # the client chooses it freely: evidence, never proof
    REQUEST = "request"  # the client's request, as the server parsed and judged it
    PIPELINE = "pipeline"  # Ashiato computed or measured it


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``path`` is where the value comes from in the audit event ('' for our own)."""

    name: str
    type: pa.DataType
    doc: str
    path: str
    trust: Trust
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table: its columns, partition and sort keys, and the columns with min/max in the log.

    ``sort_by`` is the order of rows inside a file: resource-bound detections read a fraction of it.
    ``statistics`` stays short on purpose: values listed there are copied into the Delta log.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    sort_by: tuple[str, ...]
    statistics: tuple[str, ...]
    key: str | None
    """Column that makes a row unique: a row whose key is stored already is not stored again."""
    time: str
    """Column that time ranges select on."""

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, all columns, in declaration order."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    @property
    def file_schema(self) -> pa.Schema:
        """The Arrow schema of a data file: partition columns live in the path, as Delta has it."""
        return pa.schema([f for f in self.schema if f.name not in self.partition_by])

    def column(self, name: str) -> Column:
        """The column called *name*; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


_S, _A, _C, _R, _P = Trust.SERVER, Trust.AUTHENTICATED, Trust.CLIENT, Trust.REQUEST, Trust.PIPELINE
_text = pa.string()

EVENTS = Table(
    name="events",
    doc="One row per audit event, that is per stage of a request. Identical deliveries are stored once.",
    columns=(
        # where from
        Column(
            "cluster", _text, "Cluster the event was sent for: taken from the credential, never from the event.", "", _P
        ),
        Column("source", _text, "Kind of sender: apiserver, or the name of an importer's envelope.", "", _P),
        Column(
            "ingested_at",
            TIMESTAMP,
            "When Ashiato received it. Event times are request_received_at and stage_at.",
            "",
            _P,
            "UTC, microseconds",
        ),
        Column(
            "event_id",
            _text,
            "Content hash (SHA-256, first 128 bits, hex) of the redacted event and its cluster. The key of a row; nothing a client sends can make two different events share it.",
            "",
            _P,
        ),
        # the request
        Column(
            "audit_id",
            _text,
            "Id shared by the stages of one request. The client may choose it (Audit-ID header), so it never identifies an event on its own.",
            "auditID",
            _C,
        ),
        Column(
            "stage",
            _text,
            "RequestReceived, ResponseStarted, ResponseComplete or Panic. Failed authentication (401) exists at ResponseStarted only.",
            "stage",
            _S,
        ),
        Column("level", _text, "How much the audit policy logged: Metadata, Request or RequestResponse.", "level", _S),
        Column(
            "verb",
            _text,
            "get, list, watch, create, update, patch, delete, deletecollection; lower-cased HTTP method for non-resource requests; empty for OPTIONS and TRACE.",
            "verb",
            _R,
        ),
        Column(
            "request_uri",
            _text,
            "Path and query as sent. Exec commands, dryRun and proxy paths stand here only. Credentials in the query are redacted.",
            "requestURI",
            _C,
        ),
        Column(
            "request_received_at",
            TIMESTAMP,
            "When the request reached the kube-apiserver; the same in every stage.",
            "requestReceivedTimestamp",
            _S,
            "UTC, microseconds",
        ),
        Column(
            "stage_at",
            TIMESTAMP,
            "When the request reached this stage. Rows are partitioned by its day.",
            "stageTimestamp",
            _S,
            "UTC, microseconds",
        ),
        # who
        Column("user_name", _text, "Authenticated user. Null when authentication failed (401).", "user.username", _A),
        Column("user_uid", _text, "Authenticator's unique id of the user.", "user.uid", _A),
        Column("user_groups", STRINGS, "Groups the authenticator vouched for.", "user.groups", _A),
        Column("user_extra", _text, "Authenticator's extra fields, as JSON object of lists.", "user.extra", _A),
        Column(
            "impersonated_user_name",
            _text,
            "Whom the request acted as, when impersonation was allowed. A denied one leaves it null.",
            "impersonatedUser.username",
            _S,
        ),
        Column("impersonated_user_uid", _text, "Unique id acted as.", "impersonatedUser.uid", _S),
        Column("impersonated_user_groups", STRINGS, "Groups acted with.", "impersonatedUser.groups", _S),
        Column("impersonated_user_extra", _text, "Extra fields acted with, as JSON.", "impersonatedUser.extra", _S),
        Column(
            "service_account_namespace",
            _text,
            "Namespace, when user_name is a service account and its group agrees.",
            "user.username",
            _A,
        ),
        Column(
            "service_account_name",
            _text,
            "Name, when user_name is a service account and its group agrees. A certificate that merely names one lacks the group and leaves this null.",
            "user.username",
            _A,
        ),
        Column(
            "credential_id",
            _text,
            "Which token (JTI=...) or certificate (X509SHA256=...) was used.",
            "user.extra['authentication.kubernetes.io/credential-id'][0]",
            _A,
        ),
        Column(
            "pod_name",
            _text,
            "Pod a bound token was issued to.",
            "user.extra['authentication.kubernetes.io/pod-name'][0]",
            _A,
        ),
        Column("pod_uid", _text, "Uid of that pod.", "user.extra['authentication.kubernetes.io/pod-uid'][0]", _A),
        Column("node_name", _text, "Node of that pod.", "user.extra['authentication.kubernetes.io/node-name'][0]", _A),
        # from where
        Column(
            "source_ip",
            _text,
            "Last hop: the peer that connected to the kube-apiserver. The only address a client cannot set.",
            "sourceIPs[-1]",
            _S,
        ),
        Column(
            "source_ips", STRINGS, "All hops as claimed (X-Forwarded-For, X-Real-Ip, then the peer).", "sourceIPs", _C
        ),
        Column(
            "user_agent", _text, "Whatever the client says; cut at 1024 bytes by the kube-apiserver.", "userAgent", _C
        ),
        # what
        Column("resource", _text, "Plural resource name. Null for non-resource requests.", "objectRef.resource", _R),
        Column("subresource", _text, "status, exec, token, scale, ...", "objectRef.subresource", _R),
        Column("namespace", _text, "Namespace of the object. Null when cluster-wide.", "objectRef.namespace", _R),
        Column(
            "name",
            _text,
            "Object name. Null on list, and on create with generateName (the name is then in response_object).",
            "objectRef.name",
            _R,
        ),
        Column("api_group", _text, "API group. Null for the core group.", "objectRef.apiGroup", _R),
        Column("api_version", _text, "API version without its group.", "objectRef.apiVersion", _R),
        Column("object_uid", _text, "Uid the request referred to.", "objectRef.uid", _R),
        Column("resource_version", _text, "Resource version the request referred to.", "objectRef.resourceVersion", _R),
        # outcome
        Column(
            "response_code",
            pa.int32(),
            "HTTP status. 101 is a successful exec, attach or port-forward. Null at RequestReceived.",
            "responseStatus.code",
            _S,
        ),
        Column(
            "response_status",
            _text,
            "Success or Failure, where the response was a Status.",
            "responseStatus.status",
            _S,
        ),
        Column(
            "response_reason",
            _text,
            "Machine-readable reason: Forbidden, NotFound, AlreadyExists, ...",
            "responseStatus.reason",
            _S,
        ),
        Column(
            "response_message",
            _text,
            "Human-readable message; the only trace of a denied impersonation.",
            "responseStatus.message",
            _S,
        ),
        Column(
            "decision",
            _text,
            "allow or forbid: authorization only. An allowed request may still be refused by admission; look at response_code.",
            "annotations['authorization.k8s.io/decision']",
            _S,
        ),
        Column(
            "decision_reason",
            _text,
            "Names the binding and role that allowed it. Empty for system:masters.",
            "annotations['authorization.k8s.io/reason']",
            _S,
        ),
        # bodies
        Column(
            "request_object",
            _text,
            "Body of the request, JSON text, secrets redacted. Patch bodies are the raw patch; before admission.",
            "requestObject",
            _R,
        ),
        Column(
            "response_object",
            _text,
            "Body of the response, JSON text, secrets redacted. The object as stored.",
            "responseObject",
            _S,
        ),
        Column("annotations", _text, "All annotations, JSON object of strings.", "annotations", _S),
        Column(
            "truncated",
            pa.bool_(),
            "True when the kube-apiserver cut the bodies away for size.",
            "annotations['audit.k8s.io/truncated']",
            _S,
        ),
        Column(
            "unparsed",
            _text,
            "Every field the columns cannot hold exactly, JSON. Columns and this rebuild the event as it came.",
            "",
            _P,
        ),
        # partition
        Column("date", pa.date32(), "UTC day of stage_at. Partition.", "stageTimestamp", _P, "UTC day"),
    ),
    partition_by=("cluster", "date"),
    sort_by=("resource", "subresource", "verb", "stage_at"),
    statistics=("stage_at", "request_received_at", "ingested_at", "resource", "verb"),
    key="event_id",
    time="stage_at",
)

QUARANTINE = Table(
    name="quarantine",
    doc="What arrived and was not an audit event, kept whole. Nothing received is ever thrown away.",
    columns=(
        Column("cluster", _text, "Cluster it was sent for.", "", _P),
        Column("source", _text, "Kind of sender.", "", _P),
        Column("received_at", TIMESTAMP, "When it arrived.", "", _P, "UTC, microseconds"),
        Column("quarantine_id", _text, "Content hash (SHA-256, first 128 bits, hex) of payload and cluster.", "", _P),
        Column("origin", _text, "Where it came from: webhook, or file name and line.", "", _P),
        Column(
            "code",
            _text,
            "Stable reason code: json-invalid, json-too-deep, utf8-invalid, kind-unknown, field-missing, field-type, time-invalid, event-too-large.",
            "",
            _P,
        ),
        Column("reason", _text, "What is wrong, in words, with the place in the event.", "", _P),
        Column("size_bytes", pa.int64(), "Size as received.", "", _P, "bytes"),
        Column(
            "sealed",
            pa.binary(),
            "The bytes as received, AES-256-GCM under the lake's redaction key: what cannot be parsed cannot be redacted, so it is never on disk in plain.",
            "",
            _C,
        ),
        Column("date", pa.date32(), "UTC day of received_at. Partition.", "", _P, "UTC day"),
    ),
    partition_by=("cluster", "date"),
    sort_by=("received_at",),
    statistics=("received_at", "code"),
    key="quarantine_id",
    time="received_at",
)

FINDINGS = Table(
    name="findings",
    doc="One row per revision of a finding; the view findings shows the latest of each finding_id.",
    columns=(
        Column("cluster", _text, "Cluster it happened in.", "", _P),
        Column(
            "finding_id",
            _text,
            "Stable: hash of rule, cluster, entity and window. The same data gives the same id.",
            "",
            _P,
        ),
        Column("rule_id", _text, "Rule that found it.", "", _P),
        Column("rule_version", _text, "Hash of the rule file, first 12 hex digits.", "", _P),
        Column("title", _text, "What happened, in one line.", "", _P),
        Column("techniques", STRINGS, "Technique ids of detections/techniques.yml.", "", _P),
        Column("severity", _text, "critical, high, medium, low or informational: how bad if true.", "", _P),
        Column("confidence", _text, "high, medium or low: how often it is true.", "", _P),
        Column("entity", _text, "Whom or what it is about, JSON object of column to value.", "", _P),
        Column("first_seen", TIMESTAMP, "Earliest evidence (request_received_at).", "", _P, "UTC, microseconds"),
        Column("last_seen", TIMESTAMP, "Latest evidence (request_received_at).", "", _P, "UTC, microseconds"),
        Column("event_count", pa.int64(), "Requests that are evidence.", "", _P),
        Column("event_ids", STRINGS, "Their event_id, sorted, at most 1000; event_count counts all.", "", _P),
        Column("evidence", _text, "Up to 20 of them with their main columns, JSON list in time order.", "", _P),
        Column("lake_version", pa.int64(), "Version of the events table it was computed on.", "", _P),
        Column("detected_at", TIMESTAMP, "When this revision was computed.", "", _P, "UTC, microseconds"),
        Column("date", pa.date32(), "UTC day of first_seen. Partition.", "", _P, "UTC day"),
    ),
    partition_by=("cluster", "date"),
    sort_by=("rule_id", "first_seen"),
    statistics=("first_seen", "last_seen", "rule_id", "severity"),
    key=None,
    time="first_seen",
)

TABLES = {table.name: table for table in (EVENTS, QUARANTINE, FINDINGS)}
