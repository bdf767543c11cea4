"""Since when a job could run: what its message says, and nothing where it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobspan import conventions as c
from jobspan.brokers.waiting import celery_since_ms, dramatiq_since_ms, oldest_wait_s
from jobspan.recording.context.message_field import MessageField, encode

OURS = {c.FIELD: encode(MessageField(published_ms=5000, scheduled_ms=7000, command_name="n;t=1"))}


def _dramatiq(**options: Any) -> bytes:
    return json.dumps({"message_timestamp": 1000, "options": options}).encode()


@pytest.mark.parametrize(
    ("message", "since_ms"),
    [
        (_dramatiq(), 1000),
        (_dramatiq(retries=1, requeue_timestamp=4000), None),
        (_dramatiq(jobspan_carrier=OURS), 7000),
        (_dramatiq(jobspan_carrier=OURS, retries=1, requeue_timestamp=8000), 8000),
        (_dramatiq(jobspan_carrier={c.FIELD: "2;t=5"}), 1000),
        (b"\x80\x04pickle", None),
        (b"[1]", None),
        (None, None),
    ],
)
def test_a_dramatiq_message_says_when_it_was_put_or_due(message: bytes | None, since_ms: float | None) -> None:
    assert dramatiq_since_ms(message) == since_ms


@pytest.mark.parametrize(
    ("headers", "since_ms"),
    [
        ({}, None),
        (OURS, 7000),
        ({c.FIELD: encode(MessageField(published_ms=5000))}, 5000),
        ({"eta": "1970-01-01T00:00:09+00:00"}, 9000),
        ({"eta": "1970-01-01T00:00:09Z", **OURS}, 9000),
        ({"eta": None}, None),
        ({"eta": "tomorrow"}, None),
        (None, None),
    ],
)
def test_a_celery_message_says_when_jobspan_put_it_or_its_eta(headers: Any, since_ms: float | None) -> None:
    assert celery_since_ms(json.dumps({"body": "", "headers": headers}).encode()) == since_ms


def test_the_oldest_wait_is_of_jobs_whose_time_has_come() -> None:
    assert oldest_wait_s([9000, None, 4000, 70_000], now_ms=10_000) == 6
    assert oldest_wait_s([None, 70_000], now_ms=10_000) is None
