"""A small project with Celery and Dramatiq."""

import os

SECRET_KEY = "of the example"  # noqa: S105 - there is nothing to keep secret
INSTALLED_APPS = ["django_dramatiq", "shop"]
USE_TZ = True
BROKER_URL = os.environ["BROKER_URL"]
DRAMATIQ_BROKER = {"BROKER": "dramatiq.brokers.redis.RedisBroker", "OPTIONS": {"url": BROKER_URL}, "MIDDLEWARE": []}
