"""Send what this process holds, with a deadline of jobspan's: the SDK's ``force_flush`` ignores its timeout.

A collector that is down would hold a leaving process for as long as the exporters retry. Past the deadline the
exporters are shut down, so that the SDK's own shutdown finds nothing left to wait for.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from opentelemetry.trace import get_tracer_provider

from jobspan import forks
from jobspan.recording.sdk.pipeline import exporters_of, processors_of, providers

_logger = logging.getLogger("jobspan.flush")

DEADLINE_S = 2.0
_SHUTDOWN_S = 0.2
_shares = 1
_is_in_vain = False
_askers = 0
_before: list[Callable[[], None]] = []
_last: list[Callable[[], None]] = []
_watchers: list[Callable[[], Callable[[], None]]] = []
_standby: _Standby | None = None
_waits: Waits | None = None
_waited_s = [0.0]
_turn = threading.Lock()
_to_wait = [True]


class Waits(Protocol):
    """What knows of the waits of other processes."""

    def longest_s(self, asked_s: float) -> float:
        """Return for how long a process that leaves is to wait, no longer than it was going to."""

    def waited(self, asked_s: float, longest_s: float, *, is_answered: bool) -> None:
        """Hear how that went."""


def share_the_deadline() -> None:
    """Take half of it from now on: another process leaves before or after this one, and both are waited for."""
    global _shares  # noqa: PLW0603 - a process watches, or is watched, or neither
    _shares = 2


def flush(deadline_s: float | None = None) -> bool:
    """Export all signals of the global providers; False when the deadline came first."""
    if deadline_s is None:
        deadline_s = DEADLINE_S / _shares
    for step in _before:
        step()
    done = threading.Event()
    if not _started(_flush_all, done):
        return _standby is not None and _standby.flush(deadline_s)
    return done.wait(deadline_s)


def before(step: Callable[[], None]) -> None:
    """Do this before each flush, once however often it is registered: spans are ended that are to go out with it."""
    if step not in _before:
        _before.append(step)


def watch(begins: Callable[[], Callable[[], None]]) -> None:
    """Call this when a flush of spans begins, and what it answers when that has ended well."""
    _watchers.append(begins)


def last(step: Callable[[], None]) -> None:
    """Do this when the process leaves and all is flushed, once however often it is registered."""
    if step not in _last:
        _last.append(step)


def before_waiting(waits: Waits) -> None:
    """Ask this before a process that leaves waits."""
    global _waits  # noqa: PLW0603 - one a process
    _waits = waits


def flush_and_leave() -> None:
    """Export all signals of a process that leaves, perhaps without its exit handlers."""
    global _is_in_vain  # noqa: PLW0603 - who waited once for nothing does not wait again
    _is_in_vain = _is_in_vain or not _flush_last()
    _take_last_steps()


def flush_soon() -> None:
    """Export all signals without waiting for it.

    One flush runs and one waits, however many ask: a collector that is away would have a thread for each of them.
    """
    try:
        _to_wait.pop()
    except IndexError:
        return  # the one that waits will send these spans too
    if not _started(_flush_in_turn, threading.Event()):
        _to_wait.append(True)


def flush_or_give_up() -> None:
    """Export all signals; past the deadline stop the exporters, and say so."""
    # The process is leaving: what a handler prints about a log that is closed already is of no use.
    logging.raiseExceptions = False
    is_done = not _is_in_vain and _flush_last()
    _take_last_steps()
    if is_done:
        return
    _logger.warning("telemetry could not be sent within %g s: what is left is dropped", _waited_s[0])
    # Nor does what the exporters say of being stopped.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    for exporter in _exporters():
        if not _started(_stop, exporter):
            _stop(exporter)
    _shut_down_without_waiting()


def _flush_last() -> bool:
    asked_s = DEADLINE_S / _shares
    longest_s = _waits.longest_s(asked_s) if _waits is not None else asked_s
    is_done, _waited_s[0] = flush(longest_s), longest_s
    if _waits is not None:
        _waits.waited(asked_s, longest_s, is_answered=is_done)
    return is_done


def _shut_down_without_waiting() -> None:
    """Do what the SDK's exit handlers would do: they wait for a request over HTTP that cannot be cut short."""
    done = threading.Event()
    if _started(_shut_down_all, done):
        for provider in providers():
            for name in ("_atexit_handler", "_at_exit_handler"):
                handler = getattr(provider, name, None)
                if handler is not None:
                    atexit.unregister(handler)
        done.wait(_SHUTDOWN_S)


def _take_last_steps() -> None:
    for step in _last:
        step()


def flush_at_exit() -> Callable[[], None]:
    """Flush when the interpreter exits, before the SDK does; the answer takes that back."""
    global _askers, _standby  # noqa: PLW0603 - several instrumentors ask, one handler does it
    _askers += 1
    if _askers == 1:
        # Handlers run last in, first out: registered after the SDK's, ours comes first.
        atexit.register(flush_or_give_up)
        if (3, 12) <= sys.version_info < (3, 12, 2) and _standby is None:
            _standby = _Standby()
    return _no_longer


def _no_longer() -> None:
    global _askers  # noqa: PLW0603 - see flush_at_exit
    _askers -= 1
    if _askers == 0:
        atexit.unregister(flush_or_give_up)


class _Standby:
    """A thread that waits for the exit: Python 3.12.0 and 3.12.1 start none in an atexit handler."""

    def __init__(self) -> None:
        self._wanted, self._done = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True, name="jobspan-standby").start()

    def flush(self, deadline_s: float) -> bool:
        self._wanted.set()
        return self._done.wait(deadline_s)

    def _run(self) -> None:
        self._wanted.wait()
        _flush_all(self._done)


def _started(work: Callable[[Any], None], argument: Any) -> bool:
    """Start a thread for the work; False where the interpreter is too far gone for that."""
    try:
        threading.Thread(target=work, args=(argument,), daemon=True, name="jobspan-flush").start()
    except RuntimeError:
        return False
    return True


def _flush_in_turn(done: threading.Event) -> None:
    with _turn:
        _to_wait.append(True)
        _flush_all(done)


def _flush_all(done: threading.Event) -> None:
    """Flush all signals at once: a collector that takes its time takes it once, not for each of them."""
    under_way = [(provider, threading.Event()) for provider in providers()]
    for number, pair in enumerate(under_way, 1):
        # The last one's thread is this one.
        if number == len(under_way) or not _started(_flush_one, pair):
            _flush_one(pair)
    for _, is_flushed in under_way:
        is_flushed.wait()
    done.set()


def _flush_one(pair: tuple[Any, threading.Event]) -> None:
    provider, is_flushed = pair
    try:
        ends = [begins() for begins in _watchers] if provider is get_tracer_provider() else []
        if _force_flush(provider):
            for end in ends:
                end()
    except Exception:
        _logger.debug("flush of %r failed", provider, exc_info=True)
    finally:
        is_flushed.set()


def _force_flush(provider: Any) -> bool:
    try:
        return provider.force_flush() is True
    except RuntimeError:
        # A ``ConcurrentMultiSpanProcessor`` has no threads any more when the interpreter exits.
        answers = [processor.force_flush() for processor in processors_of(provider)]
        return all(answer is True for answer in answers)


def _shut_down_all(done: threading.Event) -> None:
    for provider in providers():
        _stop(provider)
    done.set()


def _stop(part: Any) -> None:
    try:
        part.shutdown()
    except Exception:
        _logger.debug("shutdown of %r failed", part, exc_info=True)


def _exporters() -> Iterator[Any]:
    for provider in providers():
        yield from exporters_of(provider)


def _begin_anew() -> None:
    global _turn, _standby  # noqa: PLW0603 - one a process
    _turn, _to_wait[:] = threading.Lock(), [True]
    if _standby is not None:
        # Its thread is the parent's.
        _standby = _Standby()


forks.join("flush", in_child=_begin_anew)
