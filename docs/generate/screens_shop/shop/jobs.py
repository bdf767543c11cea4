"""The shop's Celery tasks."""

from __future__ import annotations

import os
import signal
import time

from celery import Celery, Task

from shop import bank, mail

app = Celery("shop", broker="redis://localhost:6379/0")
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_default_queue="billing",
    task_ignore_result=True,
    task_routes={"shop.jobs.render_pdf": {"queue": "pdf"}, "shop.jobs.export_month": {"queue": "reports"}},
)

_KILLED_AT_PDF, _KILLED_AT_LABEL = 1004, 1006


@app.task(bind=True, max_retries=2)
def charge(self: Task, order: int) -> None:
    """Take the money, then send a receipt."""
    time.sleep(0.08 + order % 3 * 0.03)
    try:
        bank.pay(order, attempt=self.request.retries + 1)
    except bank.CardError as error:
        if self.request.retries == self.max_retries:
            raise
        raise self.retry(exc=error, countdown=1) from error
    mail.send_receipt.send(order)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def render_pdf(self: Task, order: int, pages: int) -> None:
    """Draw an invoice; at the first try of order 1004 its process is killed."""
    drawn = bytearray(b"x") * (pages * 1024 * 1024)
    time.sleep(0.3)
    if order == _KILLED_AT_PDF and not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    del drawn


@app.task(time_limit=1)
def ship_parcel(order: int) -> None:
    """Ask the carrier to come, who does not answer."""
    time.sleep(60 + order)


@app.task
def print_label(order: int) -> None:
    """Print the label of a parcel; the process is killed for order 1006."""
    time.sleep(0.1)
    if order == _KILLED_AT_LABEL:
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
def export_month(month: str) -> None:
    """Write the books of a month; no worker takes these jobs."""
    raise NotImplementedError(month)
