"""``manage.py import_users``: jobs for Celery and Dramatiq, and another command."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from shop.celery import welcome


class Command(BaseCommand):
    """Import users."""

    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask how many."""
        parser.add_argument("users", type=int)

    def handle(self, *args: Any, users: int, **options: Any) -> None:
        """Welcome each of them, then have pictures drawn."""
        for user in range(users):
            welcome.delay(user)
        call_command("draw_avatars", str(users))
