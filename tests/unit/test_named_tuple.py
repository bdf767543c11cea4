"""Our named tuples are what ``typing`` would have made of the same classes."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple, get_type_hints

import pytest

from jobspan import named_tuple
from unit.recording.builders import REDIS


def job_of(base: Any) -> Any:
    """Return a class of this base."""

    class Job(base):  # type: ignore[misc]  # either of two
        """A job."""

        name: str
        attempt: int = 1
        queue: str | None = None

        @property
        def label(self) -> str:
            return f"{self.name} #{self.attempt}"

        def again(self) -> Any:
            return self._replace(attempt=self.attempt + 1)

    return Job


Ours, Typings = job_of(named_tuple.NamedTuple), job_of(NamedTuple)


@pytest.mark.parametrize(
    "seen", [tuple, repr, dir, lambda job: job.label, lambda job: job.again(), lambda job: job._asdict()]
)
def test_one_is_what_typings_is(seen: Any) -> None:
    ours, typings = (seen(each("mail", queue="slow")) for each in (Ours, Typings))
    added = {"_field_types", "__orig_bases__"}
    if isinstance(ours, list):
        assert set(ours) - added == set(typings) - added
    else:
        assert str(ours) == str(typings)


@pytest.mark.parametrize(
    "name", ["_fields", "_field_defaults", "__doc__", "__module__", "__bases__", "__match_args__", "__slots__"]
)
def test_a_class_says_of_itself_what_typings_says(name: str) -> None:
    assert getattr(Ours, name) == getattr(Typings, name)


def test_annotations_are_what_is_written() -> None:
    assert get_type_hints(Ours)["attempt"] is int
    assert list(Ours.__annotations__) == list(Typings.__annotations__)


def test_one_goes_through_pickle() -> None:
    assert pickle.loads(pickle.dumps(REDIS)) == REDIS  # noqa: S301 - our own


def test_one_without_fields_is_an_empty_tuple() -> None:
    class Nothing(named_tuple.NamedTuple):
        """Says it by its kind."""

    assert Nothing() == ()


def test_what_is_missing_or_too_much_is_said() -> None:
    with pytest.raises(TypeError, match="name"):
        Ours()
    with pytest.raises(TypeError, match="priority"):
        Ours("mail", priority=1)
