"""Signals by their names."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """Return ``SIGKILL`` for 9; the number as text where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
