"""Contenders as processes that live side by side and work in turn: what disturbs one disturbs the next as well."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
_DEVELOPERS_OWN = ("OTEL_", "JOBSPAN_", "CELERY_", "dramatiq_", "DD_", "SENTRY_")


class Child:
    """A process that answers each line with a line of JSON; the first, its ``greeting``, comes unasked."""

    def __init__(self, module: str, args: Sequence[str], env: Mapping[str, str]) -> None:
        self._name = " ".join([module, *args])
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=dict(env),
        )
        self.greeting = self._answer()

    def ask(self, line: str) -> Any:
        """Send a line and return the answer."""
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._log.seek(0)
        raise RuntimeError(f"{self._name} ended:\n{self._log.read().decode(errors='replace')[-4000:]}")


def environment(flight_folder: Path) -> dict[str, str]:
    """Return the environment of a child: nothing of the developer's own settings is in it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_DEVELOPERS_OWN)}
    return inherited | {"PYTHONPATH": str(_TESTS), "OTEL_PYTHON_JOBSPAN_STATE_DIR": str(flight_folder)}


@contextmanager
def flight_folder() -> Iterator[Path]:
    """Make a folder where flight records are by default, in memory."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a new folder inside
    with tempfile.TemporaryDirectory(prefix="jobspan-bench-", dir=shared) as folder:
        yield Path(folder)


@contextmanager
def children(module: str, names: Sequence[tuple[str, ...]]) -> Iterator[dict[tuple[str, ...], Child]]:
    """Start a child for each of these arguments."""
    with ExitStack() as stack:
        folder = stack.enter_context(flight_folder())
        env = environment(folder)
        found = {}
        for name in names:
            found[name] = Child(module, name, env)
            stack.callback(found[name].close)
        yield found


def in_turn(names: Sequence[Any], rounds: int) -> Iterator[tuple[int, Any]]:
    """Yield each name once a round, each round in another order."""
    order, shuffle = list(names), random.Random(7).shuffle
    for number in range(rounds):
        shuffle(order)
        for name in order:
            yield number, name
