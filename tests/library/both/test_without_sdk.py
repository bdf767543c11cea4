"""Where nothing records, a job is left alone: its context travels, ``current_job`` knows it, an SDK may come later."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

CELERY = """
    from celery import Celery
    app = Celery("shop", broker="memory://")
    app.conf.update(task_store_eager_result=False)
    task = app.task(name="job")(body)
    instrumentor = jobspan.CeleryInstrumentor()
    instrumentor.instrument()
    def run(carrier):
        task.apply(headers=carrier)
    def publish():
        with app.connection_for_write() as connection:
            task.apply_async(connection=connection)
            with connection.SimpleQueue("celery") as queue:
                return queue.get(timeout=10).headers
"""
DRAMATIQ = """
    import dramatiq
    from dramatiq.brokers.stub import StubBroker
    instrumentor = jobspan.DramatiqInstrumentor()
    instrumentor.instrument()
    broker = StubBroker()
    dramatiq.set_broker(broker)
    task = dramatiq.actor(actor_name="job", max_retries=0)(body)
    def run(carrier):
        message = task.message()
        if carrier:
            message.options[conventions.DRAMATIQ_OPTION] = carrier
        proxy = dramatiq.MessageProxy(message)
        broker.emit_before("process_message", proxy)
        task.fn()
        broker.emit_after("process_message", proxy)
    def publish():
        return task.send().options.get(conventions.DRAMATIQ_OPTION, {})
"""
SCRIPT = """
    import json, logging, sys
    import jobspan
    from jobspan import conventions
    from opentelemetry import trace
    from opentelemetry.trace import get_current_span
    logging.basicConfig(level="WARNING", format="%(message)s")
    seen = []
    def body():
        job, span = jobspan.current_job(), get_current_span().get_span_context()
        seen.append([job.name, job.attempt, f"{span.trace_id:032x}", publish().get("traceparent", "")[3:35]])
    def around(carrier):
        seen.clear()
        run(carrier)
        return [*seen[0], jobspan.current_job()]
"""
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ENDING = f"""
    said = [around({{}}), around({{"traceparent": "00-{TRACE_ID}-00f067aa0ba902b7-01", conventions.FIELD: "1;d=1"}})]
    events = []
    instrumentor.listen(events.append)
    publish()
    instrumentor.listen(None)
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    around({{}})
    spans = [span.name for span in exporter.get_finished_spans()]
    print(json.dumps({{"said": said, "events": [type(event).__name__ for event in events], "spans": spans}}))
"""


@pytest.mark.parametrize("setup", [CELERY, DRAMATIQ], ids=["celery", "dramatiq"])
def test_nothing_is_done_for_a_job_until_something_records(setup: str) -> None:
    script = "\n".join(map(textwrap.dedent, (SCRIPT, setup, ENDING)))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["said"][0] == ["job", 1, "0" * 32, "", None]
    assert found["said"][1] == ["job", 1, TRACE_ID, TRACE_ID, None]
    assert found["events"] == ["PublishStarted", "PublishFinished"]
    assert found["spans"] == ["publish job", "run job"]
    assert done.stderr.count("no OpenTelemetry SDK is set up") == 1
