"""Others in the same worker: OpenTelemetry's own instrumentation, Sentry, Datadog. No error, nobody loses a span."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter

import pytest

from jobspan.runs import is_run
from support.compare import assert_true
from support.stage import Stage
from support.waiting import wait_until

JOBS = ("celery:ok", "celery:fail", "celery:nest", "celery:retry_then_succeed")
RUNS = 6


def work(stage: Stage, beside: str, **options: str) -> str:
    """Run jobs in a worker beside others, compare our spans with the diary, and return the worker's log."""
    stage.set(TEST_BESIDE=beside, TEST_BESIDE_SEEN=str(stage.folder / "seen.jsonl"), **options)
    worker = stage.celery(app="apps.beside_celery")
    stage.put(*JOBS)
    stage.wait_until_ended(RUNS)
    wait_until(lambda: sum(map(is_run, stage.collector.spans)) >= RUNS, deadline_s=15, what="the runs arrive")
    worker.stop()
    return worker.log


def seen(stage: Stage) -> Counter[tuple[str, str]]:
    """Return what the others saw."""
    path = stage.folder / "seen.jsonl"
    return Counter(tuple(json.loads(line)) for line in path.read_text().splitlines()) if path.exists() else Counter()


def scopes(stage: Stage) -> set[str]:
    return {span.scope for span in stage.collector.spans}


@pytest.mark.parametrize("beside", ["contrib", "contrib_in_child"])
def test_no_span_comes_twice_beside_opentelemetrys_own(stage: Stage, beside: str) -> None:
    log = work(stage, beside)
    assert scopes(stage) == {"jobspan"}
    assert_true(stage.collector.spans, stage.diary)
    # One line a process: the main one, or each of the two children.
    assert log.count("opentelemetry.instrumentation.celery is set aside") == (1 if beside == "contrib" else 2)


def test_no_span_comes_twice_when_opentelemetry_instrument_loads_both(stage: Stage) -> None:
    work(stage, "", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="")
    assert scopes(stage) == {"jobspan"}
    assert_true(stage.collector.spans, stage.diary)


def test_coexist_keeps_both_and_disabling_ours_leaves_theirs(stage: Stage) -> None:
    log = work(stage, "contrib_in_child", OTEL_PYTHON_JOBSPAN_COEXIST="true")
    assert scopes(stage) == {"jobspan", "opentelemetry.instrumentation.celery"}
    assert "set aside" not in log
    # None of theirs, and none of ours, was still current when another job began.
    assert [link.type for span in stage.collector.spans for link in span.links if link.type == "ambient"] == []


def test_theirs_is_not_silenced_where_ours_is_disabled(stage: Stage) -> None:
    stage.set(
        TEST_BESIDE="contrib_in_child",
        TEST_BESIDE_SEEN=str(stage.folder / "seen.jsonl"),
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="celery,click,jobspan_celery",
    )
    worker = stage.celery(app="apps.beside_celery")
    stage.put("celery:ok")
    wait_until(lambda: any("run/" in span.name for span in stage.collector.spans), deadline_s=15, what="theirs arrives")
    assert "set aside" not in worker.log
    assert [span for span in stage.collector.spans if is_run(span) and span.scope == "jobspan"] == []


@pytest.mark.skipif(importlib.util.find_spec("sentry_sdk") is None, reason="sentry-sdk is not installed here")
def test_sentry_and_we_each_see_every_run(stage: Stage) -> None:
    work(stage, "sentry")
    assert_true(stage.collector.spans, stage.diary)
    assert seen(stage) == Counter(
        {
            ("transaction", "apps.celery_app.ok"): 2,
            ("transaction", "apps.celery_app.fail"): 1,
            ("transaction", "apps.celery_app.nest"): 1,
            ("transaction", "apps.celery_app.retry_then_succeed"): 2,
            ("event", "CardDeclined"): 1,
        }
    )


@pytest.mark.every_python
@pytest.mark.skipif(importlib.util.find_spec("ddtrace") is None, reason="ddtrace has no wheel for this Python")
def test_datadog_and_we_each_see_every_run(stage: Stage) -> None:
    work(
        stage,
        "ddtrace",
        DD_TRACE_ENABLED="true",
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
        DD_TRACE_STARTUP_LOGS="false",
    )
    assert_true(stage.collector.spans, stage.diary)
    runs = {name: number for (_, name), number in seen(stage).items() if name.startswith("celery.run")}
    assert runs == {
        "celery.run apps.celery_app.ok": 2,
        "celery.run apps.celery_app.fail": 1,
        "celery.run apps.celery_app.nest": 1,
        "celery.run apps.celery_app.retry_then_succeed": 2,
    }
