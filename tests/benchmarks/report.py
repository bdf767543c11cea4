"""Figures as one table for people and one JSON document for machines."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure

_PACKAGES = (
    "celery",
    "dramatiq",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-celery",
    "opentelemetry-instrumentor-dramatiq",
    "sentry-sdk",
    "ddtrace",
    "duckdb",
)


def show(figures: Sequence[Figure], seconds: float) -> None:
    """Print the table."""
    table = Table(title=f"what jobspan costs ({_machine()}, {seconds:.0f} s)", title_justify="left")
    for heading in ("group", "figure", "median", "quartiles", "unit", "aim"):
        table.add_column(heading, justify="right" if heading in {"median", "quartiles"} else "left", no_wrap=True)
    before = ""
    for each in figures:
        if each.group != before and before:
            table.add_section()
        spread = f"{_number(each.low)} … {_number(each.high)}" if each.samples > 1 else ""
        table.add_row(
            each.group if each.group != before else "", each.name, _number(each.median), spread, each.unit, _aim(each)
        )
        before = each.group
    # Piped, it is as wide as it needs to be.
    Console(width=None if os.isatty(1) else 160).print(table)


def write(figures: Sequence[Figure], seconds: float, path: Path) -> None:
    """Write the JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "machine": _machine(),
        "seconds": round(seconds),
        "versions": {name: _version(name) for name in _PACKAGES},
        "figures": [{**asdict(each), "is_met": each.is_met} for each in figures],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _machine() -> str:
    return f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aim(each: Figure) -> str:
    if each.aim is None:
        return ""
    sign = "≥" if each.is_least else "≤"
    colour = "green" if each.is_met else "red"
    return f"[{colour}]{sign} {_number(each.aim)} {'met' if each.is_met else 'missed'}[/]"
