"""The exceptions that the applications' jobs raise on purpose: a worker's log may show them."""

from __future__ import annotations


class BankUnreachable(Exception):
    """The cause behind ``CardDeclined``."""


class CardDeclined(Exception):
    """Why a job fails."""


class ResultsAway(Exception):
    """Why a result cannot be stored."""


class NotYet(Exception):
    """Why a job asks for another attempt."""


def decline(card: str) -> None:
    """Raise ``CardDeclined`` with a cause."""
    try:
        _ask_bank()
    except BankUnreachable as cause:
        raise CardDeclined(f"card {card} declined") from cause


def _ask_bank() -> None:
    raise BankUnreachable("bank answered 503")
