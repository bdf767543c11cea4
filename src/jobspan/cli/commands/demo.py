"""``jobspan demo``: a two-minute tour on private servers."""

from __future__ import annotations

import click

from jobspan.cli.options import debug_option


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave the servers running and the store in place to explore.")
@debug_option
def command(*, keep: bool) -> int:
    """Start a broker, two workers and a store, run an example command, and show what became of its jobs."""
    from jobspan.demo import run

    return run(keep=keep)
