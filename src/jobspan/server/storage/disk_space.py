"""How much disk a store's file takes, and giving back the blocks of deleted rows."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What a store takes on disk.

    Attributes:
        used_bytes: blocks of the file that hold something.
        file_bytes: all its blocks; those that are free are written to before the file grows.
        log_bytes: the write-ahead log beside it, until the next checkpoint.
    """

    used_bytes: int
    file_bytes: int
    log_bytes: int


def disk_usage(connection: DuckDBPyConnection) -> DiskUsage:
    """Return what the connection's store takes on disk."""
    used, total, block_bytes, path = connection.execute(_SIZE).fetchall()[0]
    return DiskUsage(used * block_bytes, total * block_bytes, _log_bytes(str(path)))


def checkpoint(connection: DuckDBPyConnection) -> None:
    """Write the log into the file and free the blocks of deleted rows for new ones.

    While a reader is active it does nothing; a later call does it.
    """
    with contextlib.suppress(duckdb.Error):
        connection.execute("CHECKPOINT")


def _log_bytes(path: str) -> int:
    try:
        return Path(f"{path}.wal").stat().st_size
    except OSError:
        return 0


_SIZE = """
SELECT s.used_blocks, s.total_blocks, s.block_size, d.path
FROM pragma_database_size() s JOIN duckdb_databases() d USING (database_name) WHERE d.database_name = current_database()
"""
