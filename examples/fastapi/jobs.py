"""Dramatiq's broker and actor."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["BROKER_URL"]))


@dramatiq.actor
def welcome(user: int) -> None:
    """Welcome a user."""
