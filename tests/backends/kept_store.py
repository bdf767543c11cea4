"""A store written and asked in this process: the same code as the server's, without one."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import Message

from jobspan.backends.store.reader import StoreReader
from jobspan.server.receive.decoding import REQUESTS, decode
from jobspan.server.storage.store import Store


class Kept:
    """A store in this process: ``keep`` requests, then ask ``reader``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self.reader = StoreReader(self.store.connection)

    def keep(self, *requests: Message) -> None:
        """Decode the requests, and commit them together."""
        signals = {message: signal for signal, message in REQUESTS.items()}
        self.store.add([decode(signals[type(request)], request) for request in requests])

    def reopen(self) -> None:
        """Close the file, and open it again."""
        self.store.close()
        self.store = Store(self.path)
        self.reader = StoreReader(self.store.connection)
