"""A Celery application whose task runs a console command of its own, and a script that dies after a publish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from apps import celery_app
from apps.celery_app import app

COMMAND = str(Path(__file__).with_name("command.py"))


@app.task(name="apps.starts_command.run_command")
def run_command() -> None:
    """Run a console command that puts a job."""
    subprocess.run([sys.executable, COMMAND, "put", "celery:ok"], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "put":
        run_command.delay()
    else:
        celery_app.put(celery_app.ok)
        os.kill(os.getpid(), signal.SIGKILL)
