"""The shop's Dramatiq actors."""

from __future__ import annotations

import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url="redis://localhost:6379/0"))

_WITHOUT_ANSWER = (1005, 1009)


@dramatiq.actor(queue_name="mail")
def send_receipt(order: int) -> None:
    """Send a receipt, and tell the accountant."""
    time.sleep(0.03 + order % 3 * 0.01)
    book_receipt.send(order)


@dramatiq.actor(queue_name="mail")
def book_receipt(order: int) -> None:
    """Enter a receipt into the books."""
    time.sleep(0.02 + order % 2 * 0.02)


@dramatiq.actor(queue_name="hooks", max_retries=1, min_backoff=400, max_backoff=800)
def call_webhook(order: int) -> None:
    """Report an order to a partner; those of orders 1005 and 1009 never answer."""
    time.sleep(0.04)
    if order in _WITHOUT_ANSWER:
        raise ConnectionError("partner did not answer")
