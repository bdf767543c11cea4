"""What both receivers do with a request's bytes: admit, decode, write, and answer once it is committed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from jobspan.backends.store.reader import StoreReader
from jobspan.errors import BackendError
from jobspan.server.receive.decoding import decode, parse
from jobspan.server.receive.drops import Drops
from jobspan.server.storage.batch import Batch
from jobspan.server.storage.retention import KEEP_ALL, Retention
from jobspan.server.storage.store import Store
from jobspan.server.storage.writer import Writer

MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""A request may have so many bytes, decompressed."""

MAX_WAITING_BYTES = 4 * MAX_REQUEST_BYTES
"""So many may wait for their commit; beyond, senders get an answer to retry later."""


class Overloaded(BackendError):
    """Too much waits; the sender should retry."""


@dataclass(slots=True)
class Counters:
    """What happened since the start, besides what the store itself counts."""

    metrics_dropped: int = 0
    logs_dropped: int = 0
    rejected: int = 0
    malformed: int = 0
    overloaded: int = 0


@dataclass(slots=True)
class Intake:
    """Takes requests of one event loop into a store."""

    store: Store
    counters: Counters = field(default_factory=Counters)
    max_waiting_bytes: int = MAX_WAITING_BYTES
    retention: Retention = KEEP_ALL
    drops: Drops = field(default_factory=Drops)
    _waiting_bytes: int = 0
    _writer: Writer = field(init=False)
    _decoder: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "jobspan-decoder"))

    def __post_init__(self) -> None:
        self._writer = Writer(self.store, self.retention)

    def reader(self) -> StoreReader:
        """Return a reader that answers questions."""
        return StoreReader(self.store.connection)

    async def take(self, signal: str, body: bytes) -> Batch:
        """Keep what a protobuf request brings; see ``take_request``."""
        return await self._take(signal, lambda: parse(signal, body), len(body))

    async def take_request(self, signal: str, request: Any, size: int) -> Batch:
        """Keep what a request brings. When this returns, it is committed.

        Raises:
            MalformedData: it is no OTLP request.
            Overloaded: too much waits already.
            BackendError: it could not be written.
        """
        return await self._take(signal, lambda: request, size)

    async def _take(self, signal: str, read: Any, size: int) -> Batch:
        if self._waiting_bytes and self._waiting_bytes + size > self.max_waiting_bytes:
            self.counters.overloaded += 1
            raise Overloaded("too many requests wait to be written; send it again in a second")
        self._waiting_bytes += size
        try:
            loop = asyncio.get_running_loop()
            batch: Batch = await loop.run_in_executor(self._decoder, lambda: decode(signal, read()))
            if batch.rows:
                await asyncio.wrap_future(self._writer.submit(batch))
        finally:
            self._waiting_bytes -= size
        self._count(signal, batch)
        return batch

    def close(self) -> None:
        """Write what was accepted, and close the store."""
        self._decoder.shutdown()
        self._writer.stop()
        self.store.close()

    def _count(self, signal: str, batch: Batch) -> None:
        self.counters.rejected += batch.rejected
        if signal == "metrics":
            self.counters.metrics_dropped += batch.dropped
            self.drops.add(batch.drops)
        else:
            self.counters.logs_dropped += batch.dropped
