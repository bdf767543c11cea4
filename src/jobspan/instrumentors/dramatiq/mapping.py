"""Dramatiq's words → ours: a job from a message, a broker from a broker, a function from an actor."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import socket
from typing import Any, NamedTuple

from dramatiq import Broker as DramatiqBroker
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.common import q_name
from dramatiq.middleware import Retries

from jobspan import conventions as c
from jobspan.events import Arguments, CpuScope
from jobspan.job_options import NOTHING, JobOptions, chosen_for
from jobspan.jobs import Broker, Framework, Job

_SYSTEMS = {
    "Redis": "redis",
    "Rabbitmq": c.SYSTEM_RABBITMQ,
    "Stub": "memory",
    "SQLite": "sqlite",
    "Postgres": "postgresql",
    "SQS": "aws_sqs",
    "PubSub": "gcp_pubsub",
}


class BrokerWords:
    """A broker object in our words, worked out once."""

    def __init__(self) -> None:
        self._found: Broker | None = None

    def of(self, broker: DramatiqBroker) -> Broker:
        """Return where a broker object keeps its messages."""
        if self._found is None:
            self._found = broker_of(broker)
        return self._found


def broker_of(broker: DramatiqBroker) -> Broker:
    """Return where a broker object keeps its messages: the first of its classes that has a name of its own."""
    names = [kind.__name__.removesuffix("Broker") for kind in type(broker).__mro__]
    system = next((_SYSTEMS[name] for name in names if name in _SYSTEMS), names[0].lower() or "unknown")
    try:
        if system == "redis":
            return _redis(broker)
        if system == c.SYSTEM_RABBITMQ:
            return _rabbitmq(broker)
    except Exception:  # noqa: BLE001 - a cluster, a pool of somebody's own: jobs are told without the address
        return Broker(system)
    return Broker(system)


def delivers_again(broker: DramatiqBroker) -> bool:
    """Say whether a message whose worker died is given out once more: all brokers but one that dies with the worker."""
    return not isinstance(broker, StubBroker)


def worker_name() -> str:
    """Return ``dramatiq@{host}:{pid}``, with the pid of the process that started the workers."""
    main = multiprocessing.parent_process()
    return f"dramatiq@{socket.gethostname()}:{os.getpid() if main is None else main.pid}"


def job_from_message(broker: DramatiqBroker, message: Any, delay_ms: int | None, now_ns: int) -> Job:
    """Return the job that a message carries; ``delay_ms`` is what a publish asked for."""
    plain = message_behind(message)
    options = plain.options
    eta_ms = options.get("eta")
    scheduled_ns = now_ns + int(delay_ms * 1_000_000) if delay_ms is not None else None
    if scheduled_ns is None and isinstance(eta_ms, (int, float)):
        scheduled_ns = int(eta_ms) * 1_000_000
    return Job(
        framework=Framework.DRAMATIQ,
        queue=q_name(plain.queue_name),
        name=plain.actor_name,
        id=plain.message_id,
        attempt=attempt_of(options),
        max_attempts=max_attempts(broker, plain),
        scheduled_ns=scheduled_ns,
        hard_limit_s=_limit_s(broker, plain),
        priority=_priority(broker, plain),
        is_redelivered=getattr(message, "redelivered", None) is True,
    )


def message_behind(message: Any) -> Any:
    """Return the message that a worker's proxy stands for: the proxy looks each attribute up anew."""
    return message._message if isinstance(message, MessageProxy) else message  # noqa: SLF001 - it has no public name


def carrier_of(options: Any) -> dict[str, Any]:
    """Return what a message carries for us; what stands in its place and is none goes on as an unreadable field."""
    option = options.get(c.DRAMATIQ_OPTION) if isinstance(options, dict) else None
    if option is None:
        return {}
    return option if isinstance(option, dict) else {c.FIELD: option if isinstance(option, str) else ""}


def attempt_of(options: dict[str, Any]) -> int:
    """Return the number of the run that a message is for."""
    retries = options.get("retries")
    return retries + 1 if isinstance(retries, int) else 1


def max_attempts(broker: DramatiqBroker, message: Any) -> int | None:
    """Return how often a message may run; None when nothing limits or decides it."""
    limit = message.options.get("max_retries")
    if limit is None:
        limit = _actor_options(broker, message).get("max_retries")
    if limit is None:
        limit = _middlewares_limit(broker)
    return limit + 1 if isinstance(limit, int) else None


def _middlewares_limit(broker: DramatiqBroker) -> Any:
    for middleware in broker.middleware:
        if isinstance(middleware, Retries):
            return middleware.max_retries
    return None


def options_of(broker: DramatiqBroker, actor_name: str | None) -> JobOptions:
    """Return what stands on the actor of a name or on its function."""
    actor = None if actor_name is None else broker.actors.get(actor_name)
    return NOTHING if actor is None else chosen_for(actor, actor.fn)


def arguments_of(broker: DramatiqBroker, message: Any) -> Arguments:
    """Return what an actor is called with."""
    return Arguments(message.args, message.kwargs, getattr(broker.actors.get(message.actor_name), "fn", None))


class ActorWords(NamedTuple):
    """What a run says of its actor: the function's qualified name, and whose CPU time is the run's."""

    actor: Any
    function: str | None
    cpu: CpuScope


class Actors:
    """The actors of a broker in our words, each worked out once."""

    def __init__(self) -> None:
        self._found: dict[str, ActorWords] = {}

    def get(self, broker: DramatiqBroker, message: Any) -> ActorWords:
        """Return what is known of the actor that a message names."""
        actor = broker.actors.get(message.actor_name)
        found = self._found.get(message.actor_name)
        if found is None or found.actor is not actor:
            found = _words_of(actor)
            if actor is not None:
                self._found[message.actor_name] = found
        return found


def _words_of(actor: Any) -> ActorWords:
    function = getattr(actor, "fn", None)
    if function is None:
        return ActorWords(actor, None, CpuScope.THREAD)
    # An async actor runs on the event loop's thread, together with others.
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
    name = f"{function.__module__}.{function.__qualname__}" if hasattr(function, "__qualname__") else None
    return ActorWords(actor, name, CpuScope.UNKNOWN if is_async else CpuScope.THREAD)


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


def _actor_options(broker: DramatiqBroker, message: Any) -> dict[str, Any]:
    actor = broker.actors.get(message.actor_name)
    return actor.options if actor is not None else {}


def _limit_s(broker: DramatiqBroker, message: Any) -> float | None:
    limit = message.options.get("time_limit") or _actor_options(broker, message).get("time_limit")
    return limit / 1000 if isinstance(limit, (int, float)) else None


def _priority(broker: DramatiqBroker, message: Any) -> int | None:
    actor = broker.actors.get(message.actor_name)
    priority = actor.priority if actor is not None else None
    return priority if isinstance(priority, int) and priority else None
