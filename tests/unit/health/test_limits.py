"""Limits: the defaults, what a user writes, and one clear line for what cannot be read."""

from __future__ import annotations

import pytest

from jobspan.errors import UsageError
from jobspan.health.limits import LimitRules, Limits


def test_nothing_said_means_the_defaults() -> None:
    assert LimitRules([""]).limits_for("any") == Limits(waiting=1000, failed=100, oldest_s=600, p95_s=None, workers=1)


def test_a_rule_without_a_queue_is_for_every_queue() -> None:
    rules = LimitRules(["waiting=5000, failed=off, oldest=1.5h, p95=500ms, workers=2"])
    assert rules.limits_for("any") == Limits(waiting=5000, failed=None, oldest_s=5400, p95_s=0.5, workers=2)


def test_the_last_rule_that_matches_holds_for_what_it_names() -> None:
    rules = LimitRules(["waiting=5; bill*: waiting=50, oldest=1m", "billing: workers=off"])
    assert rules.limits_for("billing") == Limits(waiting=50, oldest_s=60, workers=None)
    assert rules.limits_for("other") == Limits(waiting=5)


def test_a_queue_may_have_a_colon_in_its_name() -> None:
    assert LimitRules(["eu:billing: waiting=1"]).limits_for("eu:billing").waiting == 1


@pytest.mark.parametrize(("text", "asked"), [("waiting=1", False), ("pdf: p95=1m", True), ("p95=off", False)])
def test_run_times_are_asked_for_where_some_queue_has_a_limit_on_them(text: str, asked: bool) -> None:
    assert LimitRules([text]).ask_for_run_times is asked


@pytest.mark.parametrize(
    "text", ["waiting", "waitng=3", "waiting=-1", "waiting=1.5", "oldest=soon", "billing:", ": =3"]
)
def test_what_cannot_be_read_is_said_with_what_is_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"no limit that I can read.*expected \[QUEUE:\] waiting=1000"):
        LimitRules([text])
