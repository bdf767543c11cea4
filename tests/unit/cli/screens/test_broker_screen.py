"""``queues``, ``workers`` and ``health`` as a user sees them: text, JSON, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from jobspan.cli.app import jobspan
from jobspan.cli.documents.broker_documents import BROKER_KEYS, FINDING_KEYS, QUEUE_KEYS, WORKER_KEYS
from jobspan.cli.environment import Environment
from jobspan.errors import BackendError
from unit.cli.sample import NOW, night
from unit.cli.twin import Twin
from unit.cli.typing_at import Seen
from unit.health.twin_broker import STATE, TwinBroker

URL = "redis://:secret@localhost:6379/0"


def typed(*words: str, broker: TwinBroker | None = None, backend: Any = None, **environ: str) -> Seen:
    """Type ``jobspan`` and these words, with a broker and perhaps a store."""

    def open_backend(*_: object) -> Twin:
        if isinstance(backend, Exception):
            raise backend
        return backend  # type: ignore[no-any-return]  # the test's own

    environment = Environment(
        open_backend=open_backend,
        open_broker=lambda *_: broker or TwinBroker(),
        has_default_store=lambda: backend is not None,
        now_ns=lambda: NOW,
        environ={"JOBSPAN_BROKER": URL, **environ},
    )
    result = CliRunner().invoke(jobspan, words, obj=environment)
    return Seen(result.exit_code, result.stdout, result.stderr)


def test_queues_shows_every_state_and_what_nobody_can_tell() -> None:
    assert typed("queues") == Seen(
        0,
        """\
queue  framework  ready  delayed  unacked  dead  oldest  workers
mail   dramatiq       0        0        0     4                ?
work   celery        12        3        2     ?    90 s        1
2 queues on redis at localhost:6379: 12 ready, 3 delayed, 2 unacked, 4 dead.
? idle workers cannot be told.
Next: jobspan workers · jobspan health
""",
        "",
    )


def test_queues_are_chosen_by_name() -> None:
    chosen = typed("queues", "--queue", "w*").out
    assert ("work   celery" in chosen, "mail" in chosen) == (True, False)
    assert typed("queues", "--queue", "nix") == Seen(
        1, "No queue of Celery or Dramatiq named nix on redis at localhost:6379.\n", ""
    )


def test_workers_shows_queues_and_concurrency() -> None:
    assert typed("workers") == Seen(
        0,
        """\
worker     framework  runs at once  queues
celery@w1  celery                8  work
1 worker on redis at localhost:6379.
? idle workers cannot be told.
Next: jobspan queues
""",
        "",
    )


@pytest.mark.parametrize("workers", [None, ()])
def test_no_worker_is_exit_code_1(workers: tuple[()] | None) -> None:
    seen = typed("workers", broker=TwinBroker(replace(STATE, workers=workers, notes=())))
    assert seen == Seen(1, "No worker is known on redis at localhost:6379.\nNext: jobspan queues\n", "")


def test_health_is_healthy_with_exit_code_0() -> None:
    assert typed("health") == Seen(
        0,
        """\
healthy   2 queues on redis at localhost:6379: 12 ready, 3 delayed, 2 unacked, 4 dead.
? idle workers cannot be told.
? Failures and run times: no backend is named and there is no store.
""",
        "",
    )


def test_health_says_what_was_seen_and_what_to_do() -> None:
    seen = typed("health", "--limit", "work: oldest=1m", backend=Twin(), JOBSPAN_LIMITS="waiting=2")
    assert seen == Seen(
        2,
        """\
critical  2 queues on redis at localhost:6379: 12 ready, 3 delayed, 2 unacked, 4 dead.
critical  work (celery): 12 jobs waiting, the limit is 2
          → start more workers, or find what puts so many: jobspan runs --queue work
warning   work (celery): the next job has waited 90 s, the limit is 60 s
          → see what the workers do: jobspan workers; jobspan runs --outcome running --queue work
? idle workers cannot be told.
""",
        "",
    )


def test_health_counts_the_failures_of_its_window() -> None:
    seen = typed("health", "--limit", "failed=0", "--since", "24h", backend=Twin(night().spans))
    assert seen.code == 2
    assert "1 job failed in the last 24 hours, the limit is 0" in seen.out
    assert "jobspan failed --by error --queue" in seen.out


def test_a_broker_that_cannot_be_reached_is_critical() -> None:
    seen = typed("health", broker=TwinBroker(None))
    assert seen.code == 2
    assert seen.out.startswith(
        "critical  redis at localhost:6379.\ncritical  redis at localhost:6379 cannot be reached"
    )


def test_a_backend_that_cannot_be_reached_is_a_warning() -> None:
    seen = typed("health", backend=BackendError("no jobspan server answers"))
    assert (seen.code, "no jobspan server answers" in seen.out) == (1, True)


def test_tables_of_a_broker_that_cannot_be_reached_are_one_line_and_exit_code_2() -> None:
    for command in ("queues", "workers"):
        seen = typed(command, broker=TwinBroker(None))
        assert seen == Seen(2, "", "jobspan: redis at localhost:6379 cannot be reached\n")


def test_no_broker_named_is_one_line() -> None:
    seen = typed("queues", JOBSPAN_BROKER="")
    assert seen.err == "jobspan: no broker is named; give --broker redis://host:6379/0 or set JOBSPAN_BROKER\n"


def test_the_json_keys_are_those_promised() -> None:
    promised = {
        "broker": (BROKER_KEYS, "system address port"),
        "queue": (QUEUE_KEYS, "framework queue ready delayed unacked dead oldest_s workers"),
        "worker": (WORKER_KEYS, "framework worker queues concurrency"),
        "finding": (FINDING_KEYS, "grade kind framework queue seen remedy"),
    }
    assert {name: " ".join(keys) for name, (keys, _) in promised.items()} == {
        name: words for name, (_, words) in promised.items()
    }


def test_json_has_null_for_what_is_not_known() -> None:
    said = json.loads(typed("queues", "--json").out)
    assert said["broker"] == {"system": "redis", "address": "localhost", "port": 6379}
    assert said["queues"][0] == {
        "framework": "dramatiq",
        "queue": "mail",
        "ready": 0,
        "delayed": 0,
        "unacked": 0,
        "dead": 4,
        "oldest_s": None,
        "workers": None,
    }
    assert json.loads(typed("workers", "--json").out)["workers"] == [
        {"framework": "celery", "worker": "celery@w1", "queues": ["work"], "concurrency": 8}
    ]


def test_json_of_health_has_grade_and_findings() -> None:
    said = json.loads(typed("health", "--json", "--limit", "waiting=2", backend=Twin()).out)
    assert (said["health"], said["telemetry_asked"]) == ("critical", True)
    assert [(finding["kind"], finding["queue"], finding["grade"]) for finding in said["findings"]] == [
        ("waiting", "work", "critical")
    ]


def test_doctor_says_step_by_step_what_it_sees_and_what_to_do() -> None:
    off = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    seen = typed("doctor", broker=TwinBroker(None), OTEL_PYTHON_JOBSPAN_STATE_DIR="off", **off)
    lines = seen.out.splitlines()
    assert (seen.code, lines[0].split()[0]) == (2, "critical")
    assert "critical  exporter: OTEL_TRACES_EXPORTER is none: no span leaves" in lines
    assert lines[lines.index("critical  broker: redis at localhost:6379 cannot be reached") + 1].startswith(
        "          → start it"
    )
    assert lines[-2] == "not known backend: none is named and there is no store"


def test_the_canary_needs_a_broker_and_a_backend() -> None:
    assert "--canary needs a broker" in typed("doctor", "--canary", JOBSPAN_BROKER="").err
