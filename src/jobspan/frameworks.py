"""The task libraries that are instrumented, a row each: all that is known of a library outside its own folder."""

from __future__ import annotations

from jobspan.jobs import Framework
from jobspan.named_tuple import NamedTuple


class TaskLibrary(NamedTuple):
    """What commands, health, testing and the command line need to know of a library.

    Attributes:
        title: as its makers write it.
        distribution: the package on PyPI, and the module that is imported.
        instrumentor: ``module:class``.
        entry_point: the instrumentor's name among ``opentelemetry_instrumentor``.
        start_worker: how to start a worker of ``{queue}``.
        canary: the module that publishes ``jobspan doctor``'s canary.
        long_running: names of programs that are no commands, with ``*``.
        commands: those of them that are commands all the same.
        loops: module, class and method that a worker or scheduler begins with.
        silenced: entry point of another instrumentation that is silenced while jobspan's is on.
        beside: distribution of another instrumentation that cannot be silenced.
    """

    framework: Framework
    title: str
    distribution: str
    instrumentor: str
    entry_point: str
    start_worker: str
    canary: str
    long_running: tuple[str, ...]
    commands: tuple[str, ...]
    loops: tuple[tuple[str, str | None, str], ...]
    silenced: str | None = None
    beside: str | None = None


TASK_LIBRARIES = {
    Framework.CELERY: TaskLibrary(
        Framework.CELERY,
        title="Celery",
        distribution="celery",
        instrumentor="jobspan.instrumentors.celery:CeleryInstrumentor",
        entry_point="jobspan_celery",
        start_worker="celery -A APP worker --queues {queue}",
        canary="jobspan.health.doctor.canary_celery",
        long_running=("celery *",),
        commands=("celery call", "celery call *"),
        loops=(("celery.worker.worker", "WorkController", "start"), ("celery.beat", "Service", "start")),
        silenced="celery",
    ),
    Framework.DRAMATIQ: TaskLibrary(
        Framework.DRAMATIQ,
        title="Dramatiq",
        distribution="dramatiq",
        instrumentor="jobspan.instrumentors.dramatiq:DramatiqInstrumentor",
        entry_point="jobspan_dramatiq",
        start_worker="dramatiq MODULE --queues {queue}",
        canary="jobspan.health.doctor.canary_dramatiq",
        long_running=("dramatiq", "dramatiq *", "dramatiq-gevent*", "* rundramatiq*"),
        commands=(),
        loops=(("dramatiq.worker", "Worker", "start"),),
        beside="opentelemetry-instrumentor-dramatiq",
    ),
}
