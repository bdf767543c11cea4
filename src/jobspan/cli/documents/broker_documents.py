"""The documents of ``--json`` of ``queues``, ``workers`` and ``health``: a key is always there; null: not known."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from jobspan.brokers.base import BrokerState, QueueState, WorkerState
from jobspan.cli.documents.documents import document
from jobspan.cli.documents.rows import Key, Keys, row, rows
from jobspan.health.check import Health
from jobspan.health.findings import Finding, Grade
from jobspan.jobs import Broker, Framework


def _attribute(name: str, type_: str, meaning: str) -> Key:
    return Key(type_, meaning, lambda thing: getattr(thing, name))


_FRAMEWORKS = ", ".join(framework.value for framework in Framework)

BROKER_KEYS: Keys = MappingProxyType(
    {
        "system": _attribute("system", "string", "redis, rabbitmq"),
        "address": _attribute("address", "string", "host"),
        "port": _attribute("port", "integer", "port"),
    }
)
QUEUE_KEYS: Keys = MappingProxyType(
    {
        "framework": Key("string", _FRAMEWORKS, lambda queue: queue.framework.value),
        "queue": _attribute("name", "string", "its name"),
        "ready": _attribute("ready", "integer", "jobs that a worker could take now"),
        "delayed": _attribute("delayed", "integer", "jobs whose time has not come"),
        "unacked": _attribute("unacked", "integer", "jobs that workers have"),
        "dead": _attribute("dead", "integer", "jobs in the dead-letter store"),
        "oldest_s": _attribute("oldest_s", "number", "wait of the job that is next; null also where none is ready"),
        "workers": _attribute("workers", "integer", "workers that take jobs from it"),
    }
)
WORKER_KEYS: Keys = MappingProxyType(
    {
        "framework": Key("string", _FRAMEWORKS, lambda worker: worker.framework.value),
        "worker": _attribute("name", "string", "its name"),
        "queues": _attribute("queues", "array", "those that it takes jobs from"),
        "concurrency": _attribute("concurrency", "integer", "jobs that it runs at once"),
    }
)
FINDING_KEYS: Keys = MappingProxyType(
    {
        "grade": Key("string", "warning, critical", lambda finding: finding.grade.name.lower()),
        "kind": _attribute("kind", "string", "waiting, oldest, no_worker, failed, slow, dropped, broker, backend"),
        "framework": Key("string", "null: not of one queue", lambda finding: _value(finding.framework)),
        "queue": _attribute("queue", "string", "null: not of one queue"),
        "seen": _attribute("seen", "string", "what was seen and expected"),
        "remedy": _attribute("remedy", "string", "what to do"),
    }
)


def queues_document(state: BrokerState, queues: Sequence[QueueState]) -> str:
    """Return the answer of ``queues --json``."""
    return document({**_broker(state.broker), "queues": rows(QUEUE_KEYS, queues), "notes": state.notes})


def workers_document(state: BrokerState, workers: Sequence[WorkerState] | None) -> str:
    """Return the answer of ``workers --json``; workers null: not known."""
    found = None if workers is None else rows(WORKER_KEYS, workers)
    return document({**_broker(state.broker), "workers": found, "notes": state.notes})


def health_document(health: Health, broker: Broker, findings: Sequence[Finding]) -> str:
    """Return the answer of ``health --json``."""
    grade = max((finding.grade for finding in findings), default=Grade.HEALTHY)
    return document(
        {
            "health": grade.name.lower(),
            **_broker(broker),
            "findings": rows(FINDING_KEYS, findings),
            "queues": rows(QUEUE_KEYS, health.state.queues) if health.state else None,
            "telemetry_asked": health.facts is not None,
            "notes": health.state.notes if health.state else (),
        }
    )


def _broker(broker: Broker) -> dict[str, Any]:
    return {"broker": row(BROKER_KEYS, broker)}


def _value(framework: Any) -> str | None:
    return None if framework is None else str(framework.value)
