"""A plain script that ends in the way that it is asked for: ``ways_out.py "sys.exit(3)"``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


def fail() -> None:
    """Raise what nobody catches."""
    raise ValueError("bad value")


def interrupt() -> None:
    """Be interrupted."""
    raise KeyboardInterrupt


def fail_with_a_code() -> None:
    """Raise what a library raises for a program that it called."""
    error = ValueError("bad value")
    error.exit_code = 42  # type: ignore[attr-defined]  # that is the point
    raise error


def show_another() -> None:
    """Show an error at a prompt, and leave for another reason."""
    import code

    code.InteractiveInterpreter().runsource("int('x')")
    sys.exit(3)


def wait_for(number: int) -> None:
    """Get a signal and stay."""
    os.kill(os.getpid(), number)
    time.sleep(30)


def wait() -> None:
    """Say that it waits, and wait."""
    print("waits")
    time.sleep(30)


def wait_and_tell() -> None:
    """Wait, and say when the end is told of."""

    def watch() -> None:
        while all(thread.name != "jobspan-termination" for thread in threading.enumerate()):
            time.sleep(0.01)
        print("dies")

    threading.Thread(target=watch, daemon=True).start()
    wait()


def start_another() -> None:
    """Start another program, once with this one's environment and once with a copy of it."""
    # OpenTelemetry before 0.60 does not instrument what an instrumented program starts.
    args = ["opentelemetry-instrument", sys.executable, __file__, "sys.exit(3)"]
    for environ in (None, {**os.environ, "MORE": "1"}):
        subprocess.run(args, env=environ, check=False)


def parse() -> None:
    """Read ``parse users add`` with argparse."""
    import argparse

    parser = argparse.ArgumentParser()
    groups = parser.add_subparsers().add_parser("parse").add_subparsers()
    users = groups.add_parser("users", aliases=["u"]).add_subparsers()
    users.add_parser("add").add_argument("name")
    parser.parse_args()
    parser.parse_args(["parse", "users", "add", "again"])


def become_another() -> None:
    """Run another program in this one's place."""
    os.execvp("sh", ["sh", "-c", "exit 5"])  # noqa: S606 - that is the point


def fail_to_become_another() -> None:
    """Try to run a program that is not there, and go on."""
    with contextlib.suppress(FileNotFoundError):
        os.execvp("no-such-program", ["no-such-program"])  # noqa: S606 - that is the point


def start_and_command() -> None:
    """Start another program, as some libraries do when they are imported, and then be a command."""
    import click

    subprocess.run(["true"], check=True)
    click.Command("tool", callback=lambda: None).main([], prog_name="tool")


WAYS = {
    "become another": become_another,
    "fail to become another": fail_to_become_another,
    "parse": parse,
    "last line": lambda: None,
    "sys.exit(3)": lambda: sys.exit(3),
    "sys.exit('no')": lambda: sys.exit("no"),
    "os._exit(3)": lambda: os._exit(3),
    "exit(3)": lambda: exit(3),  # noqa: PLR1722 - that is the point
    "fail": fail,
    "fail with a code": fail_with_a_code,
    "show another": show_another,
    "interrupt": interrupt,
    "SIGTERM": lambda: wait_for(signal.SIGTERM),
    "SIGHUP": lambda: wait_for(signal.SIGHUP),
    "wait": wait,
    "wait and tell": wait_and_tell,
    "SIGKILL": lambda: wait_for(signal.SIGKILL),
    "start another": start_another,
    "start and command": start_and_command,
}

if sys.argv[1] == "raise":
    raise SystemExit(3)
if __name__ == "__main__":
    WAYS[sys.argv[1]]()
