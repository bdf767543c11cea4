"""The tour's shop: broker, receiver and both workers, started in order and all stopped whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from jobspan.backends.store.address import read_address
from jobspan.demo.broker import RunningBroker, start_broker
from jobspan.demo.interrupts import deferred_interrupts
from jobspan.demo.programs import Program, free_port, instrumented, is_listening, python, start
from jobspan.errors import JobspanError

if TYPE_CHECKING:
    from typing_extensions import Self

_USERS_VARIABLES = ("OTEL_", "JOBSPAN_", "CELERY_", "PYTHONPATH")
_EXPORT_MS = "200"


class Shop:
    """All programs of the tour. Use as a context manager: at its end nothing of it is left running.

    Args:
        folder: where the store, the programs' output and their data go.
        say: called with what has just started.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.store = folder / "jobspan.duckdb"
        self._say = say
        self._programs: list[Program] = []
        self._closing = ExitStack()
        self._environ = _clean(os.environ)

    def __enter__(self) -> Self:
        with self._closing:
            self._closing.callback(self._stop_all)
            self._open()
            self._closing = self._closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def url(self) -> str:
        """Where the receiver answers questions.

        Raises:
            JobspanError: it does not run.
        """
        address = read_address(self.store)
        if address is None:
            raise JobspanError(f"the receiver left no address beside {self.store}; its output is in receiver.log there")
        return address.url

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Return the shop's console command and the environment to run it in."""
        return instrumented("-m", "jobspan.demo.import_orders"), self._instrumented_environ("shop-command")

    def _open(self) -> None:
        broker = self._start_broker()
        self._environ["SHOP_BROKER_URL"] = broker.url
        self._start_receiver()
        # Both workers at once: most of the time that they take is Python's imports.
        celery = self._start("celery", "-m", "celery", "-A", "jobspan.demo.celery_jobs", *_CELERY)
        dramatiq = self._start("dramatiq", "-m", "dramatiq", "jobspan.demo.dramatiq_jobs", *_DRAMATIQ)
        celery.wait_until(lambda: celery.has_printed(" ready."))
        self._say("a Celery worker with 2 processes")
        dramatiq.wait_until(lambda: dramatiq.has_printed("Worker process is ready"))
        self._say("a Dramatiq worker with 4 threads")

    def _start_broker(self) -> RunningBroker:
        broker = start_broker(self.folder, self._environ, self._programs)
        self._say(f"a broker: {broker.name}")
        return broker

    def _start_receiver(self) -> None:
        self._grpc_port = free_port()
        options = ("--store", str(self.store), "--grpc-port", str(self._grpc_port), "--http-port", "0")
        receiver = self._note("receiver", python("-m", "jobspan.server", *options), self._environ)
        receiver.wait_until(lambda: is_listening(self._grpc_port) and read_address(self.store) is not None)
        self._say("jobspan serve")

    def _start(self, name: str, *args: str) -> Program:
        return self._note(name, instrumented(*args), self._instrumented_environ(f"shop-{name}"))

    def _note(self, name: str, args: list[str], environ: Mapping[str, str]) -> Program:
        return start(name, args, self.folder, environ, self._programs)

    def _instrumented_environ(self, service: str) -> dict[str, str]:
        return {
            **self._environ,
            "OTEL_SERVICE_NAME": service,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._grpc_port}",
            "OTEL_BSP_SCHEDULE_DELAY": _EXPORT_MS,
            # The default folder is the user's: the tour must not recover the runs of their workers.
            "OTEL_PYTHON_JOBSPAN_STATE_DIR": str(self.folder / "flight"),
            # Other instrumentations of this environment would record the same jobs a second time.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,click,redis",
        }

    def _stop_all(self) -> None:
        # Workers first, the broker and the receiver after what they still have to say; in parallel within each.
        servers, workers = self._programs[:2], self._programs[2:]
        with deferred_interrupts():
            for group in (workers, servers):
                for program in group:
                    program.ask_to_stop()
                for program in group:
                    program.stop()


_CELERY = (
    "worker",
    "--concurrency",
    "2",
    "--queues",
    "billing,pdf",
    "--loglevel",
    "INFO",
    "--without-gossip",
    "--without-mingle",
)
_DRAMATIQ = ("--processes", "1", "--threads", "4")


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(_USERS_VARIABLES)}
