"""A console command that puts jobs and stays until it is let go: ``patient_command.py FIFO 0.1 1.5``."""

from __future__ import annotations

import sys
from pathlib import Path

from apps import celery_app

if __name__ == "__main__":
    for seconds in sys.argv[2:]:
        celery_app.put(celery_app.slow, float(seconds))
    Path(sys.argv[1]).read_text()
