"""Dramatiq's actor; django-dramatiq finds it here."""

import dramatiq


@dramatiq.actor
def draw_avatar(user: int) -> None:
    """Draw a picture of a user."""
