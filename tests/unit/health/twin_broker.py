"""A broker in memory: it says what a test gave it, or that it is gone."""

from __future__ import annotations

from jobspan.brokers.base import BrokerState, QueueState, WorkerState
from jobspan.errors import BrokerError
from jobspan.jobs import Broker, Framework

BROKER = Broker("redis", "localhost", 6379)
WORK = QueueState(Framework.CELERY, "work", ready=12, delayed=3, unacked=2, dead=None, oldest_s=90.0, workers=1)
MAIL = QueueState(Framework.DRAMATIQ, "mail", ready=0, delayed=0, unacked=0, dead=4, workers=None)
STATE = BrokerState(
    BROKER,
    (MAIL, WORK),
    (WorkerState(Framework.CELERY, "celery@w1", queues=("work",), concurrency=8),),
    ("idle workers cannot be told",),
)


class TwinBroker:
    """Answers ``state``; None: it cannot be reached."""

    broker = BROKER

    def __init__(self, state: BrokerState | None = STATE) -> None:
        self.state, self.looks, self.closed = state, 0, False

    def look(self) -> BrokerState:
        """Return the state."""
        self.looks += 1
        if self.state is None:
            raise BrokerError("redis at localhost:6379 cannot be reached")
        return self.state

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True
