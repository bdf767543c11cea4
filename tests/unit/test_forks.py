"""What is done around a fork: in the order of the list, whatever was imported first, and all of it."""

from __future__ import annotations

import ast
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from jobspan import forks

PARTS = (
    "jobspan.instrumentors.commands.termination",
    "jobspan.probes.high_water",
    "jobspan.probes.memory",
    "jobspan.probes.run_cost",
    "jobspan.probes.sampler",
    "jobspan.recording.context.trace_limits",
    "jobspan.recording.journal.flight_log",
    "jobspan.recording.lazy_parts",
    "jobspan.recording.spans.publish_batches",
    "jobspan.recording.registry.open_commands",
    "jobspan.recording.registry.open_spans",
    "jobspan.recording.safety.dropped",
    "jobspan.recording.sdk.fork_gate",
    "jobspan.recording.sdk.flush",
    "jobspan.recording.sdk.ids",
    "jobspan.recording.spans.child_processes",
    "jobspan.recording.spans.program_command",
    "jobspan.recording.telemetry.active_runs",
    "jobspan.recording.telemetry.metrics",
    "jobspan.recording.telemetry.process_counts",
)

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")

STEPS = """
import importlib, json, os, sys
from jobspan import forks

join, done = forks.join, []

def noted(name, when, step):
    def run():
        done.append((when, name))
        step()
    return step and run

def join_noted(name, **steps):
    join(name, **{when: noted(name, when, step) for when, step in steps.items()})

forks.join = join_noted
for module in sys.argv[1:]:
    importlib.import_module(module)
importlib.import_module("jobspan.recording.sdk.fork_gate").guard_forks()
out, into = os.pipe()
child = os.fork()
if child == 0:
    os.write(into, json.dumps(done).encode())
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([done, json.loads(os.read(out, 65536))]))
"""

LOCKS = """
import os, threading
from jobspan import forks
from jobspan.recording import lazy_parts
from jobspan.recording.context import trace_limits
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry import open_commands
from jobspan.recording.spans import publish_batches
from jobspan.recording.safety import dropped
from jobspan.recording.sdk import flush
from jobspan.recording.telemetry import process_counts
from opentelemetry.trace import INVALID_SPAN
from jobspan.recording.context.origin import Origin

command = open_commands.OpenCommand(INVALID_SPAN, "c", None, 0, None, is_process=True)
open_commands.open_commands.add("key", command)

def locks():
    return {
        "trace limits": trace_limits._lock, "flight log": flight_log._opening, "open batches": publish_batches._lock,
        "open commands": command._lock, "dropped counts": dropped._lock, "flush": flush._turn,
        "process counts": process_counts._lock, "lazy parts": lazy_parts._making,
    }

held, done = threading.Event(), threading.Event()

def hold():
    # Not those of the lazy parts: a fork takes that one itself.
    for name, lock in locks().items():
        if name != "lazy parts":
            lock.acquire()
    held.set()
    done.wait()

def taken():
    return sorted(name for name, lock in locks().items() if not lock.acquire(timeout=0.2))

threading.Thread(target=hold, daemon=True).start()
held.wait()
out, into = os.pipe()
child = os.fork()
if child == 0:
    # In a thread of its own: the one that forked holds what its parent's took for the fork.
    check = threading.Thread(target=lambda: os.write(into, repr(taken()).encode()))
    check.start()
    check.join()
    os._exit(0)
os.waitpid(child, 0)
print(os.read(out, 65536).decode(), lazy_parts._making.acquire(timeout=0.2))
"""


def output_of(program: str, *arguments: str) -> str:
    """Run a program of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_fork
@pytest.mark.parametrize("seed", range(4))
def test_the_order_is_the_lists_whatever_is_imported_first(seed: int) -> None:
    modules = list(PARTS)
    random.Random(seed).shuffle(modules)
    in_parent, in_child = json.loads(output_of(STEPS, *modules))
    before = ["exports", "program command", "child processes", "open commands", "lazy parts"]
    assert in_parent == [["before", name] for name in before] + [["in_parent", "lazy parts"], ["in_parent", "exports"]]
    assert in_child[len(before) :] == [["in_child", name] for name in forks.ORDER]


@needs_fork
def test_each_lock_that_a_thread_of_the_parent_held_is_free_in_the_child() -> None:
    assert output_of(LOCKS) == "[] True"


def order(*names: str) -> list[int]:
    """Return where steps stand in the list."""
    return [forks.ORDER.index(name) for name in names]


@pytest.mark.parametrize(
    "names",
    [
        # A child empties its tables, and then enters the command that its parent works for.
        ("open spans", "open commands"),
        # Before a fork the program's command is resumed, and then both look for the newest command.
        ("open commands", "program command"),
        ("child processes", "program command"),
        # A step before a fork may make a part, which it cannot wait for once the lock of all parts is taken by another.
        ("lazy parts", "open commands"),
        # What other steps do before or after a fork is not exported in the midst of it.
        ("run costs", "exports"),
    ],
)
def test_orders_that_matter_are_held(names: tuple[str, ...]) -> None:
    assert order(*names) == sorted(order(*names))


@pytest.fixture
def no_steps(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Have no part joined yet; what a step raises is in the list."""
    reported: list[BaseException] = []
    monkeypatch.setattr(forks, "_joined", {})
    monkeypatch.setattr(forks, "_report", reported.append)
    return reported


@needs_fork
@pytest.mark.parametrize("error", [ValueError("a step"), KeyboardInterrupt()])
def test_a_step_that_raises_keeps_no_other_from_running_and_is_reported(
    no_steps: list[BaseException], error: BaseException
) -> None:
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise error

    forks.join("flush", in_parent=lambda: done.append("flush"))
    forks.join("metrics", in_parent=fails)
    forks.join("ids", in_parent=lambda: done.append("ids"))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert (done, no_steps) == (["flush", "fails", "ids"], [error])


COUNTED = """
import os
from jobspan import forks
from jobspan.recording.safety import dropped

def fails():
    raise ValueError

dropped.count("before", "counted by the parent")
forks.join("resident memory", in_child=fails)
child = os.fork()
if child == 0:
    print(dropped.counts(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@needs_fork
def test_a_step_that_raises_in_a_child_is_counted_there_though_the_child_counts_from_zero() -> None:
    assert output_of(COUNTED) == "{'hook_error': 1}"


@pytest.mark.usefixtures("no_steps")
def test_a_name_that_the_list_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="no step of a fork is named 'a new part'; expected one of resident memory, "):
        forks.join("a new part")


def test_no_other_file_registers_handlers_of_forks() -> None:
    root = Path(forks.__file__).parent
    found = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr == "register_at_fork")
        or (isinstance(node, ast.alias) and node.name == "register_at_fork")
    ]
    assert found == ["forks.py"]


def test_each_part_that_joins_is_in_the_test_of_the_order_and_each_name_of_the_list_is_taken() -> None:
    root = Path(forks.__file__).parent.parent
    calls = {
        path.relative_to(root).with_suffix("").as_posix().replace("/", "."): node.args[0]
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "forks.join"
    }
    names = [ast.literal_eval(name) for name in calls.values()]
    assert (sorted(calls), sorted(names)) == (sorted(PARTS), sorted(forks.ORDER))
    assert all(one != other for one, other in itertools.pairwise(sorted(names)))
