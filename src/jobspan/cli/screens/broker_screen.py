"""The tables of ``queues`` and ``workers``, and the lines of ``health``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobspan.brokers.base import BrokerState, QueueState, WorkerState
from jobspan.cli.terminal.screen import CAUTION, FAILED, FINE, PLAIN, STRONG, Column, Line, Piece, Screen, Table, piece
from jobspan.cli.terminal.units import counted, duration
from jobspan.health.check import Health
from jobspan.health.findings import Finding, Grade
from jobspan.jobs import Broker

UNKNOWN = "?"
"""What the broker does not report."""

_GRADES = {Grade.HEALTHY: FINE, Grade.WARNING: CAUTION, Grade.CRITICAL: FAILED}


def queue_table(queues: Sequence[QueueState]) -> Table:
    """Lay out queues."""
    columns = [
        Column("queue"),
        Column("framework", goes=1),
        *(Column(title, right=True) for title in ("ready", "delayed", "unacked", "dead", "oldest", "workers")),
    ]
    return Table(columns, [_queue_cells(queue) for queue in queues])


def worker_table(workers: Sequence[WorkerState]) -> Table:
    """Lay out workers."""
    columns = [Column("worker"), Column("framework", goes=1), Column("runs at once", right=True), Column("queues")]
    return Table(columns, [_worker_cells(worker) for worker in workers])


def queues_summary(broker: Broker, queues: Sequence[QueueState]) -> str:
    """Return ``2 queues on redis at localhost:6379: 12 jobs ready, 3 unacked, 1 dead.``"""
    totals = {
        "ready": _total(queue.ready for queue in queues),
        "delayed": _total(queue.delayed for queue in queues),
        "unacked": _total(queue.unacked for queue in queues),
        "dead": _total(queue.dead for queue in queues),
    }
    text = ", ".join(f"{total} {state}" for state, total in totals.items() if total or state == "ready")
    return f"{counted(len(queues), 'queue')} on {place_of(broker)}: {text}."


def place_of(broker: Broker) -> str:
    """Return ``redis at localhost:6379``."""
    return f"{broker.system} at {broker.address}:{broker.port}"


def say_notes(screen: Screen, state: BrokerState) -> None:
    """Write what the broker does not report and why."""
    for note in state.notes:
        screen.line(piece(f"{UNKNOWN} {note}.", FINE))


def health_lines(health: Health, broker: Broker, findings: Sequence[Finding]) -> list[Line]:
    """Return the grade, and two lines a finding: what was seen, what to do."""
    lines: list[Line] = [_verdict(health, broker, findings)]
    for finding in findings:
        where = f"{finding.queue} ({finding.framework.value}): " if finding.queue and finding.framework else ""
        lines.append(
            [Piece(f"{finding.grade.name.lower():<10}", _GRADES[finding.grade]), piece(f"{where}{finding.seen}")]
        )
        lines.append([Piece(" " * 10), piece(f"→ {finding.remedy}", FINE)])
    return lines


def _verdict(health: Health, broker: Broker, findings: Sequence[Finding]) -> Line:
    grade = max((finding.grade for finding in findings), default=Grade.HEALTHY)
    looked = queues_summary(broker, health.state.queues) if health.state else f"{place_of(broker)}."
    return [Piece(f"{grade.name.lower():<10}", STRONG if grade == Grade.HEALTHY else _GRADES[grade]), piece(looked)]


def _queue_cells(queue: QueueState) -> list[Piece]:
    is_unserved = bool(queue.ready) and queue.workers == 0
    return [
        piece(queue.name),
        Piece(queue.framework.value, FINE),
        _number(queue.ready),
        _number(queue.delayed),
        _number(queue.unacked),
        _number(queue.dead, CAUTION),
        Piece("" if queue.ready == 0 else duration(queue.oldest_s) or UNKNOWN),
        _number(queue.workers, zero=FAILED if is_unserved else FINE),
    ]


def _worker_cells(worker: WorkerState) -> list[Piece]:
    return [
        piece(worker.name),
        Piece(worker.framework.value, FINE),
        _number(worker.concurrency),
        piece(UNKNOWN if worker.queues is None else ", ".join(worker.queues)),
    ]


def _number(count: int | None, style: str = PLAIN, *, zero: str = FINE) -> Piece:
    if count is None:
        return Piece(UNKNOWN, FINE)
    return Piece(str(count), style if count else zero)


def _total(counts: Iterable[int | None]) -> int:
    return sum(count or 0 for count in counts)
