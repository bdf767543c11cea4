"""A command line typed on a pseudo terminal, and the picture of what it prints."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import MONOKAI

_DEADLINE_S = 120
_NARROWEST = 100
_JOBSPAN = [sys.executable, "-c", "from jobspan.cli import main; main()"]
_CLEAR = "\x1b[2J"
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-KSThl]")
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def typed(line: str, environ: Mapping[str, str], columns: int, *, until: str = "") -> str:
    """Run ``jobspan …`` on a terminal of so many columns and return what it shows in the end.

    Args:
        line: as a user types it.
        environ: the whole environment.
        columns: of the terminal.
        until: the text on the screen at which Ctrl-C ends it.
    """
    reading_end, program_end = pty.openpty()
    terminal = {"COLUMNS": str(columns), "LINES": "60", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(
        [*_JOBSPAN, *shlex.split(line)[1:]],
        stdin=program_end,
        stdout=program_end,
        stderr=program_end,
        env={**environ, **terminal},
        cwd=environ["HOME"],
    ) as process:
        os.close(program_end)
        alarm = threading.Timer(_DEADLINE_S, process.kill)
        alarm.start()
        text, is_interrupted = "", False
        for chunk in _chunks(reading_end):
            text += chunk
            if until and until in text and not is_interrupted:
                process.send_signal(signal.SIGINT)
                is_interrupted = True
        alarm.cancel()
    os.close(reading_end)
    if process.returncode < 0 or (until and not is_interrupted):
        raise SystemExit(f"{line} ended with {process.returncode}:\n{text}")
    return _settled(text)


def draw(shown: Sequence[tuple[str, str]]) -> str:
    """Return the SVG of command lines and their outputs; the first line is its title."""
    lines = [cell_len(_STYLES.sub("", line)) for _, text in shown for line in text.splitlines()]
    console = Console(record=True, width=max(_NARROWEST, *lines), file=StringIO(), force_terminal=True)
    for place, (line, text) in enumerate(shown):
        if place:
            console.print()
        console.print(f"$ {line}", style="bold", markup=False, highlight=False)
        for decoded in AnsiDecoder().decode(text):
            console.print(decoded)
    console.print()  # rich cuts what is below the base line of the last one: the _ of a name
    return console.export_svg(title=shown[0][0], theme=MONOKAI, code_format=_without_web_fonts())


def _chunks(descriptor: int) -> Iterator[str]:
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")()
    while True:
        try:
            read = os.read(descriptor, 65536)
        except OSError:
            # Linux says so when the other end of a pseudo terminal is closed.
            return
        if not read:
            return
        yield decoder.decode(read)


def _settled(text: str) -> str:
    """Keep what is seen in the end: a cleared screen is gone, and progress bars draw over themselves."""
    lines = text.rpartition(_CLEAR)[2].replace("\r\n", "\n").rstrip().removesuffix("^C").split("\n")
    shown = [[part for part in _MOVES.sub("", line).split("\r") if part.strip()] for line in lines]
    return "\n".join(parts[-1] if parts else "" for parts in shown).strip("\n")


def _without_web_fonts() -> str:
    from rich._export_format import CONSOLE_SVG_FORMAT

    plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return plain.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")
