"""Settings: keyword before environment before default, and one clear line for what cannot be read."""

from __future__ import annotations

import logging

import pytest

from jobspan.settings import Settings, load


def test_nothing_said_means_the_defaults() -> None:
    assert load({}, {}) == Settings()


def test_the_environment_is_read() -> None:
    environ = {
        "OTEL_PYTHON_JOBSPAN_RELATION": "link",
        "OTEL_PYTHON_JOBSPAN_RETRY_STATUS": "UNSET",
        "OTEL_PYTHON_JOBSPAN_STACK_FRAMES": " 5 ",
        "OTEL_PYTHON_JOBSPAN_EXCEPTION_MESSAGE": "off",
        "OTEL_PYTHON_JOBSPAN_STARTED_EVENTS": "true",
        "OTEL_PYTHON_JOBSPAN_EXCLUDED_COMMANDS": "mytool shell, *serve ,",
        "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "logs/dup",
    }
    assert load({}, environ) == Settings(
        relation="link",
        retry_status="unset",
        stack_frames=5,
        exception_message=False,
        started_events=True,
        excluded_commands=("mytool shell", "*serve"),
        exception_signal="logs/dup",
    )


def test_a_keyword_comes_before_the_environment() -> None:
    given = {"relation": "none", "started_events": False, "excluded_commands": ["a", "b"]}
    found = load(given, {"OTEL_PYTHON_JOBSPAN_RELATION": "link", "OTEL_PYTHON_JOBSPAN_STARTED_EVENTS": "1"})
    assert found == Settings(relation="none", started_events=False, excluded_commands=("a", "b"))


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("OTEL_PYTHON_JOBSPAN_RELATION", "sibling", "expected one of child+link, link, none; using child+link"),
        ("OTEL_PYTHON_JOBSPAN_STACK_FRAMES", "-3", "expected a whole number from 0; using 30"),
        ("OTEL_PYTHON_JOBSPAN_STARTED_EVENTS", "maybe", "expected true or false; using false"),
        ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "spans", "expected one of unset, logs, logs/dup; using unset"),
    ],
)
def test_an_unknown_value_is_one_line_and_the_default(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    monkeypatch.setattr("jobspan.settings._said", set())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert load({}, {variable: value}) == Settings()
    assert [record.getMessage() for record in caplog.records] == [f"{variable}={value} is not understood: {line}"]
