"""Which programs are no commands: a worker, a server or a shell runs for long, and its work is not one piece."""

from __future__ import annotations

from fnmatch import fnmatchcase

from jobspan.frameworks import TASK_LIBRARIES

_LONG_RUNNING = (
    "flower",
    "flower *",
    "flask run*",
    "flask shell*",
    "*uvicorn*",
    "*gunicorn*",
    "*hypercorn*",
    "*daphne*",
    "*granian*",
    "*uwsgi*",
    "*mod_wsgi*",
    "waitress-serve*",
    "jobspan",
    "jobspan *",
    "jobspan.*",
    "opentelemetry-*",
    "pytest",
    "pytest *",
    "py.test",
    "py.test *",
    "ipython",
    "ipython *",
    "ipython3*",
    "IPython",
    "bpython*",
    "ptpython*",
    "asyncio",
    "jupyter",
    "jupyter *",
    "jupyter-*",
    "ipykernel*",
    "* shell",
    "* shell_plus",
    "* dbshell",
    "* runserver*",
    "* testserver",
    "* rungunicorn",
    "* runworker",
    "* qcluster",
)
_LIBRARIES = tuple(name for library in TASK_LIBRARIES.values() for name in library.long_running)
_COMMANDS_ALL_THE_SAME = tuple(name for library in TASK_LIBRARIES.values() for name in library.commands)


def is_excluded(path: str, excluded: tuple[str, ...] = ()) -> bool:
    """Say whether the command of this path gets no span; ``excluded`` is the user's list, with ``*``."""
    bare = path.removeprefix("python -m ")
    if _matches(path, excluded) or _matches(bare, excluded):
        return True
    return _matches(bare, _LIBRARIES + _LONG_RUNNING) and not _matches(bare, _COMMANDS_ALL_THE_SAME)


def is_excluded_program(name: str, excluded: tuple[str, ...] = ()) -> bool:
    """Say whether a program gets no span whatever it is asked to do."""
    return is_excluded(name, excluded) or is_excluded(f"{name} ", excluded)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(_is_like(path, pattern) for pattern in patterns)


def _is_like(path: str, pattern: str) -> bool:
    """Match a name with ``*``: at the start of each program a hundred times, and a regular expression takes longer."""
    first, *rest = pattern.split("*")
    if "?" in pattern or "[" in pattern:
        return fnmatchcase(path, pattern)
    if not rest:
        return path == pattern
    *middle, last = rest
    at = len(first)
    if not path.startswith(first) or not path.endswith(last) or len(path) < at + len(last):
        return False
    for part in middle:
        found = path.find(part, at, len(path) - len(last))
        if found < 0:
            return False
        at = found + len(part)
    return True
