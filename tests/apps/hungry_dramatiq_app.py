"""Dramatiq jobs that use a known amount of memory; the same as in ``hungry_app``."""

from __future__ import annotations

import dramatiq

from apps import appetites
from apps.dramatiq_app import _noted, allocate, broker, ok, put

__all__ = ["allocate", "broker", "ok", "put"]


@dramatiq.actor(queue_name="work")
def native(megabytes: int) -> None:
    """Let numpy hold so much for a moment."""
    with _noted():
        appetites.native(megabytes)


@dramatiq.actor(queue_name="work")
def mapped(megabytes: int) -> None:
    """Map so much for a moment."""
    with _noted():
        appetites.mapped(megabytes)


@dramatiq.actor(queue_name="work")
def hold(megabytes: int) -> None:
    """Hold so much for a second."""
    with _noted():
        appetites.hold(megabytes, 3.0)
