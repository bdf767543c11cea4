"""Which commands are long-running programs: a worker or a server is no command, its work is not one piece."""

from __future__ import annotations

from fnmatch import fnmatchcase

_LONG_RUNNING = (
    "celery *",
    "dramatiq*",
    "flask run*",
    "flask shell*",
    "*uvicorn*",
    "*gunicorn*",
    "*hypercorn*",
    "*daphne*",
    "jobspan*",
    "opentelemetry-instrument*",
    "pytest*",
)
_COMMANDS_ALL_THE_SAME = ("celery call", "celery call *")


def is_excluded(path: str, excluded: tuple[str, ...] = ()) -> bool:
    """Say whether the command of this path gets no span; ``excluded`` is the user's list, with ``*``."""
    path = path.removeprefix("python -m ")
    if _matches(path, excluded):
        return True
    return _matches(path, _LONG_RUNNING) and not _matches(path, _COMMANDS_ALL_THE_SAME)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
