"""Which programs are no commands: a worker, a server or a shell runs for long, and its work is not one piece."""

from __future__ import annotations

from fnmatch import fnmatchcase

_LONG_RUNNING = (
    "celery *",
    "dramatiq*",
    "flower*",
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
    "pytest*",
    "py.test*",
    "ipython*",
    "jupyter*",
    "ipykernel*",
    "* shell",
    "* shell_plus",
    "* dbshell",
    "* runserver*",
    "* testserver",
    "* rundramatiq*",
    "* rungunicorn",
    "* runworker",
    "* qcluster",
    "manage.py test",
    "django-admin test",
    "django test",
)
_COMMANDS_ALL_THE_SAME = ("celery call", "celery call *")


def is_excluded(path: str, excluded: tuple[str, ...] = ()) -> bool:
    """Say whether the command of this path gets no span; ``excluded`` is the user's list, with ``*``."""
    bare = path.removeprefix("python -m ")
    if _matches(path, excluded) or _matches(bare, excluded):
        return True
    return _matches(bare, _LONG_RUNNING) and not _matches(bare, _COMMANDS_ALL_THE_SAME)


def is_excluded_program(name: str, excluded: tuple[str, ...] = ()) -> bool:
    """Say whether a program gets no span whatever it is asked to do."""
    return is_excluded(name, excluded) or is_excluded(f"{name} ", excluded)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
