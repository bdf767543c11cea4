"""The embedded store's tables, and how a file is recognised as a store.

``spans`` keeps every span; ``started`` has the same columns for work whose end is not known yet (``end_ns`` is 0);
``exceptions`` are log events waiting to be read as events of their span; ``resources`` are what sent them.
Ids are unsigned integers, a trace id in two halves: half the bytes of text and quick to compare. What filters need,
and what every span of ours carries, has a column; other attributes are JSON text. No index: rows arrive in the order
in which spans end, so the zone maps of ``end_ns`` are narrow; ids are looked for by their heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan import conventions as c
from jobspan.backends.ids import head_sql
from jobspan.errors import BackendError
from jobspan.named_tuple import NamedTuple

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA_VERSION = 2
APPLICATION = "jobspan"


class Promoted(NamedTuple):
    """An attribute with a column of its own. A value of another type stays in the JSON."""

    column: str
    attribute: str
    type: str


_TEXT, _WHOLE, _REAL, _TRUTH = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"

PROMOTED = (
    Promoted("framework", c.JOBSPAN_FRAMEWORK, _TEXT),
    Promoted("operation", c.MESSAGING_OPERATION_NAME, _TEXT),
    Promoted("operation_type", c.MESSAGING_OPERATION_TYPE, _TEXT),
    Promoted("job_name", c.JOBSPAN_JOB_NAME, _TEXT),
    Promoted("job_id", c.MESSAGING_MESSAGE_ID, _TEXT),
    Promoted("queue", c.MESSAGING_DESTINATION_NAME, _TEXT),
    Promoted("outcome", c.JOBSPAN_JOB_OUTCOME, _TEXT),
    Promoted("final", c.JOBSPAN_JOB_FINAL, _TRUTH),
    Promoted("attempt", c.JOBSPAN_JOB_ATTEMPT, _WHOLE),
    Promoted("max_attempts", c.JOBSPAN_JOB_MAX_ATTEMPTS, _WHOLE),
    Promoted("command_id", c.JOBSPAN_COMMAND_ID, _TEXT),
    Promoted("command_name", c.JOBSPAN_COMMAND_NAME, _TEXT),
    Promoted("error_type", c.ERROR_TYPE, _TEXT),
    Promoted("wait_scheduled_s", c.JOBSPAN_JOB_WAIT_SCHEDULED, _REAL),
    Promoted("wait_queued_s", c.JOBSPAN_JOB_WAIT_QUEUED, _REAL),
    Promoted("wait_prefetched_s", c.JOBSPAN_JOB_WAIT_PREFETCHED, _REAL),
    Promoted("cpu_s", c.JOBSPAN_JOB_CPU_TIME, _REAL),
    Promoted("memory_start_bytes", c.JOBSPAN_JOB_MEMORY_START, _WHOLE),
    Promoted("memory_end_bytes", c.JOBSPAN_JOB_MEMORY_END, _WHOLE),
    Promoted("memory_peak_bytes", c.JOBSPAN_JOB_MEMORY_PEAK, _WHOLE),
    Promoted("memory_source", c.JOBSPAN_JOB_MEMORY_SOURCE, _TEXT),
    Promoted("parent_job_id", c.JOBSPAN_JOB_PARENT_ID, _TEXT),
    Promoted("workflow_id", c.MESSAGING_CONVERSATION_ID, _TEXT),
    Promoted("worker", c.MESSAGING_CLIENT_ID, _TEXT),
    Promoted("broker", c.MESSAGING_SYSTEM, _TEXT),
    Promoted("broker_address", c.SERVER_ADDRESS, _TEXT),
    Promoted("broker_port", c.SERVER_PORT, _WHOLE),
    Promoted("pid", c.PROCESS_PID, _WHOLE),
    Promoted("thread_id", c.THREAD_ID, _WHOLE),
    Promoted("thread_name", c.THREAD_NAME, _TEXT),
    Promoted("function", c.CODE_FUNCTION_NAME, _TEXT),
)

_SPAN_COLUMNS = (
    ("trace_hi", "UBIGINT"),
    ("trace_lo", "UBIGINT"),
    ("span_id", "UBIGINT"),
    ("parent_id", "UBIGINT"),
    ("start_ns", _WHOLE),
    ("end_ns", _WHOLE),
    ("name", _TEXT),
    ("kind", _TEXT),
    ("status", _TEXT),
    ("status_message", _TEXT),
)
_REST_COLUMNS = (("attributes", _TEXT), ("links", _TEXT), ("events", _TEXT))
_SENDER_COLUMNS = (("failed", _TRUTH), ("service", _TEXT), ("scope", _TEXT), ("resource", _WHOLE))

CONTENT_COLUMNS = (*_SPAN_COLUMNS, *((p.column, p.type) for p in PROMOTED), *_REST_COLUMNS)
"""The span message itself: two spans are the same when these are equal."""

COLUMNS = (*CONTENT_COLUMNS, *_SENDER_COLUMNS)
HEADS = {"command_head": head_sql("command_id"), "job_head": head_sql("job_id")}
"""Columns made of others when a row is kept, after all of them."""

EXCEPTION_COLUMNS = (*_SPAN_COLUMNS[:3], ("name", _TEXT), ("time_ns", _WHOLE), ("attributes", _TEXT))


def create(connection: DuckDBPyConnection) -> None:
    """Make the tables in an empty file, and add to those of an earlier version what they lack.

    Raises:
        BackendError: the file is another program's, or of a newer jobspan.
    """
    if _tables(connection):
        if _version(connection) == _WITHOUT_HEADS:
            _add_heads(connection)
        return
    connection.begin()
    for table, columns in _TABLES.items():
        fields = ", ".join(f"{name} {type_}" for name, type_ in columns)
        connection.execute(f"CREATE TABLE {table} ({fields})")
    connection.execute(
        "INSERT INTO meta VALUES ('application', ?), ('schema_version', ?)", [APPLICATION, str(SCHEMA_VERSION)]
    )
    connection.commit()


def check(connection: DuckDBPyConnection) -> None:
    """Make sure that a file is a store of ours that this version reads.

    Raises:
        BackendError: it is not; the message says what was found.
    """
    if _version(connection) < SCHEMA_VERSION:
        raise BackendError("an earlier jobspan wrote the file; jobspan serve brings it up to date")


def _version(connection: DuckDBPyConnection) -> int:
    if "meta" not in _tables(connection):
        raise BackendError("the file is a DuckDB database of another program; name another file with --store")
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    if meta.get("application") != APPLICATION:
        raise BackendError("the file is a DuckDB database of another program; name another file with --store")
    version = int(meta["schema_version"])
    if version > SCHEMA_VERSION:
        raise BackendError(
            f"the file has schema version {version}, this jobspan reads up to {SCHEMA_VERSION}; upgrade jobspan"
        )
    return version


def _add_heads(connection: DuckDBPyConnection) -> None:
    connection.begin()
    for table in ("spans", "started"):
        for column, head in HEADS.items():
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} UINTEGER")
            connection.execute(f"UPDATE {table} SET {column} = {head}")  # noqa: S608  constants
    connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", [str(SCHEMA_VERSION)])
    connection.commit()


def _tables(connection: DuckDBPyConnection) -> set[str]:
    rows = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
    return {name for (name,) in rows}


_WITH_HEADS = (*COLUMNS, *((column, "UINTEGER") for column in HEADS))
_WITHOUT_HEADS = 1
_TABLES = {
    "meta": (("key", _TEXT), ("value", _TEXT)),
    "counters": (("name", _TEXT), ("value", _WHOLE)),
    "resources": (("id", _WHOLE), ("attributes", _TEXT)),
    "spans": _WITH_HEADS,
    "started": _WITH_HEADS,
    "exceptions": EXCEPTION_COLUMNS,
}
