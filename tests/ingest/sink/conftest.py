"""A sink per test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ingest.sink.process import SinkProcess


@pytest.fixture
def start_sink(tmp_path: Path) -> Iterator[Callable[..., SinkProcess]]:
    """Start a sink with settings; it is killed at the end of the test if it still runs."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(SinkProcess(tmp_path, **settings))


@pytest.fixture
def sink(start_sink: Callable[..., SinkProcess]) -> SinkProcess:
    """A running sink without credentials on loopback."""
    return start_sink()


@pytest.fixture(scope="module")
def shared_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SinkProcess]:
    """One sink for all tests of a module that only post and look; each uses a cluster of its own."""
    with SinkProcess(tmp_path_factory.mktemp("sink"), max_body_bytes=40 << 20) as sink:
        yield sink
