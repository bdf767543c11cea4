"""The shop's Celery tasks: some succeed, some need another try, some never will, one takes its process with it."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from celery import Celery, Task

app = Celery("shop", broker=os.environ["SHOP_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    task_default_queue="billing",
    task_routes={"render_pdf": {"queue": "pdf"}},
    broker_connection_retry_on_startup=True,
)


class CardError(Exception):
    """The bank said no."""


class TemplateError(Exception):
    """The invoice cannot be drawn."""


@app.task(name="charge", bind=True, max_retries=2)
def charge(self: Task, order: int) -> None:
    """Charge a card: order 7 is declined for good, every eighth order only at the first try."""
    from jobspan.demo.dramatiq_jobs import send_receipt

    time.sleep(0.05)
    if order == 7 or (order % 8 == 0 and self.request.retries == 0):  # noqa: PLR2004 - the orders with trouble
        reason = "card declined" if order == 7 else "bank is busy"  # noqa: PLR2004 - the tour's one declined order
        raise self.retry(exc=CardError(f"{reason} (order {order})"), countdown=0.5)
    send_receipt.send(order)


@app.task(name="render_pdf")
def render_pdf(order: int, megabytes: int) -> None:
    """Draw an invoice, which takes time and memory; order 5 has no template, order 14 is killed over it."""
    pages: Any = bytearray(b"x") * (megabytes * 1024 * 1024)
    time.sleep(0.4)
    if order == 5:  # noqa: PLR2004 - the order without a template
        raise TemplateError("no template 'invoice-gb' for token=4f1d-a77e")
    if order == 14:  # noqa: PLR2004 - the order that is too much
        os.kill(os.getpid(), signal.SIGKILL)
    del pages


@app.task(name="ship_parcel", time_limit=1)
def ship_parcel(order: int) -> None:
    """Ask the carrier to come, who answers after a minute or more: too late for the time limit."""
    time.sleep(60 + order)
