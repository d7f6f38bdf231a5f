"""What the sink can be told: one frozen record, checked as a whole before anything starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from ingest.cluster import check_cluster_name
from lake.errors import UsageError

MIB = 1 << 20
GIB = 1 << 30
LARGEST_BODY_BYTES = 512 * MIB


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """Everything ``run_sink`` needs. Sizes in bytes, times in seconds.

    ``cluster`` names the cluster of senders that are not told apart by a credential file.
    ``body_budget_bytes`` bounds the request bodies held in memory at once, whatever the number of senders;
    ``flush_seconds`` and ``flush_bytes`` say when a spool segment is handed to the committer;
    ``min_free_bytes`` is left free on the spool's disk, so that the committer can still write the lake;
    ``port_file`` receives the port once the sink listens (for ``listen`` with port 0).
    """

    lake: str
    spool: Path
    listen: str = "127.0.0.1:9443"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    tokens: Path | None = None
    cluster: str | None = None
    insecure: bool = False
    redaction_key_file: Path | None = None
    flush_seconds: float = 5.0
    flush_bytes: int = 32 * MIB
    max_body_bytes: int = 64 * MIB
    body_budget_bytes: int = 256 * MIB
    budget_wait_seconds: float = 5.0
    header_timeout_seconds: float = 15.0
    body_timeout_seconds: float = 40.0
    keep_alive_seconds: int = 150
    max_connections: int = 256
    max_spool_bytes: int = 10 * GIB
    min_free_bytes: int = 256 * MIB
    drain_seconds: float = 20.0
    port_file: Path | None = None

    @property
    def host(self) -> str:
        """The address part of ``listen``."""
        return split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        """The port part of ``listen``; 0 asks the system for one."""
        return split_listen(self.listen)[1]

    @property
    def tls(self) -> bool:
        """Whether the sink speaks HTTPS."""
        return self.tls_cert is not None

    def check(self) -> None:
        """Raise UsageError for words that do not fit together."""
        host, _ = split_listen(self.listen)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError(
                "sink-tls-incomplete",
                "a certificate and its key belong together",
                "give both: --tls-cert FILE --tls-key FILE",
            )
        if self.client_ca is not None and self.tls_cert is None:
            raise UsageError(
                "sink-tls-incomplete",
                "client certificates need TLS",
                "add --tls-cert FILE --tls-key FILE",
            )
        loopback = is_loopback(host)
        if self.tokens is None and self.client_ca is None and not (self.insecure and loopback):
            raise UsageError(
                "sink-no-credentials",
                "nobody would need a credential to write into this lake",
                "give --tokens FILE or --client-ca FILE; for a trial on this machine alone: "
                "--listen 127.0.0.1:9443 --insecure",
            )
        if self.tls_cert is None and not loopback and not self.insecure:
            raise UsageError(
                "sink-plain-http",
                f"tokens and audit events would cross the network in the clear on {self.listen}",
                "give --tls-cert FILE --tls-key FILE, listen on 127.0.0.1, or say --insecure "
                "where something in front of the sink speaks TLS",
            )
        if self.cluster is not None:
            check_cluster_name(self.cluster)
        for name in ("flush_seconds", "flush_bytes", "max_body_bytes", "max_spool_bytes", "max_connections"):
            if getattr(self, name) <= 0:
                raise UsageError("setting-invalid", f"{name} must be more than 0")
        if self.max_body_bytes > LARGEST_BODY_BYTES:
            raise UsageError("setting-invalid", f"max_body_bytes is at most {LARGEST_BODY_BYTES}")
        if self.body_budget_bytes < self.max_body_bytes:
            raise UsageError(
                "setting-invalid",
                f"body_budget_bytes ({self.body_budget_bytes}) is less than one body (max_body_bytes, "
                f"{self.max_body_bytes})",
                "raise the one or lower the other",
            )


def split_listen(listen: str) -> tuple[str, int]:
    """``127.0.0.1:9443``, ``[::1]:9443`` or ``:9443`` as host and port; UsageError for anything else."""
    host, colon, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError("listen-invalid", f"cannot listen on {listen!r}", "write HOST:PORT, such as 127.0.0.1:9443")
    return host or "0.0.0.0", int(port)  # noqa: S104 - ":9443" says so; without TLS, check() refuses it


def is_loopback(host: str) -> bool:
    """Whether *host* can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
