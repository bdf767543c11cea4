"""Our own text on the message: written by the publish, read by the run.

Shape: ``1;t=1700000000000;c=00f067aa0ba902b7;n=import-users``: a version, then ``key=value`` parts.

    t  publish time, Unix ms          e  due time, Unix ms, of a scheduled job
    c  command id                     n  command name, percent-encoded
    p  id of the publishing job       a  trace and span id of the previous attempt, ``trace-span``
    d  depth: runs above it           s  start of the trace, Unix ms
    x  1: the run begins a trace      q  queue, where it is not the routing key
    b  scheduler that published it          j  name of the schedule's entry
    m  members it waits for, ``trace-span.span.…``, at most 100
    w  id of the workflow             g  id of the group
    o  how many members are not among them
    u  what the caller chose: ``t0`` (no spans), ``m0`` (no memory), ``a1`` (arguments), with ``.`` between
    r  relation that the caller chose

Unknown parts are ignored, so that old workers understand new producers. Anything else is unreadable.
What does not fit into 4 kB is left out, the last parts first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote

from jobspan.job_options import NOTHING as NOT_CHOSEN
from jobspan.job_options import RELATIONS, JobOptions
from jobspan.named_tuple import NamedTuple

MOST_MEMBERS = 100

_VERSION = "1"
_LONGEST = 4096
_NAME_LIMIT = 256
_SPAN_ID_LENGTH = 16
_MOST_DIGITS = 15
_COMMAND = re.compile(r"[0-9a-f]{16}")
_NO_NAMES = (None,) * 6
_SWITCHES = {"t": "trace", "m": "memory", "a": "args"}
_SIMPLE_TEXT = re.compile(
    r"1;t=([0-9]{1,15});d=([0-9]{1,15});s=([0-9]{1,15})(?:;c=([0-9a-f]{16});n=([^;]*))?(?:;p=([^;]*))?"
)
_SPAN = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_MEMBERS = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16}(?:\.[0-9a-f]{16}){0,99})")


class Members(NamedTuple):
    """The spans of the jobs that a job waits for, all of one trace, and how many more there are."""

    trace_id: str
    span_ids: tuple[str, ...]
    omitted: int = 0


class MessageField(NamedTuple):
    """What a publish passes to its run; None: not given."""

    published_ms: int | None = None
    depth: int | None = None
    trace_started_ms: int | None = None
    command_id: str | None = None
    command_name: str | None = None
    parent_job_id: str | None = None
    scheduled_ms: int | None = None
    previous_attempt: tuple[str, str] | None = None
    begins_trace: bool = False
    queue: str | None = None
    scheduled_by: str | None = None
    schedule_name: str | None = None
    members: Members | None = None
    workflow_id: str | None = None
    group_id: str | None = None
    options: JobOptions = NOT_CHOSEN


NOTHING = MessageField()
_SIMPLE = MessageField._fields.index("scheduled_ms")
_NOT_SIMPLE = NOTHING[_SIMPLE:]


def is_simple(field: MessageField) -> bool:
    """Say whether a field holds times and causes alone, and nothing that decides how or where a run is recorded."""
    return field[_SIMPLE:] == _NOT_SIMPLE


def encode(field: MessageField) -> str:
    """Write the field as text, at most 4 kB."""
    parts = _parts(field)
    text = ";".join(parts)
    if len(text) > _LONGEST:
        text = _fitting(parts[1:])
    return text if field.members is None else text + _members_text(field.members, _LONGEST - len(text))


def simple(
    published_ns: int,
    depth: int,
    trace_started_ns: int,
    queue: str | None = None,
    command_id: str | None = None,
    command_name: str | None = None,
    parent_job_id: str | None = None,
) -> str:
    """Write the field of a publish that has no more to say, as ``encode`` does."""
    text = f"{_VERSION};t={published_ns // 1_000_000};d={depth};s={trace_started_ns // 1_000_000}"
    if command_id is not None:
        text += f";c={command_id};n={_quoted(command_name or '')}"
    if parent_job_id is not None:
        text += f";p={_quoted(parent_job_id)}"
    if queue is not None:
        text += f";q={_quoted(queue)}"
    if len(text) <= _LONGEST:
        return text
    return encode(
        MessageField(
            published_ns // 1_000_000,
            depth,
            trace_started_ns // 1_000_000,
            command_id,
            command_name,
            parent_job_id,
            queue=queue,
        )
    )


def decides(text: object) -> bool:
    """Say whether a field decides how its run is recorded or where; so does another's: it is counted."""
    if text is None:
        return False
    if isinstance(text, str) and len(text) <= _LONGEST and "%" not in text and _SIMPLE_TEXT.fullmatch(text):
        return False
    found = decode(text)
    return found is None or found.begins_trace or found.options is not NOT_CHOSEN


def decode(text: object) -> MessageField | None:
    """Read the field; None when it is not jobspan's or of a version that is not known."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    simple = _SIMPLE_TEXT.fullmatch(text)
    if simple is not None:
        published, depth, began, command_id, command_name, parent = simple.groups()
        if command_id is None and parent is None:
            return MessageField(int(published), int(depth), int(began))
        return _read_simple(published, depth, began, command_id, command_name, parent)
    return _read(text)


def _read(text: str) -> MessageField | None:
    version, *pairs = text.split(";")
    if version != _VERSION:
        return None
    found: dict[str, Any] = {}
    others: dict[str, str] = {}
    try:
        for pair in pairs:
            key, is_part, text = pair.partition("=")
            if key in _READERS:
                if is_part:
                    found[_NAMES[key]] = _READERS[key](text)
            else:
                others[key] = text
        if "m" in others:
            found["members"] = _members(others["m"], others.get("o"))
        if "u" in others or "r" in others:
            found["options"] = _chosen(others)
    except ValueError:
        return None
    return MessageField(**found)


def _read_simple(
    published: str, depth: str, began: str, command_id: str | None, command_name: str | None, parent: str | None
) -> MessageField | None:
    try:
        command_name = None if command_name is None else _name(command_name)
        parent = None if parent is None else _name(parent)
    except ValueError:
        return None
    return MessageField(int(published), int(depth), int(began), command_id, command_name, parent)


def _parts(field: MessageField) -> list[str]:
    parts = _time_parts(field)
    if field.options is not NOT_CHOSEN:
        parts.extend(_chosen_parts(field.options))
    if field.command_id is not None:
        parts.append(f"c={field.command_id};n={_quoted(field.command_name or '')}")
    if field.previous_attempt is not None:
        parts.append("a={}-{}".format(*field.previous_attempt))
    # fmt: off
    names = (
        field.parent_job_id, field.workflow_id, field.group_id, field.queue, field.scheduled_by, field.schedule_name,
    )
    # fmt: on
    if names != _NO_NAMES:
        parts.extend(f"{key}={_quoted(name)}" for key, name in zip("pwgqbj", names, strict=True) if name is not None)
    return parts


def _time_parts(field: MessageField) -> list[str]:
    parts = [_VERSION]
    if field.published_ms is not None:
        parts.append(f"t={field.published_ms}")
    if field.scheduled_ms is not None:
        parts.append(f"e={field.scheduled_ms}")
    if field.depth is not None:
        parts.append(f"d={field.depth}")
    if field.trace_started_ms is not None:
        parts.append(f"s={field.trace_started_ms}")
    if field.begins_trace:
        parts.append("x=1")
    return parts


def _fitting(parts: Iterable[str]) -> str:
    """Write those parts that there is room for."""
    text = _VERSION
    for part in parts:
        if len(text) + 1 + len(part) <= _LONGEST:
            text += ";" + part
    return text


def _members_text(members: Members, room: int) -> str:
    """Write as many members as there is room for; the others are counted."""
    fixed = len(";m=") + len(members.trace_id) + len(";o=") + len(str(members.omitted + len(members.span_ids)))
    fitting = min(MOST_MEMBERS, max(0, (room - fixed) // (_SPAN_ID_LENGTH + 1)))
    kept = members.span_ids[:fitting]
    if not kept:
        return ""
    omitted = members.omitted + len(members.span_ids) - len(kept)
    return f";m={members.trace_id}-{'.'.join(kept)}" + (f";o={omitted}" if omitted else "")


def _chosen_parts(options: JobOptions) -> Iterator[str]:
    if options == NOT_CHOSEN:
        return
    values = options._asdict()
    switches = [f"{mark}{int(values[name])}" for mark, name in _SWITCHES.items() if values[name] is not None]
    if switches:
        yield "u=" + ".".join(switches)
    if options.relation:
        yield f"r={options.relation}"


def _chosen(parts: dict[str, str]) -> JobOptions:
    switches = {item[:1]: item[1:] == "1" for item in parts.get("u", "").split(".") if item[1:] in ("0", "1")}
    relation = parts.get("r")
    return JobOptions(
        **{name: switches[mark] for mark, name in _SWITCHES.items() if mark in switches},
        relation=relation if relation in RELATIONS else None,
    )


def _quoted(text: str) -> str:
    return quote(text[:_NAME_LIMIT], safe=" /:.,_-")


def _name(text: str) -> str:
    return unquote(text, errors="strict")


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise ValueError(text)
    return int(text)


def _command(text: str) -> str:
    if not _COMMAND.fullmatch(text):
        raise ValueError(text)
    return text


def _span(text: str) -> tuple[str, str]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found[1], found[2]


def _members(text: str, omitted: str | None) -> Members:
    found = _MEMBERS.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return Members(found[1], tuple(found[2].split(".")), 0 if omitted is None else _number(omitted))


_NAMES = {
    "t": "published_ms",
    "e": "scheduled_ms",
    "c": "command_id",
    "n": "command_name",
    "p": "parent_job_id",
    "a": "previous_attempt",
    "d": "depth",
    "s": "trace_started_ms",
    "x": "begins_trace",
    "q": "queue",
    "b": "scheduled_by",
    "j": "schedule_name",
    "w": "workflow_id",
    "g": "group_id",
}
_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys("npqbjwg", _name),
    **dict.fromkeys("teds", _number),
    "c": _command,
    "a": _span,
    "x": lambda text: text == "1",
}
