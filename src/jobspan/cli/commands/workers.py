"""``jobspan workers``: the workers that take jobs from the broker."""

from __future__ import annotations

from typing import Any

import click

from jobspan.brokers.base import BrokerReader, BrokerState, WorkerState
from jobspan.cli.broker_options import QueueSelection, broker_options, opened_broker, show_repeatedly, watch_options
from jobspan.cli.environment import Environment
from jobspan.cli.options import debug_option
from jobspan.cli.screens.broker_screen import place_of, say_notes, worker_table
from jobspan.cli.screens.runs_screen import say_next
from jobspan.cli.terminal.screen import CAUTION, Screen, piece
from jobspan.cli.terminal.units import counted


@click.command("workers")
@broker_options
@watch_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for machines.")
@debug_option
@click.pass_context
def command(context: click.Context, /, watch: bool, every: float, as_json: bool, **options: Any) -> int:
    """Workers that are online, with their queues and how many jobs they run at once; ? where that is not known.

    Exit codes: 0 found, 1 no worker, 2 wrong use or broker unreachable.
    """
    with opened_broker(context.ensure_object(Environment), options) as (reader, selection):
        return show_repeatedly(lambda: _show(reader, selection, as_json=as_json), watch=watch, every_s=every)


def _show(reader: BrokerReader, selection: QueueSelection, *, as_json: bool) -> int:
    state = reader.look()
    workers = _selected(state, selection)
    if as_json:
        from jobspan.cli.documents.broker_documents import workers_document

        click.echo(workers_document(state, workers))
        return 0 if workers else 1
    screen = Screen()
    if workers:
        screen.table(worker_table(workers))
        screen.line(piece(f"{counted(len(workers), 'worker')} on {place_of(state.broker)}."))
    else:
        screen.line(piece(f"No worker is known on {place_of(state.broker)}.", CAUTION))
    say_notes(screen, state)
    say_next(screen, ["jobspan queues"])
    return 0 if workers else 1


def _selected(state: BrokerState, selection: QueueSelection) -> tuple[WorkerState, ...] | None:
    if state.workers is None:
        return None
    return tuple(
        worker for worker in state.workers if not selection.names or any(map(selection.includes, worker.queues or ()))
    )
