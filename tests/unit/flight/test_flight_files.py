"""The flight file: what a process leaves behind is read whole or not at all, and nobody else's is touched."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from jobspan.flight import layout, reading, records
from jobspan.flight.folder import default_folder, private_folder, private_place
from jobspan.flight.owner import Owner, this_process
from jobspan.flight.records import Ending, SpanRecord
from jobspan.flight.writing import FlightFile

NOISE = os.urandom(2_500).hex()
"""A text that does not fit into a small slot, compressed or not."""
_FORK = multiprocessing.get_context("fork")


def record(number: int, text: str = "") -> SpanRecord:
    """Return a span whose values all say its number."""
    attributes = {"number": number, "text": text or str(number) * (number % 200)}
    return SpanRecord(number, number, "", (number, number, 1, "", True), f"run {number}", 5, number, attributes, [])


def in_a_process_that_dies(work: Callable[[], None]) -> int:
    """Do something in a forked process that leaves no other way than by SIGKILL, and return its pid."""

    def live() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    process = _FORK.Process(target=live)
    process.start()
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    assert process.pid is not None
    return process.pid


def test_what_a_killed_process_wrote_is_read_as_it_was_written(tmp_path: Path) -> None:
    def work() -> None:
        file = FlightFile(tmp_path, "supervisor.flight", records.encode_mapping({"service.name": "worker"}))
        file.write(layout.OPEN, record(1))
        freed = file.write(layout.OPEN, record(2))
        assert freed is not None
        file.free(freed)
        large = file.write(layout.FINISHED, record(3, NOISE))
        assert large is not None
        unwinding = file.write(layout.OPEN, record(4))
        assert unwinding is not None
        file.set_state(unwinding, layout.UNWINDING)
        file.note(unwinding, 7, 1024)
        file.seen(9)
        file.say_leaving()

    pid = in_a_process_that_dies(work)
    (path,) = reading.of_process(tmp_path, pid, "supervisor.flight")
    assert reading.is_orphaned(path)
    contents = reading.take(path)
    assert contents is not None
    assert (contents.owner.pid, contents.resource, contents.seen_ns) == (pid, {"service.name": "worker"}, 9)
    assert (contents.is_leaving, contents.unreadable) == (True, 0)
    found = [(left.state, left.span, left.seen_ns, left.resident_bytes) for left in contents.records]
    assert sorted(found, key=lambda row: row[1].span_id) == [
        (layout.OPEN, record(1), 0, 0),
        (layout.FINISHED, record(3, NOISE), 0, 0),
        (layout.UNWINDING, record(4), 7, 1024),
    ]
    assert list(tmp_path.iterdir()) == []
    assert reading.take(path) is None


def test_what_a_span_has_become_is_written_behind_what_it_was(tmp_path: Path) -> None:
    attributes = {"number": 2, "outcome": "failed"}
    ending = Ending(9, attributes, "run again", (2, "no"), (("exception", 8, {"exception.type": "E"}),))
    torn: list[int] = []

    def work() -> None:
        file = FlightFile(tmp_path)
        for number, state in enumerate((layout.FINISHED, layout.UNWINDING, layout.FINISHED, layout.OPEN), 1):
            at = file.write(layout.OPEN, record(number)._replace(more={"pid": 1}, is_safe=True))
            assert at is not None
            assert file.end(at, state, ending)
            torn.append(at)
        large = file.write(layout.OPEN, record(5, NOISE))
        assert large is not None
        assert not file.end(large, layout.FINISHED, ("x" * layout.LARGE.slot_bytes,))
        torn_at = torn[2] + layout.ENDING_AT
        with file.path.open("r+b") as other:
            other.seek(torn_at + 4)
            other.write(b"torn")

    in_a_process_that_dies(work)
    (path,) = tmp_path.iterdir()
    contents = reading.take(path)
    assert contents is not None
    begun = [record(number)._replace(more={"pid": 1}, is_safe=True) for number in range(5)]
    assert [(left.state, left.span) for left in contents.records] == [
        (layout.FINISHED, begun[1].ended(ending)),
        (layout.UNWINDING, begun[2].ended(ending)),
        (layout.OPEN, begun[3]),
        (layout.OPEN, begun[4]),
        (layout.OPEN, record(5, NOISE)),
    ]
    assert ending.events is not None
    assert contents.records[0].span == SpanRecord(
        1, 1, "", (1, 1, 1, "", True), "run again", 5, 1, {"text": "1", **attributes}, [], 9,
        status=(2, "no"), events=ending.events,
    )  # fmt: skip


def test_what_one_takes_and_does_not_live_to_tell_is_there_for_the_next(tmp_path: Path) -> None:
    def live() -> None:
        FlightFile(tmp_path).write(layout.OPEN, record(1))

    in_a_process_that_dies(live)
    (path,) = tmp_path.iterdir()

    def work() -> None:
        with reading.taken(path) as contents:
            assert contents is not None
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_process_that_dies(work)
    with reading.taken(path) as contents:
        assert contents is not None
        assert reading.take(path) is None
        with reading.taken(path, is_watched=True) as ours:
            assert ours == contents
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_while_it_writes_leaves_no_half_record(tmp_path: Path) -> None:
    def write_without_end(seed: int) -> None:
        file, numbers = FlightFile(tmp_path), random.Random(seed)
        while True:
            slots = [file.write(layout.OPEN, record(numbers.randrange(1, 2000))) for _ in range(5)]
            for slot in slots:
                assert slot is not None
                file.free(slot)

    processes = [_FORK.Process(target=write_without_end, args=(seed,)) for seed in range(40)]
    some = 0
    for process in processes:
        process.start()
        assert process.pid is not None
        while not list(tmp_path.glob(f"{process.pid}-*{layout.SUFFIX}")):
            process.join(0.001)
        process.join(random.Random(process.pid).uniform(0.0, 0.02))
        process.kill()
        process.join()
        (path,) = tmp_path.glob(f"{process.pid}-*{layout.SUFFIX}")
        contents = reading.take(path)
        assert contents is not None
        assert contents.unreadable == 0
        for left in contents.records:
            assert left.span == record(left.span.span_id)
        some += len(contents.records)
    assert some > 0


def test_the_file_of_a_living_process_is_nobodys_to_take(tmp_path: Path) -> None:
    ours = FlightFile(tmp_path)
    assert list(reading.orphans(tmp_path)) == []
    assert not reading.is_orphaned(ours.path)
    ours.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_never_finished_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / f"1-x{layout.NEW}", tmp_path / f"2-x{layout.NEW}"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    reading.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_what_nobody_has_told_in_a_week_is_removed(tmp_path: Path) -> None:
    living = FlightFile(tmp_path)
    for _ in range(2):
        in_a_process_that_dies(lambda: FlightFile(tmp_path).seen(1))
    old, *new = reading.orphans(tmp_path)
    for path in (old, living.path):
        os.utime(path, (0, 0))
    reading.forget_old(tmp_path)
    assert set(tmp_path.iterdir()) == {*new, living.path}
    living.remove()


def test_a_process_is_known_by_more_than_its_pid() -> None:
    me = this_process()
    assert not me.is_gone
    assert me._replace(started=me.started + 1).is_gone
    assert me._replace(boot="another").is_gone
    # In another container the same pid is somebody else, whom nobody here can see.
    assert not me._replace(namespace=me.namespace + 1, started=0).is_gone
    assert Owner(me.boot, me.namespace, 2**22 + 1, 0).is_gone


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"jobspan-flight-0" + bytes(layout.FILE_BYTES - 16), layout.MAGIC + bytes(100)],
    ids=["empty", "foreign", "older", "cut off"],
)
def test_a_file_that_makes_no_sense_is_told_as_such_and_removed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"1-x{layout.SUFFIX}"
    path.write_bytes(content)
    assert list(reading.orphans(tmp_path)) == [path]
    with pytest.raises(reading.NotOurs):
        reading.take(path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    def work() -> None:
        file = FlightFile(tmp_path)
        for number in (1, 2):
            file.write(layout.OPEN, record(number))

    in_a_process_that_dies(work)
    (path,) = tmp_path.glob(f"*{layout.SUFFIX}")
    content = bytearray(path.read_bytes())
    content[layout.SMALL.start + layout.SLOT.size + 9] ^= 0xFF
    path.write_bytes(content)
    contents = reading.take(path)
    assert contents is not None
    assert (contents.unreadable, [left.span.span_id for left in contents.records]) == (1, [2])


def test_a_full_file_takes_no_more_and_a_freed_slot_is_used_again(tmp_path: Path) -> None:
    file = FlightFile(tmp_path)
    slots = [file.write(layout.OPEN, ()) for _ in range(layout.SMALL.slots)]
    assert None not in slots
    assert len(set(slots)) == layout.SMALL.slots
    assert file.write(layout.OPEN, ()) is None
    assert slots[7] is not None
    file.free(slots[7])
    assert file.write(layout.OPEN, ()) == slots[7]
    assert file.write(layout.OPEN, (os.urandom(layout.LARGE.slot_bytes),)) is None
    assert file.path.stat().st_size == layout.FILE_BYTES
    file.remove()


def test_a_file_whose_descriptor_the_job_has_closed_goes_on_and_touches_nobody_elses(tmp_path: Path) -> None:
    folder, others = tmp_path / "flight", tmp_path / "others"
    others.mkdir()

    def work() -> None:
        file = FlightFile(private_folder(folder))
        gc.collect()  # what is garbage would close its number later, whosever that is by then
        os.closerange(3, 200)
        held = [(others / str(number)).open("wb") for number in range(50)]
        for number in range(1, 101):
            file.write(layout.OPEN, record(number, NOISE if number < 9 else ""))
        if os.fork() == 0:
            file.leave()
            del file
            for other in held:
                other.write(b"mine")
                other.close()
            os._exit(0)
        os.wait()

    gc.collect()  # what other tests dropped would be collected there, and close descriptors that are others' by then
    in_a_process_that_dies(work)
    assert {path.stat().st_size for path in others.iterdir()} == {4}
    (path,) = folder.iterdir()
    assert reading.is_orphaned(path)
    contents = reading.take(path)
    assert contents is not None
    assert sorted(left.span.span_id for left in contents.records) == list(range(1, 101))


def test_long_texts_are_cut_but_ids_never() -> None:
    job_id = "i" * 5_000
    long = record(1)._replace(
        attributes={"messaging.message.id": job_id, "jobspan.job.kwargs": "k" * 40_000},
        events=(("exception", 1, {"exception.stacktrace": "begin" + "s" * 40_000 + "end"}),),
    )
    short = records.cut(long, 2_000)
    assert short.attributes["messaging.message.id"] == job_id
    assert len(records.encode(short)) < layout.LARGE.slot_bytes - layout.SLOT.size
    assert short.events[0][2]["exception.stacktrace"].endswith("end")


def test_hundreds_of_failures_with_their_stacks_find_room(tmp_path: Path) -> None:
    stack = "".join(f'  File "/srv/venv/lib/python3.11/site-packages/shop/{n}.py", line {n}\n' for n in range(80))
    failed = record(1)._replace(events=(("exception", 1, {"exception.stacktrace": stack}),), status=(2, "no"))
    assert len(stack) > 2 * layout.SMALL.slot_bytes
    file = FlightFile(tmp_path)
    assert None not in [file.write(layout.FINISHED, failed) for _ in range(500)]
    contents = reading.peek(file.path)
    assert contents is not None
    assert [left.span for left in contents.records] == [failed]
    file.remove()


def test_the_folder_is_this_users_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder(folder) == folder
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(PermissionError):
        private_folder(tmp_path / "link")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        private_folder(tmp_path / "file")


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o1777])
def test_a_folder_that_is_others_too_keeps_its_mode_and_has_a_private_one_in_it(tmp_path: Path, mode: int) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(mode)
    folder = private_folder(volume)
    assert folder == private_place(volume) == volume / f"jobspan-{os.getuid()}"
    assert private_folder(folder) == folder
    assert (stat.S_IMODE(volume.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (mode, 0o700)


def test_processes_that_send_their_spans_elsewhere_have_another_folder() -> None:
    here, there = ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:4317"} for host in ("here", "there"))
    tenant = {**here, "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=secret"}
    folders = [default_folder(environ) for environ in (here, there, tenant, {})]
    assert len(set(folders)) == 4
    assert default_folder({**here, "OTEL_SERVICE_NAME": "worker"}) == folders[0]
    assert not [folder for folder in folders if "secret" in str(folder)]
