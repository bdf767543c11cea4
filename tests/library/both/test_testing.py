"""``jobspan.testing``: users assert on their own jobs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from jobspan import DramatiqInstrumentor
from jobspan.errors import JobspanError
from jobspan.events import Event
from jobspan.jobs import Outcome
from jobspan.testing import EventLog, a_job, a_publish, a_run, listening
from library.conftest import Instrumentation


def test_a_log_keeps_what_was_published_and_what_ran() -> None:
    log, broken = EventLog(), OSError("down")
    events: list[Event] = [*a_publish(a_job("mail")), *a_publish(a_job("lost"), broken)]
    events += a_run(a_job("mail"), Outcome.FAILED, error=broken)
    for event in [*events, a_run(a_job("open"))[0]]:
        log(event)
    assert log.events[:-1] == tuple(events)
    assert log.published == (a_job("mail"),)
    assert log.runs == ((a_job("mail"), Outcome.FAILED, True, broken),)
    assert log.wait_for_runs(1) == log.runs
    with pytest.raises(JobspanError, match=r"^1 runs ended within 0.01 s, expected 2$"):
        log.wait_for_runs(2, timeout_s=0.01)
    log.clear()
    assert log.events == ()


def test_listening_leaves_everything_as_it_was(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor(), relation="link")
    before = vars(dramatiq.Broker)["__init__"]
    broker = StubBroker(middleware=[])
    actor = dramatiq.actor(actor_name="plain", broker=broker)(lambda: None)
    with listening() as log:
        actor.send()
    assert [job.name for job in log.published] == ["plain"]
    actor.send()
    assert [span.name for span in instrumentation.spans] == ["publish plain", "publish plain"]
    assert len(log.published) == 1
    assert vars(dramatiq.Broker)["__init__"] is before


PROJECT = {
    "conftest.py": 'pytest_plugins = ["jobspan.testing"]\n',
    "shop.py": """
        import celery, dramatiq
        from dramatiq.brokers.stub import StubBroker

        app = celery.Celery("shop", broker="memory://")
        broker = StubBroker()
        dramatiq.set_broker(broker)

        @app.task(name="receipt")
        def receipt(order): ...

        @dramatiq.actor(max_retries=0)
        def decline(): raise ValueError("declined")
        """,
    "test_shop.py": """
        import jobspan, pytest, shop
        from dramatiq import Worker

        def test_what_is_published_is_seen(job_log):
            shop.receipt.delay(5)
            assert [job.name for job in job_log.published] == ["receipt"]

        def test_every_test_begins_with_nothing(job_log):
            assert job_log.events == ()

        def test_what_runs_is_seen_with_its_error(job_log):
            worker = Worker(shop.broker, worker_threads=1)
            worker.start()
            try:
                shop.decline.send()
                (run,) = job_log.wait_for_runs(1)
            finally:
                worker.stop()
            assert (run.job.name, run.outcome, run.final, str(run.error)) == ("decline", "failed", True, "declined")

        def test_an_eager_run_is_seen(job_log):
            shop.receipt.apply((5,))
            assert [run.outcome for run in job_log.runs] == ["succeeded"]

        def test_a_failing_assertion_is_an_ordinary_one(job_log):
            with pytest.raises(AssertionError):
                assert job_log.published
        """,
}


@pytest.mark.parametrize("has_sdk", [True, False])
def test_a_users_project_asserts_on_its_jobs_with_and_without_the_sdk(tmp_path: Path, has_sdk: bool) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    if not has_sdk:
        (tmp_path / "opentelemetry_sdk_absent.py").write_text(ABSENT)
    plugins = ["-p", "no:ddtrace", *([] if has_sdk else ["-p", "opentelemetry_sdk_absent"])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *plugins],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "5 passed" in done.stdout) == (0, True), done.stdout + done.stderr


ABSENT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def test_without_asking_for_it_pytest_loads_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import sys\ndef test_plain():\n    assert not any(name.startswith('jobspan') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:ddtrace"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
