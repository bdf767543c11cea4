"""Lines of styled text, tables laid out in columns, and how both reach a terminal or a pipe.

A pipe gets plain text, every value whole. A terminal gets colour, and tables as wide as it is: the flexible column is
cut first, down to ``NARROWEST``, then columns that may go are left out, and a last line names them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size

from jobspan.cli.terminal.sanitize import sanitize_line
from jobspan.named_tuple import NamedTuple

if TYPE_CHECKING:
    from rich.console import Console

FAILED, CAUTION, FINE, PLAIN, STRONG = "red", "yellow", "dim", "", "bold"
NARROWEST = 24
_GAP = "  "
_CUT = "…"


class Piece(NamedTuple):
    """A stretch of text in one style. Use ``piece`` for text from outside."""

    text: str
    style: str = PLAIN


Line = Sequence[Piece]


def piece(text: object, style: str = PLAIN) -> Piece:
    """Return text from outside as a safe piece."""
    return Piece(sanitize_line(text), style)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``goes`` 1 is left out first where it is too narrow for all, 0 stays."""

    title: str
    right: bool = False
    flexible: bool = False
    goes: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under columns."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Piece]]
    indent: str = ""

    def lines(self, width: int | None) -> list[Line]:
        """Lay the table out; ``width`` None: as wide as it needs to be."""
        kept, left_out = self._fitting(width)
        cells = [[row[index] for index in kept] for row in ([self._titles()] + [list(row) for row in self.rows])]
        columns = [self.columns[index] for index in kept]
        widths = [max(cell_len(cell.text) for cell in column) for column in zip(*cells, strict=True)]
        widths = self._narrowed(widths, columns, width)
        lines: list[Line] = [_row(row, columns, widths, self.indent) for row in cells]
        if left_out:
            titles = ", ".join(self.columns[index].title for index in left_out)
            lines.append([Piece(f"{self.indent}left out, the terminal is too narrow: {titles}", FINE)])
        return lines

    def _titles(self) -> list[Piece]:
        return [Piece(column.title, FINE) for column in self.columns]

    def _fitting(self, width: int | None) -> tuple[list[int], list[int]]:
        kept, left_out = list(range(len(self.columns))), list[int]()
        going = sorted((index for index in kept if self.columns[index].goes), key=lambda i: self.columns[i].goes)
        while width is not None and going and self._least_width(kept) > width:
            left_out.append(going.pop(0))
            kept.remove(left_out[-1])
        return kept, sorted(left_out)

    def _least_width(self, kept: Sequence[int]) -> int:
        return sum(map(self._least_column_width, kept)) + len(_GAP) * (len(kept) - 1) + len(self.indent)

    def _least_column_width(self, index: int) -> int:
        column = self.columns[index]
        widest = max([cell_len(column.title), *(cell_len(row[index].text) for row in self.rows)])
        return min(widest, NARROWEST) if column.flexible else widest

    def _narrowed(self, widths: list[int], columns: Sequence[Column], width: int | None) -> list[int]:
        if width is None:
            return widths
        spare = width - (sum(widths) + len(_GAP) * (len(widths) - 1) + len(self.indent))
        return [
            max(wide + min(spare, 0), min(wide, NARROWEST)) if column.flexible else wide
            for wide, column in zip(widths, columns, strict=True)
        ]


class Screen:
    """Where lines go: a terminal in colour, or plain text."""

    def __init__(self, out: TextIO | None = None, *, again: str = "") -> None:
        """Write to ``out``, by default standard output; ``again``: options that a next command line needs."""
        self._out = out or sys.stdout
        self.again = again
        self._console = _console(self._out)
        self.width: int | None = self._console.width if self._console else None

    def line(self, *pieces: Piece | str) -> None:
        """Write one line; a plain string must come from jobspan itself, not from telemetry."""
        self._write([part if isinstance(part, Piece) else Piece(part) for part in pieces])

    def lines(self, lines: Iterable[Line]) -> None:
        """Write lines."""
        for line in lines:
            self._write(line)

    def flush(self) -> None:
        """Let what was written be seen now."""
        self._out.flush()

    def table(self, table: Table) -> None:
        """Write a table, as wide as the terminal allows."""
        self.lines(table.lines(self.width))

    def _write(self, line: Line) -> None:
        if self._console is None:
            self._out.write("".join(text for text, _ in line).rstrip() + "\n")
            return
        from rich.text import Text

        text = Text.assemble(*((part.text, part.style) for part in line))
        text.rstrip()
        self._console.print(text, soft_wrap=True)


def _console(out: TextIO) -> Console | None:
    if not out.isatty():
        return None
    from rich.console import Console

    return Console(file=out, highlight=False, markup=False, emoji=False)


def _row(row: Sequence[Piece], columns: Sequence[Column], widths: Sequence[int], indent: str) -> Line:
    cells = [_fitted(cell, column, width) for cell, column, width in zip(row, columns, widths, strict=True)]
    gaps = [Piece(_GAP)] * (len(cells) - 1)
    between = [part for pair in zip(cells, [*gaps, Piece("")], strict=True) for part in pair]
    return [Piece(indent), *between]


def _fitted(cell: Piece, column: Column, width: int) -> Piece:
    wide = cell_len(cell.text)
    if wide > width:
        return Piece(set_cell_size(cell.text, width - 1) + _CUT, cell.style)
    pad = " " * (width - wide)
    return Piece(pad + cell.text if column.right else cell.text + pad, cell.style)
