"""Every setting: its name, values, default and meaning; and how an environment variable is read.

The module is also an ``opentelemetry_environment_variables`` entry point: its ``OTEL_*`` names become flags of
``opentelemetry-instrument``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from jobspan.job_options import NESTED, RELATIONS

_logger = logging.getLogger("jobspan.settings")

OTEL_PYTHON_JOBSPAN_RELATION = "OTEL_PYTHON_JOBSPAN_RELATION"
OTEL_PYTHON_JOBSPAN_RETRY_STATUS = "OTEL_PYTHON_JOBSPAN_RETRY_STATUS"
OTEL_PYTHON_JOBSPAN_STACK_FRAMES = "OTEL_PYTHON_JOBSPAN_STACK_FRAMES"
OTEL_PYTHON_JOBSPAN_EXCEPTION_MESSAGE = "OTEL_PYTHON_JOBSPAN_EXCEPTION_MESSAGE"
OTEL_PYTHON_JOBSPAN_STARTED_EVENTS = "OTEL_PYTHON_JOBSPAN_STARTED_EVENTS"
OTEL_PYTHON_JOBSPAN_EXCLUDED_COMMANDS = "OTEL_PYTHON_JOBSPAN_EXCLUDED_COMMANDS"
OTEL_PYTHON_JOBSPAN_COMMAND_ARGS = "OTEL_PYTHON_JOBSPAN_COMMAND_ARGS"
OTEL_PYTHON_JOBSPAN_TRACE_JOB_LIMIT = "OTEL_PYTHON_JOBSPAN_TRACE_JOB_LIMIT"
OTEL_PYTHON_JOBSPAN_EXCLUDED_JOBS = "OTEL_PYTHON_JOBSPAN_EXCLUDED_JOBS"
OTEL_PYTHON_JOBSPAN_COEXIST = "OTEL_PYTHON_JOBSPAN_COEXIST"
OTEL_PYTHON_JOBSPAN_STATE_DIR = "OTEL_PYTHON_JOBSPAN_STATE_DIR"
OTEL_PYTHON_JOBSPAN_MEMORY = "OTEL_PYTHON_JOBSPAN_MEMORY"
OTEL_PYTHON_JOBSPAN_CANARY = "OTEL_PYTHON_JOBSPAN_CANARY"
OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"

JOBSPAN_STORE = "JOBSPAN_STORE"
JOBSPAN_BACKEND = "JOBSPAN_BACKEND"
JOBSPAN_BACKEND_HEADERS = "JOBSPAN_BACKEND_HEADERS"
JOBSPAN_KEEP = "JOBSPAN_KEEP"
JOBSPAN_MAX_SIZE = "JOBSPAN_MAX_SIZE"
JOBSPAN_BROKER = "JOBSPAN_BROKER"
JOBSPAN_MANAGEMENT = "JOBSPAN_MANAGEMENT"
JOBSPAN_LIMITS = "JOBSPAN_LIMITS"

_said: set[str] = set()
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")


class Unreadable(ValueError):
    """The text is no value of the setting; str() says what is allowed."""


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise Unreadable("one of " + ", ".join(choice or "unset" for choice in choices))
        return text.lower()

    return parse


def _switch(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise Unreadable("true or false")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Unreadable("a whole number from 0")
    return int(text)


def _folder(text: str) -> str:
    return "off" if text.lower() == "off" else text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def a_setting(env: str, parse: Callable[[str], Any], default: Any, values: str, meaning: str) -> Any:
    """Return the field of a setting: how its variable is read, and what is said of it in the documentation."""
    return field(default=default, metadata={"env": env, "parse": parse, "values": values, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Settings:
    """How the instrumentation behaves: each field is a variable and a keyword argument of ``instrument()``."""

    relation: str = a_setting(
        OTEL_PYTHON_JOBSPAN_RELATION,
        _one_of(*RELATIONS),
        NESTED,
        "`child+link`, `link`, `none`",
        "how a run span relates to its publish span: child of it and linked, own trace and linked, or neither",
    )
    retry_status: str = a_setting(
        OTEL_PYTHON_JOBSPAN_RETRY_STATUS,
        _one_of("error", "unset"),
        "error",
        "`error`, `unset`",
        "span status of a run that an exception ended and another attempt follows",
    )
    stack_frames: int = a_setting(
        OTEL_PYTHON_JOBSPAN_STACK_FRAMES,
        _count,
        30,
        "whole number",
        "innermost frames kept of an exception's stack; 0 for none",
    )
    exception_message: bool = a_setting(
        OTEL_PYTHON_JOBSPAN_EXCEPTION_MESSAGE,
        _switch,
        True,
        "`true`, `false`",
        "whether exception messages are recorded (redacted by pattern when they are)",
    )
    started_events: bool = a_setting(
        OTEL_PYTHON_JOBSPAN_STARTED_EVENTS,
        _switch,
        False,
        "`true`, `false`",
        "a log event when a run or a command starts, so that long work is seen before it ends",
    )
    excluded_commands: tuple[str, ...] = a_setting(
        OTEL_PYTHON_JOBSPAN_EXCLUDED_COMMANDS,
        _names,
        (),
        "command paths with `*`, comma-separated",
        "commands that get no span, besides the long-running programs that jobspan knows",
    )
    command_args: bool = a_setting(
        OTEL_PYTHON_JOBSPAN_COMMAND_ARGS,
        _switch,
        False,
        "`true`, `false`",
        "whether the arguments of commands are recorded: without what looks like a secret, by name or by pattern",
    )
    trace_job_limit: int = a_setting(
        OTEL_PYTHON_JOBSPAN_TRACE_JOB_LIMIT,
        _count,
        1000,
        "whole number",
        "publishes of one trace in one process that get spans of their own; further ones are summarised in batch "
        "spans and their runs begin linked traces; 0 for no limit",
    )
    excluded_jobs: tuple[str, ...] = a_setting(
        OTEL_PYTHON_JOBSPAN_EXCLUDED_JOBS,
        _names,
        (),
        "job names with `*`, comma-separated",
        "jobs that get no spans; context and command still travel through them",
    )
    coexist: bool = a_setting(
        OTEL_PYTHON_JOBSPAN_COEXIST,
        _switch,
        False,
        "`true`, `false`",
        "leave OpenTelemetry's own Celery and Click instrumentations on beside jobspan's: their spans come twice",
    )
    state_dir: str = a_setting(
        OTEL_PYTHON_JOBSPAN_STATE_DIR,
        _folder,
        "",
        "path, `off`",
        "folder of the flight records, from which the runs of killed processes are recovered; where not "
        "set a private one "
        "in shared memory; a volume keeps them when a whole container is killed; `off` for none",
    )
    memory: str = a_setting(
        OTEL_PYTHON_JOBSPAN_MEMORY,
        _one_of("exact", "sampled", "off"),
        "exact",
        "`exact`, `sampled`, `off`",
        "a run's memory: its true peak where it is alone in its process, for which the kernel's high-water mark is "
        "reset (`ru_maxrss` shows that), from readings only, or not at all",
    )
    canary: bool = a_setting(
        OTEL_PYTHON_JOBSPAN_CANARY,
        _switch,
        False,
        "`true`, `false`",
        "workers also know the job `jobspan.canary`, which does nothing: `jobspan doctor --canary` publishes one",
    )
    exception_signal: str = a_setting(
        OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN,
        _one_of("", "logs", "logs/dup"),
        "",
        "unset, `logs`, `logs/dup`",
        "exceptions as span events, as log events, or both",
    )


def load(given: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the instrumentation's settings: keyword arguments first, then the environment, then the defaults.

    A value that cannot be read is one log line naming the setting, the value and what is allowed; the default holds.
    """
    return Settings(**values_of(Settings, given or {}, environ))


def values_of(
    cls: type, given: Mapping[str, Any], environ: Mapping[str, str], say: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return what is set of a class of settings; ``say`` is called for each value that is not understood."""
    say = say or _say_once
    values = {}
    for setting in fields(cls):
        env, parse = setting.metadata["env"], setting.metadata["parse"]
        raw = given.get(setting.name)
        name = setting.name if raw is not None else env
        text = _text(raw) if raw is not None else environ.get(env, "").strip()
        if not text:
            continue
        try:
            values[setting.name] = parse(text)
        except Unreadable as allowed:
            say(f"{name}={text} is not understood: expected {allowed}; using {_as_written(setting.default)}")
    return values


def _say_once(line: str) -> None:
    # Several instrumentors read the same environment.
    if line not in _said:
        _said.add(line)
        _logger.warning("%s", line)


def _as_written(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default) or "unset"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(map(str, value))
    return str(value).strip()
