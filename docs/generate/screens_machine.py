"""The private machine of the pictures, and the shop that works on it.

A process of its own namespaces has its own network (so the default ports are free, and nothing else is disturbed), its
own host name and its own ``/srv``: nothing that a command prints is of the machine that draws the pictures, and nothing
has to be hidden. All its programs end with it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobspan.demo.programs import Program, instrumented, is_listening, python, start

if TYPE_CHECKING:
    from typing_extensions import Self

HOME = Path("/srv/shop")
_VENV = HOME / ".venv"
_SHOP = Path(__file__).parent / "screens_shop"
_REDIS_PORT, _GRPC_PORT = 6379, 4317
_DEADLINE_S = 60.0
_UNSHARE = ["unshare", "-rnumpf", "--mount-proc", "--kill-child"]
"""Namespaces of users, network, host name, mounts and processes; needs no rights."""

_MACHINE = f"""
ip link set lo up
hostname shop-1
mount -t tmpfs shop /srv
mkdir -p {_VENV}
mount --bind "$1" {_VENV}
shift
exec {_VENV}/bin/python "$@"
"""


def become_private() -> None:
    """Run this program again on a machine of its own, where it is not there yet."""
    if Path(sys.prefix) == _VENV:
        shutil.copytree(_SHOP, HOME, dirs_exist_ok=True)
        return
    os.execvp(_UNSHARE[0], [*_UNSHARE, "sh", "-ec", _MACHINE, "sh", sys.prefix, *sys.argv])  # noqa: S606 - needs none


def environment(service: str = "shop") -> dict[str, str]:
    """Return the whole environment of a program on the machine."""
    return {
        "HOME": str(HOME),
        "PATH": f"{_VENV}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "JOBSPAN_BROKER": f"redis://localhost:{_REDIS_PORT}/0",
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "host.name=shop-1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{_GRPC_PORT}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
        "OTEL_PYTHON_JOBSPAN_STATE_DIR": str(HOME / "flight"),
        # Other instrumentations that are installed beside would report the same jobs a second time.
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,click,redis",
    }


class Shop:
    """Broker, ``jobspan serve``, both workers, and console commands whose jobs are done. Use as a context manager."""

    def __init__(self) -> None:
        self._programs: list[Program] = []

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self._programs):
            program.stop()

    def start(self, line: str) -> None:
        """Start a console command of the shop, and wait until its beginning is known."""
        before = {command["command_id"] for command in self._commands()}
        self._start("shop", *instrumented("-m", "shop.commands", *shlex.split(line)))
        _wait(lambda: {command["command_id"] for command in self._commands()} - before, line)

    def __getitem__(self, name: str) -> str:
        """Return the id that a picture is about, as short as it may be typed."""
        full = {
            "command": lambda: self._command("import-orders")["command_id"],
            "newest": lambda: self._commands()[0]["command_id"],
            "trace": lambda: self._command("place-order")["trace_id"],
            "failed": lambda: _rows("runs", "failed", "--job", "shop.jobs.charge")[0]["job_id"],
            "killed": lambda: _rows("runs", "runs", "--outcome", "lost", "--job", "*.render_pdf")[0]["job_id"],
        }
        return _short(full[name]())

    def _open(self) -> None:
        redis = ["redis-server", "--port", str(_REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._start("redis", *redis).wait_until(lambda: is_listening(_REDIS_PORT))
        self._start("serve", *_jobspan("serve")).wait_until(lambda: is_listening(_GRPC_PORT))
        celery = self._start("billing", *instrumented("-m", "celery", *_CELERY), **_WORKERS)
        dramatiq = self._start("mail", *instrumented("-m", "dramatiq", *_DRAMATIQ), **_WORKERS)
        celery.wait_until(lambda: celery.has_printed(" ready."))
        dramatiq.wait_until(lambda: dramatiq.has_printed("Worker process is ready"))
        for line in ("import-orders", "close-year", "sync-stock", "place-order 1030"):
            self.start(line)
        _wait(self._is_done, "the jobs that have a worker are done")

    def _start(self, name: str, *args: str, **variables: str) -> Program:
        return start(name, args, HOME, {**environment(name), **variables}, self._programs)

    def _commands(self) -> list[dict[str, Any]]:
        return _rows("commands", "runs", "--commands")

    def _command(self, name: str) -> dict[str, Any]:
        """Return the oldest command of this name."""
        return next(command for command in reversed(self._commands()) if command["command_name"] == name)

    def _is_done(self) -> bool:
        return all(
            command["end"] and command["done"] >= command["put"]
            for command in self._commands()
            if command["command_name"] != "close-year"
        )


_CELERY = (
    *("-A", "shop.jobs", "worker", "--hostname", "billing@%h", "--queues", "billing,pdf", "--concurrency", "2"),
    *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
)
_WORKERS = {"OTEL_PYTHON_JOBSPAN_CANARY": "true", "OTEL_PYTHON_JOBSPAN_STARTED_EVENTS": "true"}
_DRAMATIQ = ("shop.mail", "--processes", "1", "--threads", "4")


def _jobspan(*args: str) -> list[str]:
    return python("-c", "from jobspan.cli import main; main()", *args)


def _rows(key: str, *args: str) -> list[dict[str, Any]]:
    asked = _ask(*args)
    return json.loads(asked.stdout)[key] if asked.returncode in (0, 1) else []


def _ask(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _jobspan(*args, "--json"), env=environment(), cwd=HOME, capture_output=True, text=True, check=False
    )


def _short(id_: str) -> str:
    return next(id_[:size] for size in range(4, len(id_) + 1) if _ask("show", id_[:size]).returncode == 0)


def _wait(is_so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"not so after {_DEADLINE_S:.0f} s: {what}")
        time.sleep(0.2)
