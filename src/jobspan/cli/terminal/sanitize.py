"""Text from outside made safe for a terminal: no control or direction character survives, all else does.

Job names, messages and stacks come from other people's code and data. An escape sequence among them could clear the
screen, retitle the window or type an answer; what we print of it is its visible code instead.
"""

from __future__ import annotations

import re
import unicodedata

_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")


def sanitize_line(text: object) -> str:
    """Return ``text`` as one line: blanks and line ends become one space, other control characters their code."""
    return _visible(_BLANKS.sub(" ", str(text)))


def sanitize_block(text: object) -> tuple[str, ...]:
    """Return ``text`` as lines, each safe; tabs become four spaces."""
    lines = str(text).replace("\r\n", "\n").split("\n")
    return tuple(_visible(line.replace("\t", "    ").rstrip()) for line in lines)


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(_code(char) if unicodedata.category(char) in _DANGEROUS else char for char in text)


def _code(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
