"""Our text on the message: what is written is read, and whatever else comes is not."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobspan.job_options import RELATIONS, JobOptions
from jobspan.recording.context.message_field import MOST_MEMBERS, NOTHING, Members, MessageField, decode, encode

_MS = st.integers(0, 10**13)
_HEX = "0123456789abcdef"
_TRACE_ID, _SPAN_ID = st.text(_HEX, min_size=32, max_size=32), st.text(_HEX, min_size=16, max_size=16)
_FIELDS = st.builds(
    MessageField,
    published_ms=_MS,
    scheduled_ms=st.none() | _MS,
    command_id=st.none(),
    command_name=st.none(),
    parent_job_id=st.none() | st.text(max_size=100).filter(lambda text: text.isprintable()),
    previous_attempt=st.none() | st.tuples(_TRACE_ID, _SPAN_ID),
    depth=st.none() | st.integers(0, 1000),
    trace_started_ms=st.none() | _MS,
    begins_trace=st.booleans(),
    queue=st.none() | st.text(max_size=20),
    scheduled_by=st.sampled_from([None, "beat"]),
    schedule_name=st.none() | st.text(max_size=40),
    members=st.none()
    | st.builds(Members, _TRACE_ID, st.lists(_SPAN_ID, min_size=1, max_size=20).map(tuple), st.integers(0, 10_000)),
    options=st.builds(
        JobOptions,
        trace=st.none() | st.booleans(),
        memory=st.none() | st.booleans(),
        args=st.none() | st.booleans(),
        relation=st.none() | st.sampled_from(RELATIONS),
    ),
)


@given(_FIELDS, st.none() | st.tuples(st.text(_HEX, min_size=16, max_size=16), st.text(max_size=80)))
def test_what_is_written_is_read(field: MessageField, command: tuple[str, str] | None) -> None:
    if command is not None:
        field = field._replace(command_id=command[0], command_name=command[1].encode(errors="ignore").decode())
    assert decode(encode(field)) == field


@given(st.text(string.printable, max_size=200))
def test_garbage_raises_nothing_and_never_invents_a_command(text: str) -> None:
    found = decode(text)
    assert found is None or found.command_id is None or len(found.command_id) == 16


@pytest.mark.parametrize(
    "text",
    [None, 17, b"1;t=1", "", "2;t=1", "1;t=-5", "1;t=" + "9" * 40, "1;c=xyz", "1;a=0-0", "1;m=0-0", "1;" + "x" * 5000],
)
def test_what_is_not_ours_is_unreadable(text: object) -> None:
    assert decode(text) is None


def test_parts_that_a_newer_producer_adds_are_passed_over() -> None:
    assert decode("1;t=5;zz=new;flag") == NOTHING._replace(published_ms=5)


def test_the_text_is_bounded_however_long_the_names_are() -> None:
    field = MessageField(
        published_ms=5,
        scheduled_ms=5,
        command_id="0" * 16,
        command_name="ü" * 9000,
        parent_job_id="ü" * 9000,
        previous_attempt=("a" * 32, "b" * 16),
    )
    assert len(encode(field)) <= 4096
    assert decode(encode(field)) is not None


def test_members_beyond_a_hundred_are_counted() -> None:
    ids = tuple(f"{number:016x}" for number in range(1, 251))
    read = decode(encode(NOTHING._replace(members=Members("a" * 32, ids, omitted=7))))
    assert read == NOTHING._replace(members=Members("a" * 32, ids[:MOST_MEMBERS], omitted=157))


def test_members_that_do_not_fit_beside_long_names_are_counted() -> None:
    ids = tuple(f"{number:016x}" for number in range(1, 101))
    field = MessageField(
        published_ms=5,
        scheduled_ms=5,
        command_id="0" * 16,
        command_name="\U0001f600" * 200,
        schedule_name="x",
        members=Members("a" * 32, ids),
    )
    text = encode(field)
    read = decode(text)
    assert len(text) <= 4096
    assert read is not None
    assert read.members is not None
    assert 0 < len(read.members.span_ids) < 100
    assert len(read.members.span_ids) + read.members.omitted == 100


def test_what_does_not_fit_is_left_out_and_the_rest_is_read() -> None:
    long = "\U0001f600" * 256
    field = MessageField(
        published_ms=5,
        scheduled_ms=6,
        command_id="0" * 16,
        command_name=long,
        parent_job_id=long,
        queue="work",
        members=Members("a" * 32, ("b" * 16,)),
    )
    text = encode(field)
    assert len(text) <= 4096
    assert decode(text) == field._replace(parent_job_id=None)


def test_choices_of_a_later_version_are_passed_over() -> None:
    found = decode("1;t=5;u=t0.z9.m7.a1;r=sideways")
    assert found is not None
    assert found.options == JobOptions(trace=False, args=True)
