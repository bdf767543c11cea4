"""The tables of README and of the documentation, made from the code.

``python docs/generate/tables.py`` writes them into the pages; the contract tests compare them. A table stands between
``<!-- table NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from command_line import command_line, exit_codes
from json_keys import json_keys

from jobspan import conventions as c
from jobspan.reading_settings import ReadingSettings
from jobspan.settings import Settings

ROOT = Path(__file__).parents[2]
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
    """Return the table of settings of the instrumentation."""
    return _settings(Settings)


def reading_settings() -> str:
    """Return the table of settings of the command line and of ``jobspan serve``."""
    return _settings(ReadingSettings)


TABLES: dict[str, Callable[[], str]] = {
    "spans": spans,
    "attributes": attributes,
    "metrics": metrics,
    "settings": settings,
    "reading_settings": reading_settings,
    "json_keys": json_keys,
    "command_line": command_line,
    "exit_codes": exit_codes,
}


def pages() -> Iterator[Path]:
    """Yield README and every page of the documentation."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def names_in(text: str) -> list[str]:
    """Return the names of the tables that have a place in a text."""
    return [name for _, name, _ in _PLACE.findall(text)]


def with_tables(text: str) -> str:
    """Return a text with every table in its place as the code has it now."""
    return _PLACE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def _settings(side: type) -> str:
    rows = (
        (f"`{s.metadata['env']}`", s.metadata["values"], _default(s.default), s.metadata["meaning"])
        for s in fields(side)
    )
    return _table(("variable", "values", "default", "meaning"), rows)


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
    for page in pages():
        before = page.read_text("utf-8")
        if (after := with_tables(before)) != before:
            page.write_text(after, "utf-8")
            print(page.relative_to(ROOT))
