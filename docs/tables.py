"""The README's tables, made from the code: ``python docs/tables.py`` writes them, the contract tests compare them.

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from jobspan import conventions as c
from jobspan.reading_settings import ReadingSettings
from jobspan.settings import Settings

README = Path(__file__).parent.parent / "README.md"
_PLACE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def spans() -> str:
    """Return the table of spans."""
    return _table(("span", "kind", "name", "covers"), c.SPANS)


def attributes() -> str:
    """Return the table of attributes."""
    rows = (
        (
            f"`{row.name}`",
            ", ".join(row.on),
            "always" if row.need == "R" else "when known",
            _typed(row.type, row.unit),
            row.meaning,
        )
        for row in c.ATTRIBUTES
    )
    return _table(("attribute", "on", "there", "type", "meaning"), rows)


def metrics() -> str:
    """Return the table of metrics."""
    rows = (
        (
            f"`{row.name}`",
            f"{row.instrument}, `{row.unit}`",
            ", ".join(f"`{name}`" for name in row.attributes),
            row.meaning,
        )
        for row in c.METRICS
    )
    return _table(("metric", "instrument", "attributes", "meaning"), rows)


def settings() -> str:
    """Return the table of settings of both sides."""
    rows = (
        (f"`{s.metadata['env']}`", s.metadata["values"], _default(s.default), s.metadata["meaning"])
        for side in (Settings, ReadingSettings)
        for s in fields(side)
    )
    return _table(("variable", "values", "default", "meaning"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "spans": spans,
    "attributes": attributes,
    "metrics": metrics,
    "settings": settings,
}


def with_tables(text: str) -> str:
    """Return a text with every table in its place as the code has it now."""
    return _PLACE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _typed(kind: str, unit: str) -> str:
    return f"{kind}, {unit}" if unit else kind


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", ()) else ""


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text("utf-8")), "utf-8")
