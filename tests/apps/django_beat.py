"""Makes the database of django-celery-beat and puts an entry into it, so that each moment runs ``note``."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apps.django_settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - Django asks for its settings first
from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: E402 - as above

call_command("migrate", verbosity=0)
each_second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
PeriodicTask.objects.create(name="from the database", task="note", interval=each_second)
