"""What every test may use: an empty lake, a redactor, and a bounded, repeatable Hypothesis profile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ingest.redact import Redactor
from lake.delta import Lake

# `HYPOTHESIS_PROFILE=thorough pytest` looks harder, with new examples each time.
settings.register_profile(
    "quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake in a folder of its own."""
    return Lake.open(tmp_path / "lake", create=True)


@pytest.fixture
def redactor() -> Redactor:
    """A redactor whose key is the same in every test."""
    return Redactor(b"\x07" * 32)
