"""The bank: busy for every fifth order at first, and without credit for order 1007."""

from __future__ import annotations


class CardError(Exception):
    """The bank does not pay."""


def pay(order: int, *, attempt: int) -> None:
    """Take the money for an order.

    Raises:
        CardError: the bank is busy, or declines the card.
    """
    if order == 1007:
        raise CardError(f"card declined: insufficient funds (order {order})")
    if order % 5 == 0 and attempt == 1:
        raise CardError(f"the bank is busy (order {order})")
