"""A worker needs the OpenTelemetry API alone: the SDK is imported only where the architecture says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobspan

SOURCE = Path(jobspan.__file__).parent
ALLOWED = ("recording/sdk/", "server/", "demo/", "health/", "testing.py")


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _needs_the_sdk(source: str) -> bool:
    return any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in _imported(source))


@pytest.mark.parametrize(
    "line",
    [
        "import opentelemetry.sdk.trace",
        "from opentelemetry import sdk",
        "from opentelemetry.sdk.trace import TracerProvider",
        "def f():\n    from opentelemetry.exporter.otlp.proto import grpc",
    ],
)
def test_an_import_of_the_sdk_is_seen(line: str) -> None:
    assert _needs_the_sdk(line)
    assert not _needs_the_sdk("from opentelemetry import trace\nfrom opentelemetry.semconv import schemas")


def test_the_sdk_is_imported_only_where_the_architecture_says() -> None:
    modules = {path.relative_to(SOURCE).as_posix(): path.read_text() for path in SOURCE.rglob("*.py")}
    needing = [name for name, source in modules.items() if _needs_the_sdk(source)]
    assert [name for name in needing if not name.startswith(ALLOWED)] == []
