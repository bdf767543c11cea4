"""Starting, being found, and what is said when that cannot be."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import duckdb
import pytest

from backends.otlp_requests import run_attributes, span_message, traces
from backends.otlp_server import Server, server_program
from jobspan.backends import open_backend
from jobspan.backends.base import Backend, Match, RunFilter
from jobspan.backends.remote import RemoteBackend
from jobspan.backends.store.address import ServerAddress, address_file, read_address, write_address
from jobspan.backends.store.file import EmbeddedBackend
from jobspan.errors import BackendError, UsageError
from jobspan.server import serve
from support.ports import free_port


def _fails(store: Path, *options: str) -> str:
    """Start a server that cannot; return what it said."""
    program = server_program(store, *options, name="fails").start()
    assert program.wait() == 2
    return program.log.strip()


def _kind(backend: Backend) -> type:
    backend.close()
    return type(backend)


def test_a_second_server_of_a_store_is_told_who_holds_it(server: Server) -> None:
    said = _fails(server.store)
    assert said.startswith(f"{server.store} is held by another process")
    assert f"PID {server.program.pid}" in said
    assert "\n" not in said


@pytest.mark.parametrize("option", ["--grpc-port", "--http-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _fails(tmp_path / "jobspan.duckdb", option, str(port))
    protocol = {"--grpc-port": "gRPC", "--http-port": "HTTP"}[option]
    assert said == f"cannot listen for {protocol} on 127.0.0.1:{port}, is it taken? Choose another with {option}"


def test_a_server_that_cannot_listen_leaves_no_file(tmp_path: Path) -> None:
    said = _fails(tmp_path / "jobspan.duckdb", "--host", "192.0.2.1")
    said = said.splitlines()[-1]
    assert said.startswith("cannot listen for gRPC on 192.0.2.1:0: ")
    assert said.endswith("; --host takes an address of this machine")
    assert list(tmp_path.glob("jobspan.duckdb*")) == []


def test_two_servers_never_share_a_port(server: Server) -> None:
    for option, address in (("--grpc-port", server.grpc), ("--http-port", server.http)):
        assert "cannot listen" in _fails(server.store.with_name("second.duckdb"), option, address.rsplit(":", 1)[1])


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "theirs.duckdb"
    with duckdb.connect(str(store)) as theirs:
        theirs.execute("CREATE TABLE t (i INTEGER)")
    reason = f"{store}: the file is a DuckDB database of another program; name another file with --store"
    with pytest.raises(UsageError, match="another program") as refused:
        serve(store, grpc_port=0, http_port=0)
    assert str(refused.value) == reason
    with pytest.raises(BackendError) as refused_reader:
        EmbeddedBackend(store)
    assert str(refused_reader.value) == reason


def test_a_newer_store_asks_for_an_upgrade(tmp_path: Path) -> None:
    store = tmp_path / "jobspan.duckdb"
    with Server(store):
        pass
    with duckdb.connect(str(store)) as newer:
        newer.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    for opened in (lambda: EmbeddedBackend(store), lambda: serve(store, grpc_port=0, http_port=0)):
        with pytest.raises((BackendError, UsageError), match="schema version 99, this jobspan reads up to 2; upgrade"):
            opened()


def test_an_earlier_store_is_brought_up_to_date_by_its_server_and_named_to_readers_until_then(tmp_path: Path) -> None:
    store = tmp_path / "jobspan.duckdb"
    with Server(store) as server:
        server.post(traces(span_message(run_attributes(job_id="order-7"))))
    with duckdb.connect(str(store)) as earlier:
        for table in ("spans", "started"):
            earlier.execute(f"ALTER TABLE {table} DROP COLUMN command_head")
            earlier.execute(f"ALTER TABLE {table} DROP COLUMN job_head")
        earlier.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    with pytest.raises(BackendError, match="an earlier jobspan wrote the file; jobspan serve brings it up to date"):
        EmbeddedBackend(store)
    with Server(store) as server:
        server.post(traces(span_message(run_attributes(job_id="order-8"))))
    found = EmbeddedBackend(store).find("order-")
    assert found == [Match("job", "order-7"), Match("job", "order-8")]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "text.duckdb"
    store.write_text("not a database, though quite long enough to be looked at " * 100)
    for opened in (lambda: EmbeddedBackend(store), lambda: serve(store, grpc_port=0, http_port=0)):
        with pytest.raises((BackendError, UsageError), match="could not be opened as a DuckDB file"):
            opened()


def test_no_store_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as missing:
        open_backend(tmp_path / "none.duckdb")
    assert str(missing.value) == (
        f"no store at {tmp_path}/none.duckdb; start one with: jobspan serve --store {tmp_path}/none.duckdb"
    )


def test_the_address_is_for_its_owner_alone_and_gone_after_the_stop(server: Server) -> None:
    file = address_file(server.store)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_address(server.store) == ServerAddress(server.http, server.program.pid)
    server.stop()
    assert not file.exists()


def test_a_killed_servers_address_is_ignored_and_the_file_read(server: Server) -> None:
    server.post(traces(span_message(run_attributes())))
    assert _kind(open_backend(server.store)) is RemoteBackend
    server.program.kill()
    assert read_address(server.store) is not None
    backend = open_backend(server.store)
    assert len(backend.runs(RunFilter())) == 1
    assert _kind(backend) is EmbeddedBackend


def test_an_address_at_which_another_stores_server_answers_is_ignored(server: Server, tmp_path: Path) -> None:
    store = tmp_path / "other.duckdb"
    with Server(store):
        pass
    write_address(store, ServerAddress(server.http, 1))
    assert _kind(open_backend(store)) is EmbeddedBackend


def test_an_unreadable_address_is_ignored(tmp_path: Path) -> None:
    store = tmp_path / "jobspan.duckdb"
    with Server(store):
        pass
    for text in ("", "{", "[]", '{"url": 5}', '{"url": "no address", "pid": 1}'):
        address_file(store).write_text(text)
        assert _kind(open_backend(store)) is EmbeddedBackend


def test_a_held_store_whose_server_does_not_answer_is_an_error(server: Server) -> None:
    address_file(server.store).unlink()
    with pytest.raises(BackendError, match=r"is held by another process: .*, which does not answer"):
        open_backend(server.store)


def test_a_url_is_asked_before_any_file(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _kind(open_backend(tmp_path / "none.duckdb", server.http)) is RemoteBackend
    monkeypatch.setenv("JOBSPAN_BACKEND", server.http)
    assert _kind(open_backend()) is RemoteBackend
    monkeypatch.delenv("JOBSPAN_BACKEND")
    monkeypatch.setenv("JOBSPAN_STORE", str(server.store))
    assert _kind(open_backend()) is RemoteBackend


def test_a_url_where_nobody_answers_is_an_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    backend = open_backend(url=url)
    for ask in (lambda: backend.runs(RunFilter()), lambda: backend.story(Match("job", "j"))):
        with pytest.raises(BackendError, match=f"no jobspan server answers at {url}"):
            ask()
    backend.close()


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://x", "http://", "http://x:port"])
def test_what_is_no_url_is_wrong_use(url: str) -> None:
    with pytest.raises(UsageError, match="expected http://host:port"):
        open_backend(url=url)


def test_a_host_beyond_loopback_is_warned_of_in_one_line(tmp_path: Path) -> None:
    with Server(tmp_path / "jobspan.duckdb", "--host", "0.0.0.0") as server:
        warnings = [line for line in server.program.log.splitlines() if "no login" in line]
        assert len(warnings) == 1
        assert server.http.startswith("http://127.0.0.1:")


def test_on_loopback_nothing_is_warned_of(server: Server) -> None:
    assert len(server.program.log.splitlines()) == 1


def test_the_address_is_not_left_half_written(tmp_path: Path) -> None:
    store = tmp_path / "jobspan.duckdb"
    write_address(store, ServerAddress("http://127.0.0.1:1", os.getpid()))
    write_address(store, ServerAddress("http://127.0.0.1:2", os.getpid()))
    assert read_address(store) == ServerAddress("http://127.0.0.1:2", os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == ["jobspan.duckdb.server"]
