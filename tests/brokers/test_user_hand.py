"""What users choose, in real workers: no spans, arguments, relation, the current job, and ids that no seed repeats."""

from __future__ import annotations

import pytest

from jobspan import conventions as c
from jobspan.runs import is_command, is_publish, is_run
from support.compare import assert_true
from support.stage import Stage
from support.waiting import wait_until

FRAMEWORKS = ["celery", "dramatiq"]
APPS = {"celery": {"app": "apps.chosen_celery"}, "dramatiq": {"module": "apps.chosen_dramatiq"}}

PUT = """
import sys
import click, jobspan
from importlib import import_module
jobs = import_module("apps.chosen_" + sys.argv.pop())
put = jobs.put

@click.command()
def tool():
    {body}

tool(prog_name="tool")
"""


def put(stage: Stage, framework: str, body: str) -> None:
    """Run a command that puts jobs."""
    assert stage.run("python", "-c", PUT.format(body=body), framework) == 0


def arrive(stage: Stage, runs: int) -> None:
    """Wait for run spans."""
    wait_until(lambda: sum(map(is_run, stage.collector.spans)) >= runs, deadline_s=20, what=f"{runs} runs arrive")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_jobs_without_spans_hand_the_command_on(stage: Stage, framework: str) -> None:
    getattr(stage, framework)(**APPS[framework])
    put(
        stage,
        framework,
        "put(jobs.inside); put(jobs.outside)\n    with jobspan.options(trace=False): put(jobs.ok)\n    put(jobs.ok)",
    )
    stage.wait_until_ended(4)
    arrive(stage, 3)
    spans = stage.collector.spans
    (command,) = filter(is_command, spans)
    assert sorted(span.name.rpartition(".")[2].split()[-1] for span in spans if not is_command(span)) == ["ok"] * 6
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in spans} == {command.span_id}
    assert {span.trace_id for span in spans} == {command.trace_id}
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 4


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_arguments_memory_relation_and_the_current_job(stage: Stage, framework: str) -> None:
    getattr(stage, framework)(**APPS[framework])
    put(stage, framework, "put(jobs.pay, '4711', 'k-Zq81', kwargs={'note': 'token=abc'})")
    arrive(stage, 1)
    (publish,), (run,) = filter(is_publish, stage.collector.spans), filter(is_run, stage.collector.spans)
    for span in (publish, run):
        assert span.attributes[c.JOBSPAN_JOB_ARGS] == "['4711', [redacted]]"
        assert span.attributes[c.JOBSPAN_JOB_KWARGS] == "{'note': 'token=[redacted]'}"
    assert run.parent_id is None
    assert [(link.type, link.span_id) for link in run.links] == [(c.LINK_PUBLISH, publish.span_id)]
    assert [name for name in run.attributes if ".memory." in name] == []
    name, job_id = run.attributes[c.JOBSPAN_JOB_NAME], run.attributes[c.MESSAGING_MESSAGE_ID]
    assert run.attributes["shop.job"] == f"{name} {job_id} 1"


def test_what_a_celery_caller_gives_to_be_shown_is_shown(stage: Stage) -> None:
    stage.celery(**APPS["celery"])
    put(
        stage,
        "celery",
        "jobs.pay.apply_async(('4711', 'k-Zq81'), {'note': 'private'}, argsrepr='(card, ***)', kwargsrepr='{...}')",
    )
    arrive(stage, 1)
    for span in filter(lambda span: is_publish(span) or is_run(span), stage.collector.spans):
        assert (span.attributes[c.JOBSPAN_JOB_ARGS], span.attributes[c.JOBSPAN_JOB_KWARGS]) == ("(card, ***)", "{...}")


WORKERS = {"celery": {"concurrency": 4}, "dramatiq": {"processes": 4, "threads": 1}}
JOBS = 50


@pytest.mark.every_python
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_seeded_jobs_in_many_processes_make_no_id_twice(stage: Stage, framework: str) -> None:
    getattr(stage, framework)(**APPS[framework], **WORKERS[framework])
    put(
        stage,
        framework,
        f"with __import__('support.diary').diary.command('tool'): [put(jobs.seeded) for _ in range({4 * JOBS})]",
    )
    runs = 2 * 4 * JOBS
    stage.wait_until_ended(runs, deadline_s=60)
    arrive(stage, runs)
    spans = stage.collector.spans
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == len(spans) == 2 * runs + 1
    assert len({span.attributes[c.PROCESS_PID] for span in filter(is_run, spans)}) > 1  # a busy machine may starve one
    assert_true(spans, stage.diary)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_job_says_carries_its_ids_and_what_is_suppressed_is_not_told(stage: Stage, framework: str) -> None:
    getattr(stage, framework)(**APPS[framework])
    put(stage, framework, "put(jobs.speaks)")
    arrive(stage, 2)
    run, other = sorted(filter(is_run, stage.collector.spans), key=lambda span: span.name.endswith("ok"))
    (query,) = [span for span in stage.collector.spans if span.name == "query"]
    assert (query.trace_id, query.parent_id) == (run.trace_id, run.span_id)
    stage.collector.wait_for(lambda seen: seen.logs, what="the log record arrives")
    assert [(log.body, log.trace_id, log.span_id) for log in stage.collector.logs] == [
        ("spoken", run.trace_id, run.span_id)
    ]
    assert [span.name.rpartition(".")[2].split()[-1] for span in stage.collector.spans if is_publish(span)] == [
        "speaks"
    ]
    assert (other.parent_id, other.links) == (None, ())
