"""Where the embedded store is, and where the server that holds it open answers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from jobspan.errors import MissingExtra
from jobspan.reading_settings import load_reading


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """What a server writes beside its store: where it answers and which process it is."""

    url: str
    pid: int


def default_store() -> Path:
    """Return the store of ``JOBSPAN_STORE``, else ``jobspan.duckdb`` in the user's data folder."""
    given = load_reading().store
    if given:
        return Path(given).expanduser()
    try:
        from platformdirs import user_data_path
    except ImportError as error:
        raise MissingExtra("the embedded store", "cli", error) from error
    return user_data_path("jobspan", appauthor=False) / "jobspan.duckdb"


def address_file(store: Path) -> Path:
    """Return the file beside a store that names its server."""
    return store.with_name(store.name + ".server")


def read_address(store: Path) -> ServerAddress | None:
    """Return what the file beside a store says; None without a file, or with one that is not ours."""
    try:
        content = json.loads(address_file(store).read_text("utf-8"))
        return ServerAddress(url=str(content["url"]), pid=int(content["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_address(store: Path, address: ServerAddress) -> None:
    """Write the file beside a store, readable by its owner only, whole or not at all."""
    target = address_file(store)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(address), file)
    fresh.replace(target)


def remove_address(store: Path) -> None:
    """Remove the file beside a store, if it names this process."""
    written = read_address(store)
    if written is not None and written.pid == os.getpid():
        address_file(store).unlink(missing_ok=True)
