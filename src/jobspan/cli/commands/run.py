"""``jobspan run -- PROGRAM``: any program as a command, for a line of a crontab."""

from __future__ import annotations

import click


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--name", help="Name of the command; by default the program's.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def command(name: str | None, program: tuple[str, ...]) -> int:
    """Run PROGRAM with its arguments as a command: jobspan run -- ./script.sh --fast.

    Its exit status, also by a signal, is that of jobspan; it gets the signals that jobspan gets, and TRACEPARENT,
    TRACESTATE and BAGGAGE in its environment. Telemetry goes where the OTEL_* variables say.
    """
    from jobspan.instrumentors.commands.run_program import run

    return run(program, name)
