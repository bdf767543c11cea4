"""Which programs are no commands."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobspan.instrumentors.commands.exclusions import _is_like, is_excluded, is_excluded_program


@given(st.text("ab *", max_size=8), st.text("ab ", max_size=8))
def test_a_pattern_matches_as_in_a_shell(pattern: str, path: str) -> None:
    assert _is_like(path, pattern) == fnmatchcase(path, pattern)


@pytest.mark.parametrize(
    ("path", "is_none"),
    [
        ("celery worker", True),
        ("celery call", False),
        ("python -m celery beat", True),
        ("flask run", True),
        ("flask users import", False),
        ("manage.py runserver", True),
        ("manage.py import_users", False),
        ("mytool test", False),
        ("uvicorn", True),
        ("jobspan serve", True),
        ("jobspanner", False),
    ],
)
def test_a_command_line_is_long_running_or_not(path: str, is_none: bool) -> None:
    assert is_excluded(path) is is_none


@pytest.mark.parametrize(
    ("name", "is_none"),
    [
        ("celery", True),
        ("dramatiq", True),
        ("pytest", True),
        ("manage.py", False),
        ("flask", False),
        ("sync.py", False),
    ],
)
def test_a_program_is_long_running_whatever_it_is_asked(name: str, is_none: bool) -> None:
    assert is_excluded_program(name) is is_none
    assert is_excluded_program(f"python -m {name}") is is_none


def test_the_users_own_list_counts_too() -> None:
    assert is_excluded("mytool users import", ("mytool users *",))
    assert is_excluded_program("sync.py", ("sync*",))
