"""Who looked at the evidence: one JSON line a request, written before the answer goes out."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lake.errors import UsageError


class AccessLog:
    """Appends to *path* (mode 0600), or to standard error where there is none."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._descriptor = None
        if path is not None:
            try:
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise UsageError(
                    "access-log-unwritable",
                    f"cannot write {path}: {error.strerror}",
                    "choose another with --access-log",
                ) from None

    def write(self, **fields: Any) -> None:
        """One line: ``time`` (UTC) and *fields*; what a caller sent stands escaped in it."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="microseconds"), **fields}, default=str) + "\n"
        with self._lock:
            if self._descriptor is None:
                sys.stderr.write(line)
            else:
                os.write(self._descriptor, line.encode())

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
