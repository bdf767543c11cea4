"""The shop's console commands: ``python -m shop.commands NAME …``."""

from __future__ import annotations

import sys
import time

import click

from shop import jobs, mail

_FIRST, _SLOW_CARRIER = 1001, 1008


@click.command()
@click.option("--orders", default=12, help="How many.")
@click.option("--pause", default=0.0, help="Seconds between two of them.")
def import_orders(orders: int, pause: float) -> None:
    """Import orders: charge each, draw some invoices, ship one, call some partners."""
    for order in range(_FIRST, _FIRST + orders):
        jobs.charge.delay(order)
        if order % 4 == 0:
            jobs.render_pdf.delay(order, 40 * (order % 5 + 1))
        if order % 4 == 1:
            mail.call_webhook.send(order)
        if order % 3 == 1:
            jobs.print_label.delay(order)
        if order == _SLOW_CARRIER:
            jobs.ship_parcel.delay(order)
        time.sleep(pause)


@click.command()
@click.argument("order", type=int)
def place_order(order: int) -> None:
    """Place one order."""
    jobs.charge.delay(order)
    jobs.render_pdf.delay(order, 60)


@click.command()
def close_year() -> None:
    """Write the books of all months."""
    for month in range(1, 7):
        jobs.export_month.delay(f"2026-{month:02}")


@click.command()
def sync_stock() -> None:
    """Call a partner, then fail."""
    mail.call_webhook.send(1)
    raise click.ClickException("the warehouse answered 503")


_COMMANDS = {command.name: command for command in (import_orders, place_order, close_year, sync_stock)}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    _COMMANDS[name].main(prog_name=name)
