"""How much room a store's file takes, and giving back what deleted rows held."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Room:
    """What a store takes on disk.

    Attributes:
        used_bytes: blocks of the file that hold something.
        file_bytes: all its blocks; those that are free are written to before the file grows.
        log_bytes: the write-ahead log beside it, until the next checkpoint.
    """

    used_bytes: int
    file_bytes: int
    log_bytes: int


def room_of(connection: DuckDBPyConnection) -> Room:
    """Return what the connection's store takes on disk."""
    used, total, block_bytes, path = connection.execute(_SIZE).fetchall()[0]
    return Room(used * block_bytes, total * block_bytes, _log_bytes(str(path)))


def make_room_free(connection: DuckDBPyConnection) -> None:
    """Put the log into the file and let the blocks of deleted rows be written to again.

    Where somebody reads at this moment, it is done by a later one.
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
