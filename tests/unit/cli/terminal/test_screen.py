"""Tables in little room, and lines on terminals and pipes."""

from __future__ import annotations

import io

import pytest

from jobspan.cli.terminal.screen import FAILED, Column, Line, Piece, Screen, Table, piece

_COLUMNS = (
    Column("id"),
    Column("queue", goes=1),
    Column("error", flexible=True),
    Column("ran", right=True, goes=2),
)
_TABLE = Table(
    _COLUMNS,
    [
        [Piece("030f"), Piece("billing"), Piece("CardError: the card was declined"), Piece("1.2 s")],
        [Piece("9e02"), Piece("pdf"), Piece("lost"), Piece("41 s")],
    ],
)


def _text(lines: list[Line]) -> list[str]:
    return ["".join(part.text for part in line).rstrip() for line in lines]


def test_a_pipe_gets_every_column_whole() -> None:
    assert _text(_TABLE.lines(None)) == [
        "id    queue    error                               ran",
        "030f  billing  CardError: the card was declined  1.2 s",
        "9e02  pdf      lost                               41 s",
    ]


def test_a_narrow_terminal_cuts_the_flexible_column() -> None:
    assert _text(_TABLE.lines(50)) == [
        "id    queue    error                           ran",
        "030f  billing  CardError: the card was dec…  1.2 s",
        "9e02  pdf      lost                           41 s",
    ]


def test_a_narrower_one_leaves_columns_out_and_names_them() -> None:
    assert _text(_TABLE.lines(40)) == [
        "id    error                          ran",
        "030f  CardError: the card was de…  1.2 s",
        "9e02  lost                          41 s",
        "left out, the terminal is too narrow: queue",
    ]


@pytest.mark.parametrize("width", [30, 34, 38, 42, 46, 50, 60, 200])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    rows = [line for line in _text(_TABLE.lines(width)) if not line.startswith("left out")]
    assert max(map(len, rows)) <= width


def test_wide_characters_keep_columns_straight() -> None:
    table = Table([Column("job"), Column("queue")], [[piece("漢字"), piece("a")], [piece("abcd"), piece("b")]])
    assert _text(table.lines(None)) == ["job   queue", "漢字  a", "abcd  b"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _on_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "60", **environment}.items():
        monkeypatch.setenv(name, value)
    out = _Terminal()
    Screen(out).line(piece("[b]2[/b]", FAILED), " of 4 failed")
    return out.getvalue()


def test_a_terminal_gets_colour_and_no_markup_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _on_terminal(monkeypatch) == "\x1b[31m[b]2[/b]\x1b[0m of 4 failed\n"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _on_terminal(monkeypatch, NO_COLOR="1") == "[b]2[/b] of 4 failed\n"


def test_a_pipe_gets_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    Screen(out).line(piece("2", FAILED))
    assert (out.getvalue(), Screen(out).width) == ("2\n", None)
