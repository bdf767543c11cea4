"""Which Celery workers are online, asked as ``celery inspect`` asks: through the broker, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Any

from jobspan.brokers.base import WorkerState
from jobspan.jobs import Framework

ASK_S = 1.0
"""How long an answer may take; where it is known how many will come, the last one ends the wait."""

REMOTE_CONTROL_OFF = (
    "Celery's workers cannot be asked: some take jobs, but none takes questions (remote control is off)"
)

NO_ANSWER = "Celery's workers hold jobs and listen, but none answers: one of the solo pool does not while it runs a job"

_GIVE_UP_S = 4 * ASK_S
_ASK_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Census:
    """The workers that answered; ``note`` says why they could not be asked."""

    workers: tuple[WorkerState, ...] | None
    note: str = ""


class CeleryControl:
    """Asks the workers of one broker, again when their number changes and once a minute.

    Args:
        url: the broker's.
        now_s: a clock.
    """

    def __init__(self, url: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self._url, self._now_s = url, now_s
        self._asked: tuple[int, float, Census] | None = None

    def census(self, listening: int) -> Census:
        """Return who answers.

        Args:
            listening: how many workers listen for questions, as the broker says; rather too many than too few.
        """
        if not listening:
            return Census(())
        if self._asked and self._asked[0] == listening and self._now_s() - self._asked[1] < _ASK_AGAIN_S:
            return self._asked[2]
        found = _ask(self._url, listening)
        if not found.note:
            self._asked = (listening, self._now_s(), found)
        return found


def _ask(url: str, listening: int) -> Census:
    try:
        import celery  # noqa: F401 - only to learn whether it is there
    except ImportError:
        return Census(None, "Celery's workers are not asked: that needs Celery, pip install 'jobspan[celery]'")
    answers: list[dict[str, Any]] = []
    failures: list[Exception] = []

    def ask() -> None:
        try:
            answers.extend(_inspect(url, listening))
        except Exception as error:  # noqa: BLE001 - whatever the transport raises
            failures.append(error)

    # kombu retries a connection for as long as it takes.
    asking = Thread(target=ask, name="jobspan-inspect", daemon=True)
    asking.start()
    asking.join(_GIVE_UP_S)
    if len(answers) != len(_QUESTIONS):
        why = f"{type(failures[0]).__name__} {failures[0]}" if failures else f"no answer within {_GIVE_UP_S:.0f} s"
        return Census(None, f"Celery's workers could not be asked: {why}")
    queues, stats = answers
    workers = tuple(_worker(name, queues.get(name), stats.get(name)) for name in sorted(queues.keys() | stats.keys()))
    return Census(workers)


_QUESTIONS = ("active_queues", "stats")


def _inspect(url: str, listening: int) -> list[dict[str, Any]]:
    from celery import Celery

    app = Celery("jobspan-monitor", broker=url, set_as_current=False)
    app.conf.update(broker_connection_timeout=ASK_S, broker_transport_options={"socket_connect_timeout": ASK_S})
    try:
        with app.connection_for_write() as connection:
            inspect = app.control.inspect(timeout=ASK_S, limit=listening, connection=connection)
            return [getattr(inspect, question)() or {} for question in _QUESTIONS]
    finally:
        app.close()


def _worker(name: str, queues: Any, stats: Any) -> WorkerState:
    pool = stats.get("pool") if isinstance(stats, dict) else None
    concurrency = pool.get("max-concurrency") if isinstance(pool, dict) else None
    return WorkerState(
        Framework.CELERY,
        name,
        queues=tuple(sorted(str(queue["name"]) for queue in queues)) if isinstance(queues, list) else None,
        concurrency=concurrency if isinstance(concurrency, int) else None,
    )
