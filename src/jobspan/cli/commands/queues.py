"""``jobspan queues``: what waits in the broker."""

from __future__ import annotations

from typing import Any

import click

from jobspan.brokers.base import BrokerReader
from jobspan.cli.broker_options import QueueSelection, broker_options, opened_broker, show_repeatedly, watch_options
from jobspan.cli.environment import Environment
from jobspan.cli.options import debug_option
from jobspan.cli.screens.broker_screen import place_of, queue_table, queues_summary, say_notes
from jobspan.cli.screens.runs_screen import say_next
from jobspan.cli.terminal.screen import Screen, piece
from jobspan.frameworks import TASK_LIBRARIES


@click.command("queues")
@broker_options
@watch_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for machines.")
@debug_option
@click.pass_context
def command(context: click.Context, /, watch: bool, every: float, as_json: bool, **options: Any) -> int:
    """What waits in the broker: jobs by queue and state, ? where that is not known. It only reads.

    Exit codes: 0 found, 1 no queue, 2 wrong use or broker unreachable.
    """
    with opened_broker(context.ensure_object(Environment), options) as (reader, selection):
        return show_repeatedly(lambda: _show(reader, selection, as_json=as_json), watch=watch, every_s=every)


def _show(reader: BrokerReader, selection: QueueSelection, *, as_json: bool) -> int:
    state = reader.look()
    queues = selection.select(state.queues)
    if as_json:
        from jobspan.cli.documents.broker_documents import queues_document

        click.echo(queues_document(state, queues))
        return 0 if queues else 1
    screen = Screen()
    if not queues:
        libraries = " or ".join(library.title for library in TASK_LIBRARIES.values())
        named = f" named {' or '.join(selection.names)}" if selection.names else ""
        screen.line(piece(f"No queue of {libraries}{named} on {place_of(state.broker)}."))
        return 1
    screen.table(queue_table(queues))
    screen.line(piece(queues_summary(state.broker, queues)))
    say_notes(screen, state)
    say_next(screen, ["jobspan workers", "jobspan health"])
    return 0
