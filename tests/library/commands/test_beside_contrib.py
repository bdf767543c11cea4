"""With OpenTelemetry's own instrumentations of Click, Django and Flask beside us, a command has one span."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobspan import conventions as c
from support.otlp import Collector
from support.workers import Instrumented, Surroundings, Telemetry

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("project", "args", "names"),
    [
        ("django", ("manage.py", "import_users", "0"), ["manage.py import_users", "manage.py draw_avatars"]),
        ("flask", ("-m", "flask", "--app", "app", "users", "import", "0"), ["python -m flask users import"]),
        ("typer", ("tool.py", "users", "import", "0"), ["tool.py users import"]),
        ("script", ("import_users.py", "0"), ["import_users.py"]),
    ],
)
def test_a_command_has_one_span(
    collector: Collector, tmp_path: Path, project: str, args: tuple[str, ...], names: list[str]
) -> None:
    home = EXAMPLES / project
    extra = {
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "PYTHONPATH": str(home),
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    around = Surroundings("", tmp_path / "diary", tmp_path, Telemetry(collector.grpc_endpoint), extra)
    program = [str(home / args[0]), *args[1:]] if args[0].endswith(".py") else list(args)
    with Instrumented(["python", *program], around, name=project) as running:
        assert running.wait() == 0
    root, *others = collector.wait_for_spans(len(names))
    assert [root.name, *(span.name for span in others)] == names
    assert all(span.parent_id == root.span_id for span in others)
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in (root, *others)} == {root.span_id}
