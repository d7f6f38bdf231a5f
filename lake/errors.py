"""The one error shape of the product: a stable code, what happened, and what to do now."""

from __future__ import annotations


class AshiatoError(Exception):
    """An expected failure: shown to a person as two lines, never as a traceback.

    ``code`` is stable and searchable (``lake-not-found``), ``message`` says what and where,
    ``hint`` says what to do now.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        hint = f"\nhint: {self.hint}" if self.hint else ""
        return f"{self.message}{hint} [{self.code}]"


class UsageError(AshiatoError):
    """The words of a command, a configuration key or a value are wrong (exit code 2)."""


class NothingToRead(AshiatoError):
    """There was no input: no lake, no file, no event (exit code 3)."""
