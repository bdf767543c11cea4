"""The README's picture: what ``jobspan demo`` really prints on a terminal, as SVG.

``python docs/picture.py`` runs the demo on a pseudo terminal and writes ``docs/demo.svg``.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.terminal_theme import MONOKAI

PICTURE = Path(__file__).parent / "demo.svg"
COLUMNS = 150
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-KSThl]")


def main() -> None:
    """Run the demo and draw its output."""
    text = _clean(_output_of([sys.executable, "-c", "from jobspan.cli import main; main()", "demo"]))
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print("$ jobspan demo", style="bold")
    for line in AnsiDecoder().decode(text):
        console.print(line)
    PICTURE.write_text(
        console.export_svg(title="jobspan demo", theme=MONOKAI, code_format=_without_web_fonts()), "utf-8"
    )


def _output_of(command: list[str]) -> str:
    ours, theirs = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "60", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, close_fds=True) as process:
        os.close(theirs)
        read = b"".join(iter(lambda: _chunk(ours), b""))
        if process.wait() != 0:
            raise SystemExit(f"the demo ended with {process.returncode}:\n{read.decode()}")
    return read.decode()


def _chunk(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # Linux says so when the other end of a pseudo terminal is closed.
        return b""


def _clean(text: str) -> str:
    """Keep what a line shows in the end: progress bars draw over themselves."""
    lines = text.replace("\r\n", "\n").split("\n")
    shown = [[part for part in _MOVES.sub("", line).split("\r") if part.strip()] for line in lines]
    return "\n".join(parts[-1] if parts else "" for parts in shown)


def _without_web_fonts() -> str:
    from rich._export_format import CONSOLE_SVG_FORMAT

    plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return plain.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")


if __name__ == "__main__":
    main()
