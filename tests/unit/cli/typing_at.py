"""What a user sees who types a command line, at a fixed time, over a backend of the test's choice.

Run as a program it is ``jobspan`` over the sample night: ``python -m unit.cli.typing_at failed``.
"""

from __future__ import annotations

from typing import NamedTuple

from click.testing import CliRunner

from jobspan.backends.base import Backend
from jobspan.cli.app import jobspan
from jobspan.cli.environment import Environment
from unit.cli.sample import NOW, night, running
from unit.cli.twin import Twin


class Seen(NamedTuple):
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def typed(*words: str, backend: Backend | None = None) -> Seen:
    """Type ``jobspan`` and these words."""
    result = CliRunner().invoke(jobspan, words, obj=environment(backend))
    return Seen(result.exit_code, result.stdout, result.stderr)


def environment(backend: Backend | None = None) -> Environment:
    """Return a world at the sample's time, over the sample night unless told otherwise."""
    chosen = Twin(night().spans, [running()]) if backend is None else backend
    return Environment(open_backend=lambda _store, _url: chosen, now_ns=lambda: NOW, environ={})


if __name__ == "__main__":
    jobspan.main(prog_name="jobspan", obj=environment())
