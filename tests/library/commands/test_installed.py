"""Console scripts as pip writes them, and a package that is a Django project: named as they were called."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from jobspan import conventions as c
from support.otlp import Collector
from support.workers import Instrumented, Surroundings, Telemetry

FILES = {
    "mytool/__init__.py": """
        import argparse
        import click

        @click.group()
        def main(): pass

        @main.group()
        def users(): pass

        @users.command("import")
        def import_(): click.get_current_context().exit(3)

        def plain():
            parser = argparse.ArgumentParser()
            users = parser.add_subparsers().add_parser("users")
            users.add_subparsers().add_parser("import")
            parser.parse_args()
            return 4
        """,
    "mysite/__init__.py": "",
    "mysite/__main__.py": """
        import os
        from django.core.management import execute_from_command_line

        os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
        execute_from_command_line()
        """,
    "mysite/settings.py": "INSTALLED_APPS = ['mysite']",
    "mysite/management/__init__.py": "",
    "mysite/management/commands/__init__.py": "",
    "mysite/management/commands/import_users.py": """
        from django.core.management.base import BaseCommand, CommandError

        class Command(BaseCommand):
            def handle(self, **_):
                raise CommandError("no users", returncode=5)
        """,
    "mytool-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mytool\nVersion: 1.0\n",
    "mytool-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "mytool-1.0.dist-info/entry_points.txt": "[console_scripts]\nmytool = mytool:main\nplaintool = mytool:plain\n",
    "mytool-1.0.dist-info/RECORD": "",
}


@pytest.fixture
def run(collector: Collector, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Install the package, and run a program of it under ``opentelemetry-instrument`` to its end."""
    wheel = tmp_path / "mytool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, textwrap.dedent(text))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([*pip, str(wheel)], check=True, timeout=60, capture_output=True)
    # OpenTelemetry's own instrumentation of Django configures it before a program has named its settings.
    extra = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,click,django"}
    around = Surroundings("", tmp_path / "diary", tmp_path, Telemetry(collector.grpc_endpoint), extra)
    with ExitStack() as programs:

        def ran(*args: str) -> int:
            program = Instrumented(args, around, name=f"program-{len(collector.spans)}", expect=("CommandError",))
            return programs.enter_context(program).wait(60)

        yield ran


def recorded(collector: Collector) -> list[tuple[Any, ...]]:
    """Return name and exit code of each command."""
    return [(span.name, span.attributes.get(c.PROCESS_EXIT_CODE)) for span in collector.spans]


def test_each_program_of_a_package_is_named_as_it_was_called(
    run: Callable[..., int], collector: Collector, tmp_path: Path
) -> None:
    assert run(str(tmp_path / "bin" / "mytool"), "users", "import") == 3
    assert run(str(tmp_path / "bin" / "plaintool"), "users", "import") == 4
    assert run("python", "-m", "mysite", "import_users") == 5
    assert run("python", "-m", "mysite", "test", "mysite") in (0, 5)  # 5: no tests, since Python 3.12
    assert recorded(collector) == [
        ("mytool users import", 3),
        ("plaintool users import", 4),
        ("python -m mysite import_users", 5),
    ]
