"""``manage.py draw_avatars``: a job for Dramatiq for each user."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shop.tasks import draw_avatar


class Command(BaseCommand):
    """Draw pictures of users."""

    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask how many."""
        parser.add_argument("users", type=int)

    def handle(self, *args: Any, users: int, **options: Any) -> None:
        """Put a job for each."""
        for user in range(users):
            draw_avatar.send(user)
