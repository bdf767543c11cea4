"""Dramatiq jobs that take their process with them; ``command.py put mortal_dramatiq:killed=9`` puts one.

On Redis a job whose worker died comes back after five seconds instead of a minute.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO, CurrentMessage

from apps.dramatiq_app import _noted, broker, ok, put, slow
from support.diary import TEST_DIARY

__all__ = ["broker", "ok", "put", "slow"]

# A process that is told to stop twice waits for the event loop's thread for ever (Dramatiq 2.2).
broker.middleware = [each for each in broker.middleware if not isinstance(each, AsyncIO)]
if isinstance(broker, RedisBroker):
    # A process that has no turn for a few seconds, on a busy machine, is not dead.
    broker.heartbeat_timeout, broker.maintenance_chance = 5_000, 1_000_000


@dramatiq.actor(queue_name="work")
def killed(number: int) -> None:
    """Be killed by a signal in the midst of it."""
    with _noted():
        os.kill(os.getpid(), number)
        time.sleep(30)


@dramatiq.actor(queue_name="work")
def gone(code: int) -> None:
    """Leave without a word."""
    with _noted():
        os._exit(code)


@dramatiq.actor(queue_name="work")
def killed_once() -> None:
    """Be killed the first time; the broker gives the message out once more."""
    message = CurrentMessage.get_current_message()
    assert message is not None
    been_here = Path(f"{os.environ[TEST_DIARY]}.{message.message_id}")
    with _noted():
        if not been_here.exists():
            been_here.touch()
            os.kill(os.getpid(), 9)
            time.sleep(30)


@dramatiq.actor(queue_name="work")
def cut_off(seconds: float) -> None:
    """Run longer than the worker waits for it when it shuts down."""
    with _noted() as run:
        run.will_be_ended("interrupted", final=False)
        time.sleep(seconds)


@dramatiq.actor(queue_name="work")
def brief(milliseconds: int) -> None:
    """Take a short while, and put a job."""
    with _noted():
        time.sleep(milliseconds / 1000)
        put(ok)
