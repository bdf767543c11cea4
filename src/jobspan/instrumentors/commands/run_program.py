"""Any program as a command: started, its signals passed on, and its end mirrored; ``jobspan run``.

POSIX only. A terminal sends Ctrl-C to the whole group, so what the kernel sends is not passed on a second time.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jobspan import settings
from jobspan.conventions import PROCESS_EXECUTABLE_NAME
from jobspan.events import CommandFinished, CommandStarted, ProgramStarted, Sink
from jobspan.instrumentors.commands.exit_status import surroundings
from jobspan.instrumentors.guard import guarded
from jobspan.recording import Recorder
from jobspan.recording.attributes.signal_names import signal_name
from jobspan.recording.sdk.bootstrap import set_up
from jobspan.recording.sdk.flush import flush_at_exit, flush_or_give_up

_PASSED_ON = frozenset(
    getattr(signal, name)
    for name in (
        *("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF"),
        *("SIGWINCH", "SIGTSTP", "SIGCONT"),
    )
)
_WATCHED = _PASSED_ON | {signal.SIGCHLD}
# Python ignores these, and what is started would inherit that.
_TO_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)
_FROM_KERNEL = 128
_ENDINGS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
NOT_FOUND, NOT_EXECUTABLE = 127, 126


def run(args: Sequence[str], name: str | None = None) -> int:
    """Run a program as a command and return its exit code; ended by a signal, this process ends by the same.

    Args:
        args: program and arguments, found on PATH as a shell would.
        name: of the command; by default the program's base name.
    """
    # Before any thread is there: threads inherit it, and a signal to the process goes to any that does not block it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    # Where the parent process ignores it, the end of the program would not be reported.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    environ = dict(os.environ)
    command = _Command(args, name or _base_name(args))
    command.begin(environ)
    try:
        pid = _spawned(args, environ, before)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        print(f"jobspan: {args[0] or repr('')}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        command.end(code, None, None)
        return code
    status = _wait(pid)
    if os.WIFEXITED(status):
        command.end(os.WEXITSTATUS(status), None, pid)
        return os.WEXITSTATUS(status)
    command.end(None, os.WTERMSIG(status), pid)
    return _died_of(os.WTERMSIG(status))


class _Command:
    """The command in telemetry, where there is any."""

    def __init__(self, args: Sequence[str], name: str) -> None:
        self._args, self._name = args, name
        self._sink: Sink | None = None

    @guarded
    def begin(self, environ: dict[str, str]) -> None:
        """Begin the span, and put it into the environment of what is started."""
        # Not a word beside those of the program.
        logging.lastResort = logging.NullHandler()
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        if not set_up():
            return
        self._sink = Recorder(settings.load())
        flush_at_exit()
        attributes: Mapping[str, Any] = {PROCESS_EXECUTABLE_NAME: _base_name(self._args)}
        self._sink(
            CommandStarted(
                self, self._name, surroundings(), time.time_ns(), arguments=self._args, attributes=attributes
            )
        )
        carrier: dict[str, str] = {}
        self._sink(ProgramStarted(carrier))
        environ.update(carrier)

    @guarded
    def end(self, code: int | None, number: int | None, pid: int | None) -> None:
        """End the span as the program ended."""
        if self._sink is not None:
            self._sink(
                CommandFinished(
                    self,
                    code,
                    None,
                    time.time_ns(),
                    signal=signal_name(number) if number is not None else None,
                    is_lost=number is not None and number not in _ENDINGS,
                    pid=pid,
                )
            )


def _spawned(args: Sequence[str], environ: Mapping[str, str], mask: Any) -> int:
    """Start it, as a shell script where its file does not say what runs it, and return its process id."""
    if not args[0]:
        raise FileNotFoundError(errno.ENOENT, "no name")
    try:
        return os.posix_spawnp(args[0], list(args), environ, setsigmask=mask, setsigdef=_TO_DEFAULT)
    except OSError as error:
        script = shutil.which(args[0]) if error.errno == errno.ENOEXEC else None
        if script is None:
            raise
        shell = ["/bin/sh", script, *args[1:]]
        return os.posix_spawn(shell[0], shell, environ, setsigmask=mask, setsigdef=_TO_DEFAULT)


def _wait(pid: int) -> int:
    """Pass signals on until the program has ended, and return its wait status."""
    while True:
        number, is_from_kernel = _next_signal()
        if number == signal.SIGCHLD:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if found and os.WIFSTOPPED(status):
                if _is_stopped_by_a_terminal(status):
                    os.kill(os.getpid(), signal.SIGSTOP)
            elif found:
                return status
        elif not is_from_kernel:
            os.kill(pid, number)


def _is_stopped_by_a_terminal(status: int) -> bool:
    """Say whether a shell waits for both processes: whoever stops the program alone lets it alone go on."""
    return os.WSTOPSIG(status) != signal.SIGSTOP or os.isatty(0)


def _next_signal() -> tuple[int, bool]:
    if hasattr(signal, "sigwaitinfo"):
        found = signal.sigwaitinfo(_WATCHED)
        return found.si_signo, found.si_code == _FROM_KERNEL
    # macOS does not say who sent it.
    return signal.sigwait(_WATCHED), False


def _died_of(number: int) -> int:
    """End this process by the signal that ended the program, so that whoever waits for it sees the same."""
    flush_or_give_up()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core file is enough
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number  # a signal that does not end this process: what a shell would return


def _base_name(args: Sequence[str]) -> str:
    return os.path.basename(args[0])  # noqa: PTH119 - a name, not a path to open
