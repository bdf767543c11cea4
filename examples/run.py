"""Run one of the examples on private servers: ``python examples/run.py django``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jobspan import conventions as c
from jobspan.backends import open_backend
from jobspan.backends.base import Backend, Match, RunFilter
from jobspan.backends.store.address import read_address
from jobspan.demo.broker import start_broker
from jobspan.demo.programs import Program, free_port, instrumented, is_listening, python, start
from jobspan.runs import is_command, is_publish, is_run

HERE = Path(__file__).parent
CELERY = ("worker", "--concurrency", "2", "--loglevel", "INFO", "--without-gossip", "--without-mingle")
DRAMATIQ = ("--processes", "1", "--threads", "2")
DONE_S = 30.0


class Project(NamedTuple):
    """How a project is started: its console command, and each worker with what it says when it is ready.

    A ``web`` application is started like a worker, ``{port}`` is where it listens; a ``request`` takes the command's
    place.
    """

    command: tuple[str, ...]
    workers: tuple[tuple[tuple[str, ...], str], ...]
    web: tuple[tuple[str, ...], str] | None = None
    request: str = ""


PROJECTS = {
    "django": Project(
        ("manage.py", "import_users", "3"),
        (
            (("-m", "celery", "-A", "shop.celery", *CELERY), " ready."),
            (("manage.py", "rundramatiq", *DRAMATIQ), "Worker process is ready"),
        ),
    ),
    "flask": Project(
        ("-m", "flask", "--app", "app", "users", "import", "3"), ((("-m", "celery", "-A", "jobs", *CELERY), " ready."),)
    ),
    "typer": Project(
        ("tool.py", "users", "import", "3"), ((("-m", "dramatiq", "jobs", *DRAMATIQ), "Worker process is ready"),)
    ),
    "fastapi": Project(
        (),
        ((("-m", "dramatiq", "jobs", *DRAMATIQ), "Worker process is ready"),),
        web=(("-m", "uvicorn", "app:app", "--port", "{port}"), "Application startup complete"),
        request="http://127.0.0.1:{port}/users/3",
    ),
    "script": Project(("import_users.py", "3"), ((("-m", "celery", "-A", "jobs", *CELERY), " ready."),)),
}


def main(name: str) -> int:
    """Run an example and return the exit code of its command, 0 of a request that was answered."""
    project = PROJECTS[name]
    programs: list[Program] = []
    with tempfile.TemporaryDirectory(prefix="jobspan-example-") as folder:
        try:
            return _run(project, HERE / name, Path(folder), programs)
        finally:
            for program in reversed(programs):
                program.stop()


def _run(project: Project, home: Path, folder: Path, programs: list[Program]) -> int:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "JOBSPAN_"))}
    environ["BROKER_URL"] = start_broker(folder, environ, programs).url
    url, port = _receiver(folder, environ, programs)
    environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "PYTHONPATH": str(home),
        # OpenTelemetry's instrumentation of Django asks for it before manage.py can set it.
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    for number, (args, ready) in enumerate(project.workers):
        worker = start(f"worker-{number}", instrumented(*_in(home, args)), folder, environ, programs)
        worker.wait_until(lambda worker=worker, ready=ready: worker.has_printed(ready))
    if project.web is None:
        done = subprocess.run(instrumented(*_in(home, project.command)), env=environ, cwd=folder, check=False)
        _jobspan(environ, "show", _when_done(folder, url, _finished_command), "--backend", url)
        return done.returncode
    number = _request(project, folder, environ, programs)
    _when_done(folder, url, partial(_finished_jobs, number))
    _jobspan(environ, "runs", "--backend", url)
    return 0


def _request(project: Project, folder: Path, environ: dict[str, str], programs: list[Program]) -> int:
    """Start the web application, ask it to put jobs, and return how many it has put."""
    args, ready = project.web or ((), "")
    port = free_port()
    web = start("web", instrumented(*(arg.format(port=port) for arg in args)), folder, environ, programs)
    web.wait_until(lambda: web.has_printed(ready))
    request = urllib.request.Request(project.request.format(port=port), method="POST")  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=DONE_S) as answer:  # noqa: S310 - the same
        said = answer.read().decode()
    print(said)
    return int(json.loads(said)["imported"])


def _jobspan(environ: dict[str, str], *args: str) -> None:
    sys.stdout.flush()
    subprocess.run(python("-c", "from jobspan.cli import main; main()", *args), env=environ, check=False)


def _receiver(folder: Path, environ: dict[str, str], programs: list[Program]) -> tuple[str, int]:
    store, port = folder / "jobspan.duckdb", free_port()
    options = ("--store", str(store), "--grpc-port", str(port), "--http-port", "0")
    receiver = start("receiver", python("-m", "jobspan.server", *options), folder, environ, programs)
    receiver.wait_until(lambda: is_listening(port) and read_address(store) is not None)
    address = read_address(store)
    return (address.url if address else ""), port


def _in(home: Path, args: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command line with its script, if it is one, by its whole path."""
    return (str(home / args[0]), *args[1:]) if args[0].endswith(".py") else args


def _when_done(folder: Path, url: str, finished: Callable[[Backend], str]) -> str:
    """Wait until ``finished`` returns the id of something whose jobs have all had their last run, and return it."""
    deadline = time.monotonic() + DONE_S
    backend = open_backend(folder / "jobspan.duckdb", url)
    try:
        while time.monotonic() < deadline:
            if found := finished(backend):
                return found
            time.sleep(0.2)
    finally:
        backend.close()
    raise SystemExit(f"the jobs were not done after {DONE_S:.0f} s")


def _finished_command(backend: Backend) -> str:
    for match in backend.find(""):
        spans = backend.story(Match("command", match.id)) if match.kind == "command" else ()
        put = {span.attributes.get(c.MESSAGING_MESSAGE_ID) for span in spans if is_publish(span)}
        done = {
            span.attributes.get(c.MESSAGING_MESSAGE_ID)
            for span in spans
            if is_run(span) and span.attributes.get(c.JOBSPAN_JOB_FINAL)
        }
        if put and put <= done and any(is_command(span) for span in spans):
            return match.id
    return ""


def _finished_jobs(number: int, backend: Backend) -> str:
    done = [run.trace_id for run in backend.runs(RunFilter()) if run.final]
    return done[0] if len(done) == number else ""


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in PROJECTS:
        sys.exit(main(sys.argv[1]))
    sys.exit(f"python examples/run.py with one of: {', '.join(PROJECTS)}")
