"""A store of the test's own, written in this process or by a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.kept_store import Kept
from backends.otlp_server import Server


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """An empty store in this process."""
    kept = Kept(tmp_path / "kept.duckdb")
    yield kept
    kept.store.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server of an empty store."""
    with Server(tmp_path / "jobspan.duckdb") as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server for tests that do not mind what others sent it."""
    with Server(tmp_path_factory.mktemp("shared") / "jobspan.duckdb") as server:
        yield server
