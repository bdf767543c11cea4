"""An exception in words: type, message, and the part of the stack that is the job's."""

from __future__ import annotations

from typing import Any

from jobspan.recording.attributes.exception_text import describe, type_name


class CardDeclinedError(Exception):
    """A job's own exception."""


class UnprintableError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def raised(error: BaseException, depth: int = 0) -> BaseException:
    """Raise an exception so many calls deep and return it."""

    def dig(left: int) -> None:
        if left:
            dig(left - 1)
        raise error

    try:
        dig(depth)
    except BaseException as caught:
        return caught
    raise AssertionError


def test_a_type_is_named_with_its_module_unless_it_is_builtin() -> None:
    assert type_name(ValueError()) == "ValueError"
    assert type_name(CardDeclinedError()) == f"{__name__}.CardDeclinedError"


def test_only_the_innermost_frames_are_kept() -> None:
    text = describe(raised(ValueError("deep"), depth=50), frames=3, with_message=True)
    assert text.stacktrace is not None
    assert text.stacktrace.count("in dig") == 3
    assert text.stacktrace.endswith("ValueError: deep\n")


def test_frames_of_the_task_library_around_the_job_are_left_out() -> None:
    library: dict[str, Any] = {"__name__": "celery.app.trace"}
    exec("def call(job):\n    job()", library)  # a function that lives in the library
    try:
        library["call"](lambda: 1 / 0)
    except ZeroDivisionError as error:
        stack = error.__traceback__
        assert stack is not None
        text = describe(error.with_traceback(stack.tb_next), frames=30, with_message=True)
    assert text.stacktrace is not None
    assert "in call" not in text.stacktrace
    assert "in <lambda>" in text.stacktrace


def test_an_exception_without_a_printable_text_is_told_all_the_same() -> None:
    text = describe(raised(UnprintableError()), frames=30, with_message=True)
    assert text.message == f"<{__name__}.UnprintableError without a printable message>"


def test_a_long_message_is_cut() -> None:
    text = describe(ValueError("x" * 100_000), frames=30, with_message=True)
    assert text.message == "x" * 4096
    assert text.stacktrace is not None
    assert len(text.stacktrace) < 33_000


def test_without_messages_the_stack_has_none_either() -> None:
    try:
        try:
            raise KeyError("hunter2")
        except KeyError as cause:
            raise ValueError("hunter3") from cause
    except ValueError as error:
        text = describe(error, frames=30, with_message=False)
    assert "hunter2" not in repr(text.stacktrace).replace('raise KeyError("hunter2")', "")
    assert text.message is None
    assert text.stacktrace is not None
    assert text.stacktrace.endswith("ValueError\n")
