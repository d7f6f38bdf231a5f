"""What the API can be told: one frozen record, checked as a whole before anything starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from lake.errors import UsageError


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Everything ``run_api`` needs. Times in seconds.

    ``tokens`` is the file of ``api.credentials``; without it one token is made for this run.
    ``memory_limit`` and ``threads`` hold for each query, of which ``concurrent_queries`` run at a time;
    ``requests_per_second`` (with bursts of three seconds' worth) for each caller. ``most_rows`` bounds an answer.
    """

    lake: str
    listen: str = "127.0.0.1:8321"
    tokens: Path | None = None
    access_log: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    query_seconds: float = 30.0
    memory_limit: str = "1GB"
    threads: int = 2
    concurrent_queries: int = 4
    requests_per_second: float = 20.0
    most_rows: int = 100_000

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise UsageError(
                "listen-invalid", f"not an address: {self.listen!r}", "write HOST:PORT, such as 127.0.0.1:8321"
            )
        return host.strip("[]"), int(port)

    def check(self) -> None:
        """Raise UsageError for what would let strangers read the evidence."""
        host, _ = self.address
        if bool(self.tls_cert) != bool(self.tls_key):
            raise UsageError("api-tls", "a certificate needs its key", "give both --tls-cert and --tls-key")
        if _is_loopback(host):
            return
        if self.tokens is None:
            raise UsageError(
                "api-open", f"{self.listen} can be reached by others, and there is no token file", "give --tokens FILE"
            )
        if self.tls_cert is None and not self.insecure:
            raise UsageError(
                "api-plain-http",
                f"tokens and evidence would cross the network in the clear on {self.listen}",
                "give --tls-cert FILE --tls-key FILE, listen on 127.0.0.1, or say --insecure where something in front speaks TLS",
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
