"""The suite runs on what it says it runs on."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb
import pytest


@pytest.mark.skipif("EXPECTED_DUCKDB" not in os.environ, reason="`make test-duckdb2` names the DuckDB it wants")
def test_duckdb_under_test() -> None:
    """The second job tests the DuckDB it is for, in this process and in those that tests start."""
    expected = os.environ["EXPECTED_DUCKDB"]
    child = subprocess.run(
        [sys.executable, "-c", "import duckdb; print(duckdb.__version__)"], capture_output=True, text=True, check=True
    )

    assert duckdb.__version__ == expected
    assert child.stdout.strip() == expected
