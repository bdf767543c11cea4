"""The shop's console command: for every order a handful of jobs."""

from __future__ import annotations

import click


@click.command()
@click.option("--orders", default=16, show_default=True, help="How many orders to import.")
def import_orders(orders: int) -> None:
    """Import orders: charge each, and now and then draw an invoice, ship it, resize an image, call a webhook."""
    from jobspan.demo.celery_jobs import charge, render_pdf, ship_parcel
    from jobspan.demo.dramatiq_jobs import call_webhook, resize_image

    with click.progressbar(range(1, orders + 1), label="import-orders puts jobs") as progress:
        for order in progress:
            charge.delay(order)
            if order % 3 == 2:  # noqa: PLR2004 - every third order
                render_pdf.delay(order, 40 * (order % 5 + 1))
            if order % 4 == 3:  # noqa: PLR2004 - every fourth order
                call_webhook.send(order)
            if order == 10:  # noqa: PLR2004 - the order of the slow carrier
                ship_parcel.delay(order)
            resize_image.send(order, 400 + 50 * order)


if __name__ == "__main__":
    import_orders(prog_name="import-orders")
