"""The least of a Django project in which django-celery-beat keeps its schedule."""

from __future__ import annotations

import os
from pathlib import Path

SECRET_KEY = "for tests"
INSTALLED_APPS = ["django_celery_beat"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(os.environ["TEST_DIARY"]).parent / "beat.db")}
}
USE_TZ = True
