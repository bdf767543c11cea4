"""What a watching process tells of a run whose process is dead: one truth, whatever the library says later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.short_program import printed_by

A_RUN_IS_KILLED = """
import os, signal, sys, time
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from jobspan.events import ProcessEnded, RunAbandoned, RunLost, WatchStarted
from jobspan.jobs import Outcome
from jobspan.recording import Recorder
from jobspan.settings import Settings
from unit.recording.builders import REDIS, job, run_finished, run_started

class Told(InMemorySpanExporter):
    pass  # leads somewhere: what stays in the memory of a test does not

exporter = Told()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tell = Recorder(Settings(state_dir=sys.argv[1]), tracer_provider=provider)
tell(WatchStarted())
child = os.fork()
if child == 0:
    tell(run_started(at_ns=time.time_ns()))
    if sys.argv[2:]:
        failed = run_finished(outcome=Outcome.FAILED, error=ValueError("no"), at_ns=time.time_ns())
        tell(RunAbandoned("run", failed))
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
died = ProcessEnded(child, -signal.SIGKILL, time.time_ns(), lambda _: True)
timed_out = RunLost(
    job(), REDIS, {}, "w1", Outcome.TIMED_OUT, final=True, started_ns=time.time_ns(), at_ns=time.time_ns(), pid=child
)
"""
ONLY_CHILDREN_HAVE_AN_SDK = """
import os, signal, sys, threading, time
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider
from jobspan.events import ProcessEnded, WatchStarted
from jobspan.recording import Recorder
from jobspan.settings import Settings
from unit.recording.builders import job, run_started

class Told(InMemorySpanExporter):
    said = threading.Event()

    def export(self, spans):
        print([(span.attributes["messaging.message.id"], span.attributes["jobspan.job.outcome"]) for span in spans])
        sys.stdout.flush()
        self.said.set()
        return super().export(spans)

def child(number, tell=None):
    pid = os.fork()
    if pid == 0:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(Told()))
        set_tracer_provider(provider)
        (tell or Recorder(Settings(state_dir=sys.argv[1])))(run_started(job=job(id=f"job-{number}")))
        if number == 2:
            Told.said.wait(10)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    return pid
"""
MANY_ARE_LEFT = """
import os, signal, sys, threading, time
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import set_tracer_provider
from jobspan.events import ProcessEnded, WatchEnded, WatchStarted
from jobspan.flight import layout
from jobspan.flight.writing import FlightFile
from jobspan.recording import Recorder
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.recovery import backlog, dead_processes
from jobspan.recording.sdk import flush
from jobspan.settings import Settings
from unit.flight.test_flight_files import record
from unit.recording.builders import run_started

# The clocks of jobspan, ten times as fast.
flush.DEADLINE_S, backlog._LOOKS_AGAIN_S, dead_processes._LAST_CHILDREN_S = 0.2, 0.01, 0.05
folder = Path(sys.argv[1])
folder.mkdir(mode=0o700, exist_ok=True)

def child(number, supervisor=""):
    pid = os.fork()
    if pid == 0:
        file = FlightFile(folder, supervisor)
        for each in range(1_200):
            file.write(layout.FINISHED, record(1 + number * 1_200 + each, "x")._replace(kind=0))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    return pid

class Slow(SpanExporter):
    is_away = threading.Event()
    asked, told = 0, set()

    def export(self, spans):
        time.sleep(0.005)
        Slow.asked += len(spans)
        if self.is_away.is_set():
            return SpanExportResult.FAILURE
        self.told.update(span.context.span_id for span in spans)
        return SpanExportResult.SUCCESS

def wait_until(is_so):
    deadline = time.monotonic() + 30
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Slow(), max_queue_size=2_048))
set_tracer_provider(provider)
tell = Recorder(Settings(state_dir=sys.argv[1]))
"""
DROPPING = """
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from jobspan.recording.journal.flight_log import flight_log

class Dropping(BatchSpanProcessor):
    def on_end(self, span):
        pass
"""
ONE_OF_TWO_HAS_NOT_ALL = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import set_tracer_provider
from jobspan.recording import Recorder
from jobspan.recording.sdk.flush import flush_and_leave
from jobspan.settings import Settings
from unit.recording.builders import run_finished, run_started

class Works(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS

class Fails(SpanExporter):
    def export(self, spans):
        return SpanExportResult.FAILURE

provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(Dropping(Works()))
provider.add_span_processor(BatchSpanProcessor(Fails() if sys.argv[2:] else Works()))
set_tracer_provider(provider)
tell = Recorder(Settings(state_dir=sys.argv[1]))
tell(run_started())
tell(run_finished())
flush_and_leave()
print(len(os.listdir(sys.argv[1])))
"""
ONE_OF_TWO_NEVER_WORKS = """
import os, signal, sys, time
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import set_tracer_provider
from jobspan.recording import Recorder
from jobspan.recording.journal.flight_log import flight_log
from jobspan.settings import Settings
from unit.recording.builders import job, run_finished, run_started

class Works(SpanExporter):
    def export(self, spans):
        os.write(1, "".join(f"{span.attributes['messaging.message.id']} " for span in spans).encode())
        return SpanExportResult.SUCCESS

class NeverWorks(SpanExporter):
    def export(self, spans):
        return SpanExportResult.FAILURE

def process(number, *exporters):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os.write(1, b".\\n")
        return
    signal.alarm(30)
    provider = TracerProvider()
    for exporter in exporters:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer_provider(provider)
    tell = Recorder(Settings(state_dir=sys.argv[1]))
    tell(run_started(job=job(id=str(number))))
    while flight_log.has_neighbours:
        time.sleep(0.01)
    tell(run_finished())
    os.kill(os.getpid(), signal.SIGKILL)
"""
FIVE_ARE_KILLED = (
    "tell(WatchStarted())",
    "died = [child(number, flight_log.name) for number in range(5)]",
    "for pid in died: tell(ProcessEnded(pid, -9, time.time_ns(), lambda _: True))",
)
SENT = "print(len(Slow.told))"
METERS = """
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
set_meter_provider(MeterProvider([reader]))
"""
COUNTED = """
for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
    if metric.name == "jobspan.job.active":
        continue  # it has a 0 where something was flushed while the run was open
    for point in metric.data.data_points:
        print(metric.name, getattr(point, "count", None) or point.value, point.attributes["jobspan.job.final"])
"""
PRINTED = """
for span in exporter.get_finished_spans():
    print(span.attributes["jobspan.job.outcome"], span.attributes.get("error.type"), len(span.events))
"""


def told(folder: Path, *steps: str, args: tuple[str, ...] = ()) -> str:
    """Return outcome, error type and number of exceptions told when these things follow upon a run that is killed."""
    return said(folder, A_RUN_IS_KILLED, *steps, PRINTED, args=args)


def said(folder: Path, *program: str, args: tuple[str, ...] = ()) -> str:
    """Return what a program says."""
    return printed_by("\n".join(program), str(folder / "flight"), *args)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_run_whose_death_is_told_is_not_told_again_when_the_library_times_it_out(tmp_path: Path) -> None:
    assert told(tmp_path, "tell(died)", "tell(timed_out)", "tell(died)") == "lost worker_lost 0"
    assert told(tmp_path, "tell(timed_out)", "tell(died)", "tell(timed_out)") == "timed_out timeout 0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_run_that_swallowed_its_exit_ended_as_it_did_unless_the_library_ended_it(tmp_path: Path) -> None:
    swallowed = ("swallowed",)
    assert told(tmp_path, "tell(died)", args=swallowed) == "failed ValueError 1"
    assert told(tmp_path, "tell(timed_out)", "tell(died)", args=swallowed) == "timed_out timeout 0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_run_of_whose_attributes_the_first_were_dropped_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4")
    without_warnings = "import logging; logging.disable()"
    assert said(tmp_path, without_warnings, A_RUN_IS_KILLED, "tell(died)", PRINTED) == "lost worker_lost 0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_run_that_a_dead_process_left_is_measured_once_as_it_is_told(tmp_path: Path) -> None:
    def counted(*steps: str, args: tuple[str, ...] = ()) -> str:
        return said(tmp_path, METERS, A_RUN_IS_KILLED, *steps, COUNTED, args=args)

    assert counted("tell(died)", "tell(died)") == "jobspan.job.lost 1 True"
    assert counted("tell(timed_out)", "tell(died)", "tell(timed_out)") == "jobspan.job.cut_off 1 True"
    assert counted("tell(died)", "tell(died)", args=("swallowed",)) == "messaging.process.duration 1 True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_process_that_nobody_watches_is_told_by_the_next_of_its_kind(tmp_path: Path) -> None:
    assert said(tmp_path, ONLY_CHILDREN_HAVE_AN_SDK, "child(1)", "child(2)") == "[('job-1', 'lost')]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_parent_without_an_sdk_leaves_its_dead_children_to_those_that_have_one(tmp_path: Path) -> None:
    parent = (
        "tell = Recorder(Settings(state_dir=sys.argv[1]))",
        "tell(WatchStarted())",
        "died = child(1, tell)",
        "tell(ProcessEnded(died, -9, time.time_ns(), lambda _: True))",
        "child(2, tell)",
    )
    assert said(tmp_path, ONLY_CHILDREN_HAVE_AN_SDK, *parent) == "[('job-1', 'lost')]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_more_than_the_sdk_has_room_for_is_told_bit_by_bit(tmp_path: Path) -> None:
    begin = "for number in range(3): child(number)", "tell(run_started())"
    assert said(tmp_path, MANY_ARE_LEFT, *begin, "wait_until(lambda: len(Slow.told) == 3_600)", SENT) == "3600"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_children_that_die_at_once_are_told_as_the_sdk_has_room_for_what_they_left(tmp_path: Path) -> None:
    steps = (*FIVE_ARE_KILLED, "wait_until(lambda: len(Slow.told) == 6_000)")
    assert said(tmp_path, MANY_ARE_LEFT, *steps, SENT) == "6000"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_a_processor_of_the_users_drops_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    told_by_a_dropping = MANY_ARE_LEFT.replace("BatchSpanProcessor(Slow()", "Dropping(Slow()")
    all_are_told = "wait_until(lambda: not flight_log.has_neighbours); print(flight_log.has_neighbours)"
    assert said(tmp_path, DROPPING, told_by_a_dropping, *FIVE_ARE_KILLED, all_are_told) == "False"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_each_exporter_was_given_as_its_processor_wants_is_not_left_for_the_next(tmp_path: Path) -> None:
    assert said(tmp_path, DROPPING, ONE_OF_TWO_HAS_NOT_ALL) == "0"
    assert said(tmp_path, "import logging; logging.disable()", DROPPING, ONE_OF_TWO_HAS_NOT_ALL, args=("fails",)) == "1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_children_that_die_while_the_collector_is_away_are_told_when_it_is_back(tmp_path: Path) -> None:
    steps = (
        "Slow.is_away.set()",
        *FIVE_ARE_KILLED,
        "wait_until(lambda: Slow.asked == 1_200)",
        "Slow.is_away.clear()",
        "provider.get_tracer('jobs').start_span('other').end()",
        "wait_until(lambda: len(Slow.told) == 4 * 1_200 + 1)",
    )
    assert said(tmp_path, MANY_ARE_LEFT, *steps, SENT) == "4801"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_whether_a_lost_run_was_final_is_as_the_library_knew_it_when_its_process_died(tmp_path: Path) -> None:
    """Celery forgets a job as soon as it has heard of the death, and what is left of it may wait for a collector."""
    steps = (
        "export, final = Slow.export, []",
        "def noting(self, spans):",
        "    final.extend(each.attributes[said] for each in spans if (said := 'jobspan.job.final') in each.attributes)",
        "    return export(self, spans)",
        "Slow.export = noting",
        "Slow.is_away.set()",
        "tell(WatchStarted())",
        "full, running = child(1, flight_log.name), os.fork()",
        "if running == 0:",
        "    tell(run_started())",
        "    os.kill(os.getpid(), signal.SIGKILL)",
        "os.waitpid(running, 0)",
        "known = [True]",
        "for pid in (full, running): tell(ProcessEnded(pid, -9, time.time_ns(), lambda _: known[0]))",
        "known[0] = False",
        "wait_until(lambda: Slow.asked == 1_200)",
        "assert not final",
        "Slow.is_away.clear()",
        "provider.get_tracer('jobs').start_span('other').end()",
        "wait_until(lambda: final)",
        "print(final)",
    )
    assert said(tmp_path, MANY_ARE_LEFT, *steps) == "[True]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_children_left_that_this_process_cannot_send_is_there_for_the_next(tmp_path: Path) -> None:
    left = "print(sum(1 for _ in folder.glob('*.flight')))"
    assert said(tmp_path, MANY_ARE_LEFT, "Slow.is_away.set()", *FIVE_ARE_KILLED, "tell(WatchEnded(int))", left) == "5"
    next_process = "tell(run_started())", "wait_until(lambda: len(Slow.told) == 6_000)"
    assert said(tmp_path, MANY_ARE_LEFT, *next_process, SENT) == "6000"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_one_exporter_has_sent_is_told_to_one_that_never_works_by_two_more_processes(tmp_path: Path) -> None:
    assert sent_by(tmp_path, "for number in range(5): process(number, Works(), NeverWorks())") == [
        "0",
        "0 1",
        "0 1 2",
        "1 2 3",
        "2 3 4",
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_no_exporter_has_sent_is_kept_until_one_has(tmp_path: Path) -> None:
    away = "for number in range(5): process(number, NeverWorks(), NeverWorks())"
    back = "for number in range(5, 7): process(number, Works(), Works())"
    assert sent_by(tmp_path, away, back) == ["", "", "", "", "", "0 0 1 1 2 2 3 3 4 4 5 5", "6 6"]


def sent_by(folder: Path, *processes: str) -> list[str]:
    """Return the jobs whose runs each of these processes sends, one after the other."""
    lines = said(folder, ONE_OF_TWO_NEVER_WORKS, *processes).splitlines()
    return [" ".join(sorted(line.strip(".").split())) for line in lines]
