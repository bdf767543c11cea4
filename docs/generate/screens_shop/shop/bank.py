"""The bank: busy at first for every fifth order, and it declines the cards of orders 1007 and 1009."""

from __future__ import annotations

_WITHOUT_CREDIT = (1007, 1009)


class CardError(Exception):
    """The bank does not pay."""


def pay(order: int, *, attempt: int) -> None:
    """Take the money for an order.

    Raises:
        CardError: the bank is busy, or declines the card.
    """
    if order in _WITHOUT_CREDIT:
        raise CardError(f"card declined (order {order})")
    if order % 5 == 0 and attempt == 1:
        raise CardError(f"bank is busy (order {order})")
