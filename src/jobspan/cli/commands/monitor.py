"""``jobspan monitor``: report the broker's queues and workers as metrics, until Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event
from typing import Any

import click

from jobspan.brokers.base import BrokerReader
from jobspan.cli.broker_options import broker_options, opened_broker
from jobspan.cli.commands.health import asking, limit_option, limit_rules
from jobspan.cli.environment import Environment
from jobspan.cli.options import reading, reading_options
from jobspan.cli.screens.broker_screen import health_lines, place_of
from jobspan.cli.terminal.screen import Screen, piece
from jobspan.cli.terminal.times import Clock
from jobspan.health.check import Health
from jobspan.health.findings import Finding

_EVERY_S = 15.0
_WINDOW = "1h"


@click.command("monitor")
@broker_options
@limit_option
@click.option("--since", metavar="TIME", default=_WINDOW, show_default=True, help="Window for failures and run times.")
@click.option("--every", type=click.FloatRange(min=0.1), default=_EVERY_S, show_default=True, help="Seconds a look.")
@reading_options
@click.pass_context
def command(context: click.Context, /, every: float, **options: Any) -> int:
    """Report queue depth, age, workers and health of one broker as metrics over OTLP, until Ctrl-C.

    Where to: OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of OpenTelemetry. It prints what changes.
    """
    from jobspan.health.exporting import exporting_provider
    from jobspan.health.monitor import Monitor

    how = reading(context, options)
    rules = limit_rules(how.environment, options.pop("limits"))
    ask = asking(how, options.pop("since"), rules)
    with opened_broker(how.environment, options) as (reader, _):
        provider = exporting_provider(every)
        say = _changes(Screen(), reader, how.environment, how.clock)
        with Monitor(reader, rules, every_s=every, ask_runs=ask, meter_provider=provider, on_look=say):
            _until_stopped()
        _shut_down(provider)
    return 0


def _changes(screen: Screen, reader: BrokerReader, environment: Environment, clock: Clock) -> Callable[[Health], None]:
    """Return a callback that prints a check whose findings differ from those of the check before."""
    before: list[set[tuple[Any, ...]]] = []

    def say(health: Health) -> None:
        kinds = {_kind(finding) for finding in health.findings}
        if before and before[-1] == kinds:
            return
        before[:] = [kinds]
        screen.line(
            piece(f"{Clock(environment.now_ns(), clock.zone).stamp(environment.now_ns())}  {place_of(reader.broker)}")
        )
        screen.lines(health_lines(health, reader.broker, health.findings))
        screen.flush()

    return say


def _kind(finding: Finding) -> tuple[Any, ...]:
    return finding.grade, finding.kind, finding.framework, finding.queue


def _until_stopped() -> None:
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        # Without a timeout a waiting main thread takes no signal on Windows.
        while not stopped.wait(1.0):
            pass
    except KeyboardInterrupt:
        return


def _shut_down(provider: Any) -> None:
    shut_down = getattr(provider, "shutdown", None)
    if shut_down:
        shut_down()
