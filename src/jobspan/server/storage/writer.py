"""The one thread that writes: it gathers the requests that wait, commits them together, and deletes what is old."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from jobspan.errors import BackendError
from jobspan.server.storage.batch import Batch
from jobspan.server.storage.retention import KEEP_ALL, Cleaner, Retention
from jobspan.server.storage.store import Store

_logger = logging.getLogger("jobspan.server")

GATHERED_ROWS = 50_000
"""A transaction takes no further request once it has so many rows."""

_CLEANED_EVERY_S = 1.0

_Waiting = tuple[Batch, "Future[None]"]


class Writer:
    """Writes batches to a store, in the order in which they came, and holds it to its retention."""

    def __init__(self, store: Store, retention: Retention = KEEP_ALL) -> None:
        self._store = store
        self._cleaner = Cleaner(store, retention)
        self._clean_at = time.monotonic()
        self._cleaning_failed = False
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="jobspan-writer")
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """Return what ends when the batch is committed, or raises ``BackendError`` when it could not be."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()
        self._queue.put((batch, done))
        return done

    def stop(self) -> None:
        """Write what was submitted, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                waiting = self._queue.get(timeout=max(0.0, self._clean_at - time.monotonic()))
            except Empty:
                self._clean()
                continue
            if waiting is None:
                return
            gathered, is_last = self._gather(waiting)
            self._commit(gathered)
            if is_last:
                return
            if time.monotonic() >= self._clean_at:
                self._clean()

    def _clean(self) -> None:
        """Delete one slice; further ones follow without a pause, each after what waits to be written."""
        is_more = False
        try:
            is_more = self._cleaner.step()
        except Exception as error:  # noqa: BLE001  the thread must go on writing
            if not self._cleaning_failed:
                _logger.warning("old spans could not be removed, trying again: %s", error)
            self._cleaning_failed = True
        self._clean_at = time.monotonic() + (0 if is_more else _CLEANED_EVERY_S)

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        gathered, rows = [first], first[0].rows
        while rows < GATHERED_ROWS:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                break
            if waiting is None:
                return gathered, True
            gathered.append(waiting)
            rows += waiting[0].rows
        return gathered, False

    def _commit(self, gathered: list[_Waiting]) -> None:
        """Commit all; when that fails, each alone, so that one that cannot be written fails by itself."""
        try:
            self._store.add([batch for batch, _ in gathered])
        except Exception as error:  # noqa: BLE001  whatever it is, the thread must go on and the sender get the error
            if len(gathered) > 1:
                for waiting in gathered:
                    self._commit([waiting])
                return
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            _logger.warning("%d rows could not be written: %s", gathered[0][0].rows, reason)
            gathered[0][1].set_exception(BackendError(f"the store could not be written: {reason}"))
            return
        for _, done in gathered:
            done.set_result(None)
