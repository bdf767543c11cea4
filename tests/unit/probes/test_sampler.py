"""The thread that reads memory: awake while it is needed, in nobody's way, and real among greenlets."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from jobspan.probes.sampler import EACH_SECOND, OFTEN

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is sampled")

COUNTING = """
    import os, sys, time
    from jobspan.probes.run_cost import RunCost, sampler
    from jobspan.probes.sampler import EACH_SECOND, NEVER, OFTEN
    from support.waiting import wait_until

    readings = []
    sampler.call_each_second(lambda at_ns, resident: readings.append(resident))

    def threads():
        return len(os.listdir("/proc/self/task"))

    def begun(**how):
        run = RunCost()
        run.begin()
        run.measure_memory(**how)
        return run
"""

# Before ``run_cost`` takes the names over.
FIVE_TIMES_AS_OFTEN = """
    from jobspan.probes import sampler as clock
    clock.EACH_SECOND, clock.OFTEN = 0.2, 0.02
    clock._LINGERS = {clock.OFTEN: 10, clock.EACH_SECOND: 2}
"""


def ran(program: str, before: str = "") -> str:
    """Run a program with its own threads, and return what it printed."""
    # Python 3.12 and newer warn of every fork beside a thread.
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            "".join(map(textwrap.dedent, (before, COUNTING, program))),
        ],
        env={"PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_runs_that_are_alone_and_on_no_record_start_no_thread() -> None:
    program = """
        for _ in range(1000):
            begun(may_reset=True).end()
        print(threads(), readings)
    """
    assert ran(program) == "1 []"


def test_a_run_on_record_is_read_each_second_and_the_thread_sleeps_after_it() -> None:
    program = """
        run = begun(may_reset=True)
        run.measure_each_second()
        began = time.monotonic()
        wait_until(lambda: len(readings) >= 3, deadline_s=10, what="three readings")
        took = time.monotonic() - began
        run.end()
        wait_until(lambda: sampler._every_s == NEVER, deadline_s=10, what="it sleeps")
        print(threads(), 0.3 < took < 3, min(readings) > 0)
    """
    assert ran(program, FIVE_TIMES_AS_OFTEN) == "2 True True"
    assert (EACH_SECOND, OFTEN) == (1.0, 0.1)


def test_a_peak_that_no_mark_tells_is_seen_by_readings() -> None:
    program = """
        len(bytearray(b"x") * (200 << 20))
        run = begun(may_reset=False)
        held = bytearray(b"x") * (50 << 20)
        wait_until(lambda: run._highest_bytes > run.start_bytes + (40 << 20), deadline_s=5, what="a reading")
        del held
        memory = run.memory()
        print(threads(), memory.source.value, 48 < (memory.peak_bytes - memory.start_bytes) >> 20 < 53)
    """
    assert ran(program) == "2 sampled True"


def test_it_is_woken_again_by_the_next_run() -> None:
    program = """
        for _ in range(2):
            run = begun(may_reset=False)
            before = len(readings)
            wait_until(lambda: len(readings) > before, deadline_s=5, what="a reading")
            run.end()
            wait_until(lambda: sampler._every_s == NEVER, deadline_s=10, what="it sleeps")
        print(threads())
    """
    assert ran(program, FIVE_TIMES_AS_OFTEN) == "2"


def test_short_runs_beside_each_other_do_not_wake_it_one_by_one() -> None:
    program = """
        rung = 0
        outer = begun(may_reset=False)
        wait_until(lambda: readings, deadline_s=5, what="a reading")
        def woken():
            return int(open(f"/proc/self/task/{max(os.listdir('/proc/self/task'), key=int)}/status").read()
                       .partition("voluntary_ctxt_switches:")[2].split()[0])
        before = woken()
        began = time.monotonic()
        for _ in range(10_000):
            begun(may_reset=True).end()
        print(woken() - before < 50 + 20 * (time.monotonic() - began))
    """
    assert ran(program) == "True"


def test_it_takes_no_signal_of_the_hosts() -> None:
    program = """
        run = begun(may_reset=False)
        wait_until(lambda: readings, deadline_s=5, what="a reading")
        newest = max(os.listdir("/proc/self/task"), key=int)
        blocked = open(f"/proc/self/task/{newest}/status").read().partition("SigBlk:")[2].split()[0]
        print(all(int(blocked, 16) >> number - 1 & 1 for number in (10, 12, 15)))
    """
    assert ran(program) == "True"


def test_a_forked_child_starts_its_own() -> None:
    program = """
        run = begun(may_reset=False)
        wait_until(lambda: readings, deadline_s=5, what="a reading")
        child = os.fork()
        if child == 0:
            readings.clear()
            alone = threads()
            run = begun(may_reset=False)
            wait_until(lambda: readings, deadline_s=5, what="a reading")
            print(alone, threads(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    """
    assert ran(program) == "1 2"


def test_under_gevent_it_reads_also_while_a_greenlet_computes() -> None:
    pytest.importorskip("gevent")
    program = """
        from gevent import monkey
        monkey.patch_all()
        run = begun(may_reset=False)
        deadline = time.monotonic() + 10
        while not readings and time.monotonic() < deadline:
            sum(range(100_000))
        time.sleep(0.01)
        run.end()
        import gevent
        gevent.wait(timeout=1)
        print(len(readings) > 0, run.memory().source.value)
    """
    assert ran(program) == "True sampled"
