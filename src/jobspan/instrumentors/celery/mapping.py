"""Celery's terms → jobspan's: a job from a message, a request or a call; a broker from an app."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jobspan import conventions as c
from jobspan.events import Arguments
from jobspan.job_options import NOTHING, JobOptions, chosen_for
from jobspan.jobs import Broker, Framework, Job

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Celery, Task
    from celery.app.task import Context

_SYSTEMS = {"amqp": "rabbitmq", "sql": "sqlalchemy", "sqs": "aws_sqs", "gcpubsub": "gcp_pubsub"}
_ON_A_NETWORK = frozenset({"amqp", "redis", "mongodb", "zookeeper", "consul", "etcd"})
_MOST_CONNECTED = 100
_MOST_RETRIES = 2**62
_connected: dict[Any, Broker] = {}
_NO_LIMITS = None, None
WITHOUT_LIMITS: tuple[Any, ...] = (None, [None, None], (None, None))
_DELAYED_EXCHANGE = "celery_delayed"
_DELAY_BITS = re.compile(r"^(?:[01]\.){28}")
_brokers: weakref.WeakKeyDictionary[Celery, Broker] = weakref.WeakKeyDictionary()

EAGER_BROKER = Broker("memory")
CHORD_UNLOCK = "celery.chord_unlock"
RECEIVED = "jobspan-received"
"""Where the main process notes in a request when the message came."""


def broker_of_publish(app: Celery, connection: Any, producer: Any) -> Broker:
    """Return the broker that a publish goes to: the caller may have brought a connection or a producer of its own."""
    given = connection if connection is not None else getattr(producer, "connection", None)
    if given is None:
        return broker_of(app)
    key = (given.transport_cls, given.hostname, given.port)
    broker = _connected.get(key)
    if broker is None:
        if len(_connected) >= _MOST_CONNECTED:
            _connected.clear()
        broker = _connected[key] = _broker_behind(given)
    return broker


def broker_of(app: Celery) -> Broker:
    """Return the broker that an app publishes its tasks to."""
    broker = _brokers.get(app)
    if broker is None:
        broker = _brokers[app] = _broker_of(app)
    return broker


def job_from_headers(
    name: str | None,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    body: Any,
    exchange: Any,
    routing_key: str | None,
    declared: str | None = None,
) -> Job:
    """Return the job that a message carries: headers of protocol 2, or the body of protocol 1.

    ``declared`` is the queue that the publish declares; None when it is not known, or not the one that it goes to.
    """
    fields = headers if "id" in headers else body if isinstance(body, Mapping) else {}
    retries, limits, priority = fields.get("retries"), fields.get("timelimit"), properties.get("priority")
    eta, expires = fields.get("eta"), fields.get("expires")
    soft, hard = _NO_LIMITS if limits in WITHOUT_LIMITS else _limits(limits)
    routing_key = _given_routing_key(exchange, routing_key)
    return Job(
        framework=Framework.CELERY,
        queue=declared or _queue(exchange, routing_key),
        name=name or fields.get("task"),
        id=fields.get("id"),
        attempt=_attempt(retries) if retries else 1,
        workflow_id=fields.get("root_id"),
        parent_id=fields.get("parent_id"),
        group_id=fields.get("group"),
        priority=_priority(priority) if priority else None,
        scheduled_ns=None if eta is None else unix_ns(eta),
        expires_at=None if expires is None else _text(expires),
        soft_limit_s=soft,
        hard_limit_s=hard,
        routing_key=routing_key,
    )


def is_simple(headers: Mapping[str, Any]) -> bool:
    """Say whether a message is a job's first attempt, due at once, with headers of protocol 2."""
    return "id" in headers and headers.get("eta") is None and not headers.get("retries")


def declared_queue(exchange: Any, routing_key: str | None, declared: Any) -> str | None:
    """Return the queue that a message goes to where it is not the routing key: its exchange leads there by that one.

    Celery declares the default queue also for a message to another exchange, so a declared queue alone says nothing.
    """
    if not declared or len(declared) != 1 or not exchange:
        return None
    queue = declared[0]
    if getattr(queue, "name", None) == routing_key:
        return None
    name = getattr(getattr(queue, "exchange", None), "name", None)
    is_led_there = name == getattr(exchange, "name", exchange) and getattr(queue, "routing_key", None) == routing_key
    return queue.name if is_led_there else None


def job_from_request(task: Task, request: Context) -> Job:
    """Return the job that a worker is about to run."""
    route = request.delivery_info or {}
    routing_key, priority = route.get("routing_key"), route.get("priority")
    retries, limits, eta, expires = request.retries, request.timelimit, request.eta, request.expires
    soft, hard = _NO_LIMITS if limits in WITHOUT_LIMITS else _limits(limits)
    attempt = _attempt(retries) if retries else 1
    return Job(
        framework=Framework.CELERY,
        queue=routing_key or _queue(route.get("exchange"), None),
        name=task.name,
        id=request.id,
        attempt=attempt,
        max_attempts=max_attempts(task) if attempt > 1 or getattr(task, "autoretry_for", None) else None,
        workflow_id=request.root_id,
        parent_id=request.parent_id,
        group_id=request.group,
        priority=_priority(priority) if priority else None,
        scheduled_ns=None if eta is None else unix_ns(eta),
        expires_at=None if expires is None else _text(expires),
        soft_limit_s=soft if soft is not None else task.soft_time_limit,
        hard_limit_s=hard if hard is not None else task.time_limit,
        routing_key=routing_key,
        is_redelivered=bool(route.get("redelivered")),
    )


def job_from_message(message: Any, name: str | None = None) -> Job:
    """Return the job of a message that no task was found for; what cannot be read of it stays unknown."""
    route = message.delivery_info or {}
    exchange, routing_key = route.get("exchange"), route.get("routing_key")
    headers = message.headers if isinstance(message.headers, Mapping) else {}
    try:
        body = None if "id" in headers else message.payload
        found = job_from_headers(name, headers, message.properties or {}, body, exchange, routing_key)
    except Exception:  # noqa: BLE001 - the message is broken, that is why this is called
        found = Job(Framework.CELERY, _queue(exchange, routing_key), name)
    return found._replace(is_redelivered=bool(route.get("redelivered")))


def job_from_call(app: Celery, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
    """Return what a ``send_task`` call gives of its job, for a call that failed before there was a message."""
    name = args[0] if args else kwargs.get("name")
    queue = kwargs.get("queue")
    asked_for = (getattr(queue, "name", None), queue, kwargs.get("routing_key"))
    return Job(
        framework=Framework.CELERY,
        queue=next((name for name in asked_for if name and isinstance(name, str)), app.conf.task_default_queue),
        name=name if isinstance(name, str) else None,
        id=kwargs.get("task_id"),
        attempt=_attempt(kwargs.get("retries")),
    )


def carrier_of(request: Context) -> Mapping[str, Any]:
    """Return where a request keeps its message's headers: among its attributes, with protocol 1 under ``headers``."""
    found = vars(request)
    headers = found.get("headers")
    is_beneath = c.FIELD not in found and isinstance(headers, Mapping) and c.FIELD in headers
    return dict(headers) if is_beneath else found


def max_attempts(task: Task) -> int | None:
    """Return how often a task may run; None when it may for ever."""
    limit = getattr(task, "override_max_retries", None)
    if limit is None:
        limit = (getattr(task, "retry_kwargs", None) or {}).get("max_retries", task.max_retries)
    return None if limit is None else limit + 1


def function_name(task: Task) -> str:
    """Return the qualified name of the function that does the task."""
    return f"{task.run.__module__}.{task.run.__qualname__}"


def options_of(task: Any) -> JobOptions:
    """Return the options set on a task or on its function."""
    return NOTHING if task is None else chosen_for(task, getattr(task, "run", None))


def task_of(app: Celery, name: str | None) -> Any:
    """Return the task of a name, None when this app does not know it; never makes the app final, as ``tasks`` does."""
    return getattr(app, "_tasks", {}).get(name)


def arguments_of(args: Any, kwargs: Any, fields: Mapping[str, Any], task: Any) -> Arguments:
    """Return a task's arguments; ``argsrepr`` and ``kwargsrepr`` that the caller gave are what is to be shown."""

    def shown() -> tuple[str | None, str | None]:
        return _given_text(fields.get("argsrepr"), args), _given_text(fields.get("kwargsrepr"), kwargs)

    return Arguments(args, kwargs, getattr(task, "run", None), shown)


def unix_ns(moment: Any) -> int | None:
    """Return a moment that Celery wrote (ISO 8601 text or a datetime) as Unix nanoseconds; None if it is none."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        except ValueError:
            return None
    if not isinstance(moment, datetime):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1_000_000) * 1000


def _broker_of(app: Celery) -> Broker:
    return _broker_behind(app.connection_for_write())


def _broker_behind(connection: Any) -> Broker:
    transport = connection.get_transport_cls()
    driver = getattr(transport, "driver_type", None) or "unknown"
    driver = driver.lower()
    system = _SYSTEMS.get(driver, driver)
    if driver not in _ON_A_NETWORK:
        return Broker(system)
    address = connection.hostname or "localhost"
    if "://" in address:
        return Broker(system, _address_in(address))
    port = connection.port or getattr(transport, "default_port", None)
    return Broker(system, address, int(port) if port else None)


def _address_in(url: str) -> str | None:
    """Return the host or the socket's path of a URL that kombu leaves to a transport, password and all."""
    fields = urlsplit(url)
    return fields.hostname or (fields.path if "@" not in fields.path else None)


def _given_routing_key(exchange: Any, routing_key: str | None) -> str | None:
    """Return the routing key without the delay, in binary, that Celery prefixes on quorum queues."""
    if routing_key is None or not str(getattr(exchange, "name", exchange)).startswith(_DELAYED_EXCHANGE):
        return routing_key
    return _DELAY_BITS.sub("", routing_key)


def _queue(exchange: Any, routing_key: str | None) -> str:
    # With the default exchange the routing key is the queue; with another it is all that both sides know.
    return routing_key or getattr(exchange, "name", None) or str(exchange or "celery")


def _attempt(retries: Any) -> int:
    # A message may contain anything; beyond 63 bits no attribute can.
    return retries + 1 if isinstance(retries, int) and 0 <= retries < _MOST_RETRIES else 1


def _limits(timelimit: Any) -> tuple[float | None, float | None]:
    """Return soft and hard limit in seconds from Celery's pair (hard, soft)."""
    try:
        hard, soft = timelimit
    except (TypeError, ValueError):
        return None, None
    return _seconds(soft), _seconds(hard)


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _priority(value: Any) -> int | None:
    # Kombu's virtual transports send a 0 where none was given.
    return value if isinstance(value, int) and value else None


def _given_text(text: Any, values: Any) -> str | None:
    # Celery writes its own representation where the caller gave none: then jobspan makes its own, which redacts by key.
    if not isinstance(text, str):
        return None
    from celery.utils.saferepr import saferepr

    same = [tuple(values), list(values)] if isinstance(values, (list, tuple)) else [values]
    return None if any(text == saferepr(each, 1024) for each in same) else text


def _text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else None
