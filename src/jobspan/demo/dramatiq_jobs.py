"""The shop's Dramatiq actors."""

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["SHOP_BROKER_URL"]))  # type: ignore[no-untyped-call]  # its __init__ has no types


@dramatiq.actor(queue_name="mail")
def send_receipt(order: int) -> None:
    """Send a receipt, at once."""
    time.sleep(0.02 + order % 3 * 0.01)


@dramatiq.actor(queue_name="images", max_retries=3, min_backoff=300, max_backoff=600)
def resize_image(order: int, size: int) -> None:
    """Resize the image of an order's product."""
    time.sleep(0.05 + (size + order) / 10_000)


@dramatiq.actor(queue_name="hooks", max_retries=1, min_backoff=400, max_backoff=800)
def call_webhook(order: int) -> None:
    """Notify the partner's shop, which never answers for order 3."""
    time.sleep(0.03)
    if order == 3:  # noqa: PLR2004 - the order of the partner who is away
        raise ConnectionError("partner.example did not answer within 5 s")
