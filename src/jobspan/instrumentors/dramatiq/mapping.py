"""Dramatiq's terms → jobspan's: a job from a message, a broker from a broker, a function from an actor."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import socket
from collections.abc import Hashable
from typing import Any

from dramatiq import Broker as DramatiqBroker
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.common import q_name
from dramatiq.middleware import Retries

from jobspan import conventions as c
from jobspan.events import Arguments, CpuScope
from jobspan.instrumentors.job_patterns import of_values
from jobspan.instrumentors.schedules import Schedule
from jobspan.job_options import NOTHING, JobOptions, chosen_for
from jobspan.jobs import Broker, Framework, Job
from jobspan.named_tuple import NamedTuple

_SYSTEMS = {
    "Redis": "redis",
    "Rabbitmq": c.SYSTEM_RABBITMQ,
    "Stub": "memory",
    "SQLite": "sqlite",
    "Postgres": "postgresql",
    "SQS": "aws_sqs",
    "PubSub": "gcp_pubsub",
}


class ActorFacts(NamedTuple):
    """What a run reports of its actor: the function's qualified name, and whose CPU time is the run's."""

    actor: Any
    function: str | None
    cpu: CpuScope


_NOTHING: dict[str, Any] = {}
_NO_ACTOR = ActorFacts(None, None, CpuScope.THREAD)


class BrokerFacts:
    """A broker, its actors and their jobs in jobspan's terms; what does not change is worked out once."""

    def __init__(self) -> None:
        self._found: Broker | None = None
        self._actors: dict[str, ActorFacts] = {}
        self._retries: Retries | None = None

    def of(self, broker: DramatiqBroker) -> Broker:
        """Return where a broker object keeps its messages."""
        if self._found is None:
            self._found = broker_of(broker)
        return self._found

    def actor(self, actor: Any) -> ActorFacts:
        """Return what is known of an actor; None: one that is not of this process."""
        if actor is None:
            return _NO_ACTOR
        found = self._actors.get(actor.actor_name)
        if found is None or found.actor is not actor:
            found = self._actors[actor.actor_name] = _facts_of(actor)
        return found

    def job(
        self,
        broker: DramatiqBroker,
        message: Any,
        delay_ms: int | None,
        now_ns: int,
        *,
        workflow_id: str | None = None,
        group_id: str | None = None,
        schedule: Schedule | None = None,
    ) -> Job:
        """Return the job that a message carries; ``delay_ms`` is the delay of a publish."""
        plain = message_behind(message)
        options, actor = plain.options, broker.actors.get(plain.actor_name)
        on_actor = _NOTHING if actor is None else actor.options
        eta_ms, scheduled_ns = options.get("eta"), None
        if delay_ms is not None:
            scheduled_ns = now_ns + int(delay_ms * 1_000_000)
        elif isinstance(eta_ms, (int, float)):
            scheduled_ns = int(eta_ms) * 1_000_000
        limit_ms = options.get("time_limit") or on_actor.get("time_limit")
        priority = None if actor is None else actor.priority
        return Job(
            framework=Framework.DRAMATIQ,
            queue=q_name(plain.queue_name),
            name=plain.actor_name,
            id=plain.message_id,
            attempt=attempt_of(options),
            max_attempts=self._max_attempts(broker, options, on_actor),
            workflow_id=workflow_id,
            group_id=group_id,
            scheduled_ns=scheduled_ns,
            hard_limit_s=limit_ms / 1000 if isinstance(limit_ms, (int, float)) else None,
            priority=priority if isinstance(priority, int) and priority else None,
            # A proxy looks for what it has not in the message.
            is_redelivered=message is not plain and vars(message).get("redelivered") is True,
            scheduled_by=None if schedule is None else schedule.by,
            schedule_name=None if schedule is None else schedule.name,
        )

    def key(self, broker: DramatiqBroker, message: Any, chosen: JobOptions) -> Hashable:
        """Return what decides all that is recorded of a job but its id and times; None: there is more to it.

        ``chosen`` are the options set on its actor.
        """
        plain = message_behind(message)
        options, name = plain.options, plain.actor_name
        if options.get("retries") or options.get("eta") is not None or chosen is not NOTHING:
            return None
        if message is not plain and "redelivered" in vars(message):
            return None
        actor, limit = broker.actors.get(name), options.get("time_limit")
        if actor is None:
            return of_values(name, plain.queue_name, limit, self._max_attempts(broker, options, _NOTHING))
        _, function, cpu = self.actor(actor)
        limit, attempts = limit or actor.options.get("time_limit"), self._max_attempts(broker, options, actor.options)
        return of_values(name, function, cpu, plain.queue_name, limit, attempts, actor.priority)

    def max_attempts(self, broker: DramatiqBroker, message: Any) -> int | None:
        """Return how often a message may run; None when nothing limits or decides it."""
        actor = broker.actors.get(message.actor_name)
        return self._max_attempts(broker, message.options, {} if actor is None else actor.options)

    def _max_attempts(self, broker: DramatiqBroker, options: dict[str, Any], on_actor: dict[str, Any]) -> int | None:
        limit = options.get("max_retries")
        if limit is None:
            limit = on_actor.get("max_retries")
        if limit is None:
            if self._retries not in broker.middleware:
                self._retries = next((each for each in broker.middleware if isinstance(each, Retries)), None)
            limit = None if self._retries is None else self._retries.max_retries
        return limit + 1 if isinstance(limit, int) else None


def broker_of(broker: DramatiqBroker) -> Broker:
    """Return where a broker object keeps its messages: the first of its classes that has a name of its own."""
    names = [kind.__name__.removesuffix("Broker") for kind in type(broker).__mro__]
    system = next((_SYSTEMS[name] for name in names if name in _SYSTEMS), names[0].lower() or "unknown")
    try:
        if system == "redis":
            return _redis(broker)
        if system == c.SYSTEM_RABBITMQ:
            return _rabbitmq(broker)
    except Exception:  # noqa: BLE001 - a cluster or a custom pool: jobs are recorded without the address
        return Broker(system)
    return Broker(system)


def delivers_again(broker: DramatiqBroker) -> bool:
    """Say whether a message whose worker died is given out once more: all brokers but one that dies with the worker."""
    return not isinstance(broker, StubBroker)


def worker_name() -> str:
    """Return ``dramatiq@{host}:{pid}``, with the pid of the process that started the workers."""
    main = multiprocessing.parent_process()
    return f"dramatiq@{socket.gethostname()}:{os.getpid() if main is None else main.pid}"


def message_behind(message: Any) -> Any:
    """Return the message behind a worker's proxy, which looks each attribute up anew."""
    return message._message if isinstance(message, MessageProxy) else message  # noqa: SLF001 - it has no public name


def carrier_of(options: Any) -> dict[str, Any]:
    """Return what a message carries for jobspan; a value of another type goes on as an unreadable field."""
    option = options.get(c.DRAMATIQ_OPTION) if isinstance(options, dict) else None
    if option is None:
        return {}
    return option if isinstance(option, dict) else {c.FIELD: option if isinstance(option, str) else ""}


def attempt_of(options: dict[str, Any]) -> int:
    """Return the number of the run that a message is for."""
    retries = options.get("retries")
    return retries + 1 if isinstance(retries, int) else 1


def options_of(broker: DramatiqBroker, actor_name: str | None) -> JobOptions:
    """Return the options set on the actor of a name or on its function."""
    return options_on(None if actor_name is None else broker.actors.get(actor_name))


def options_on(actor: Any) -> JobOptions:
    """Return the options set on an actor or on its function."""
    return NOTHING if actor is None else chosen_for(actor, actor.fn)


def arguments_of(actor: Any, message: Any) -> Arguments:
    """Return what an actor is called with."""
    return Arguments(message.args, message.kwargs, None if actor is None else actor.fn)


def _facts_of(actor: Any) -> ActorFacts:
    function = getattr(actor, "fn", None)
    if function is None:
        return ActorFacts(actor, None, CpuScope.THREAD)
    # An async actor runs on the event loop's thread, together with others.
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
    name = f"{function.__module__}.{function.__qualname__}" if hasattr(function, "__qualname__") else None
    return ActorFacts(actor, name, CpuScope.UNKNOWN if is_async else CpuScope.THREAD)


def _redis(broker: Any) -> Broker:
    options = broker.client.connection_pool.connection_kwargs
    host = options.get("host") or options.get("path") or "localhost"
    return Broker("redis", str(host), options.get("port") or (6379 if "path" not in options else None))


def _rabbitmq(broker: Any) -> Broker:
    parameters = broker.parameters
    first = parameters[0] if isinstance(parameters, (list, tuple)) else parameters
    if isinstance(first, dict):
        return Broker("rabbitmq", first.get("host"), first.get("port"))
    return Broker("rabbitmq", getattr(first, "host", None), getattr(first, "port", None))
