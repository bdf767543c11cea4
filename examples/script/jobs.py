"""Celery's application and its task."""

import os

from celery import Celery

app = Celery("jobs", broker=os.environ["BROKER_URL"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(name="welcome")
def welcome(user: int) -> None:
    """Welcome a user."""
