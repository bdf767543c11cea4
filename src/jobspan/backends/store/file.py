"""The embedded store, read from its file while no server holds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobspan.backends.store.reader import StoreReader
from jobspan.backends.store.schema import check
from jobspan.errors import BackendError, MissingExtra

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class StoreIsLocked(BackendError):
    """Another process has the file open: DuckDB admits one that writes."""


class EmbeddedBackend(StoreReader):
    """Answers from a DuckDB file, opened for reading only.

    Args:
        path: a file that ``jobspan serve`` wrote.

    Raises:
        BackendError: no such file, held by another process, or no store of jobspan.
        MissingExtra: DuckDB is not installed.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise BackendError(f"no store at {path}; start one with: jobspan serve --store {path}")
        super().__init__(_open(path))


def _open(path: Path) -> DuckDBPyConnection:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("the embedded store", "server", error) from error
    try:
        connection = duckdb.connect(str(path), read_only=True, config={"autoinstall_known_extensions": "false"})
    except duckdb.Error as error:
        found = unopened(path, error)
        if isinstance(found, StoreIsLocked):
            raise StoreIsLocked(f"{found}, which does not answer; stop it first") from error
        raise found from error
    try:
        check(connection)
    except BackendError as error:
        connection.close()
        raise BackendError(f"{path}: {error}") from error
    return connection


def unopened(path: Path, error: Exception) -> BackendError:
    """Return why DuckDB could not open a store, in words for a person."""
    message = str(error)
    if "lock" in message:
        return StoreIsLocked(f"{path} is held by another process: {_holder(message)}")
    return BackendError(f"{path} could not be opened as a DuckDB file: {message.splitlines()[0]}")


def _holder(message: str) -> str:
    """Return the part of DuckDB's message that names the process: ``... is held in python3 (PID 12)``."""
    _, found, after = message.partition("held in ")
    return after.split(")")[0] + ")" if found else "unknown"
