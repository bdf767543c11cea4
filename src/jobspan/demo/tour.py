"""The tour itself: start the shop, run its command, wait for its jobs, show what became of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from jobspan import conventions as c
from jobspan.backends import open_backend
from jobspan.backends.base import Backend, Match
from jobspan.demo import interrupts
from jobspan.demo.shop import Shop
from jobspan.errors import JobspanError
from jobspan.runs import is_command, is_publish, is_run

_JOBS_S = 30.0
_POLL_S = 0.2


def tour(*, keep: bool) -> int:
    """Run the tour; return 0. Whatever happens, nothing of it is left running."""
    console = Console(highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="jobspan-demo-"))
    with interrupts.interrupting_signals(), _removed_unless(keep, folder):
        with Shop(folder, lambda what: console.print(f"  started {what}")) as shop:
            console.print()
            _run_command(shop)
            command_id = _wait_for_jobs(shop, console)
            _show(console, shop, "show", command_id[:8])
            _show(console, shop, "failed")
            if keep:
                _keep(console, shop)
        _say_how_to_go_on(console, shop, keep=keep)
    return 0


def _run_command(shop: Shop) -> None:
    """Run the console command on this terminal.

    Raises:
        JobspanError: it did not end with 0.
    """
    args, environ = shop.command()
    code = subprocess.run(args, env=environ, cwd=shop.folder, check=False).returncode
    if code != 0:
        raise JobspanError(f"the demo's command import-orders ended with code {code}, expected 0")


def _wait_for_jobs(shop: Shop, console: Console) -> str:
    """Wait until every job that the command caused has its last run; return the command's id."""
    backend = open_backend(shop.store, shop.url)
    columns = (TextColumn("the workers run them"), BarColumn(), MofNCompleteColumn(), TextColumn("jobs done"))
    try:
        with Progress(*columns, console=console) as progress:
            return _watch(backend, progress)
    finally:
        backend.close()


def _watch(backend: Backend, progress: Progress) -> str:
    deadline = time.monotonic() + _JOBS_S
    bar = progress.add_task("", total=None)
    while time.monotonic() < deadline:
        command_id, put, done = _standing(backend)
        progress.update(bar, total=len(put) or None, completed=len(put & done))
        if command_id is not None and put and put <= done:
            return command_id
        time.sleep(_POLL_S)
    raise JobspanError(f"not all of the demo's jobs were done after {_JOBS_S:.0f} s; --keep shows how far they came")


def _standing(backend: Backend) -> tuple[str | None, set[str], set[str]]:
    """Return the command's id once it has ended, the ids of all jobs put, and of those that ran for the last time."""
    matches = [match for match in backend.find("") if match.kind == "command"]
    if not matches:
        return None, set(), set()
    spans = backend.story(Match("command", matches[0].id))
    ids = [(span, str(span.attributes.get(c.MESSAGING_MESSAGE_ID))) for span in spans]
    put = {job_id for span, job_id in ids if is_publish(span)}
    done = {job_id for span, job_id in ids if is_run(span) and span.attributes.get(c.JOBSPAN_JOB_FINAL)}
    return next((span.span_id for span in spans if is_command(span)), None), put, done


def _show(console: Console, shop: Shop, *args: str) -> None:
    """Run one of the reading commands, as the user would."""
    console.print(f"\n$ jobspan {' '.join(args)}", style="bold", markup=False)
    sys.stdout.flush()
    read = "from jobspan.cli import main; main()"
    subprocess.run([sys.executable, "-c", read, *args], env={**os.environ, "JOBSPAN_BACKEND": shop.url}, check=False)


def _keep(console: Console, shop: Shop) -> None:
    console.print(
        f"\nAll of it goes on running until Ctrl-C. In another terminal:\n  export JOBSPAN_BACKEND={shop.url}"
    )
    console.print("  jobspan failed --by error · jobspan runs --job 'render*' · jobspan show ID")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print()


def _say_how_to_go_on(console: Console, shop: Shop, *, keep: bool) -> None:
    if keep:
        console.print(f"\nStopped. The store stays: jobspan failed --store {shop.store}", soft_wrap=True)
    else:
        console.print("\nEverything is stopped and removed. With --keep it stays, to explore on your own.")


@contextmanager
def _removed_unless(keep: bool, folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
