"""A span that the SDK drops without a look at it is not described; every other is, before its sampler is asked."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    get_tracer,
    set_span_in_context,
)

from jobspan import conventions as c
from jobspan.recording import Recorder
from jobspan.recording.sdk.sampling import DropPrediction
from jobspan.settings import Settings
from jobspan.testing import a_publish, a_run
from unit.recording.samplers import Watching


def parent(*, sampled: bool, is_remote: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(1, 2, is_remote, flags)), Context())


def parent_in(context: Context) -> SpanContext:
    return get_current_span(context).get_span_context()


CONTEXTS = {
    "root": Context(),
    "sampled": parent(sampled=True, is_remote=True),
    "unsampled, remote": parent(sampled=False, is_remote=True),
    "unsampled, local": parent(sampled=False, is_remote=False),
}
UNSAMPLED = ["unsampled, remote", "unsampled, local"]


@pytest.mark.parametrize(
    ("sampler", "unseen"),
    [
        (ALWAYS_ON, []),
        (ALWAYS_OFF, list(CONTEXTS)),
        (DEFAULT_ON, UNSAMPLED),
        (DEFAULT_OFF, ["root", *UNSAMPLED]),
        (TraceIdRatioBased(0.0), []),
        (ParentBased(TraceIdRatioBased(0.5)), UNSAMPLED),
        (ParentBasedTraceIdRatio(0.5), UNSAMPLED),
        (ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON), ["unsampled, local"]),
        (Watching(), []),
        (ParentBased(Watching(), local_parent_not_sampled=Watching()), ["unsampled, remote"]),
    ],
    ids=lambda value: value.get_description() if isinstance(value, Sampler) else "",
)
def test_only_what_no_sampler_looks_at_is_dropped_unseen(sampler: Sampler, unseen: list[str]) -> None:
    tracer = TracerProvider(sampler=sampler).get_tracer("test")
    asked = DropPrediction()
    assert [name for name, context in CONTEXTS.items() if asked.is_dropped(tracer, parent_in(context))] == unseen
    assert not any(tracer.start_span("one", context=CONTEXTS[name]).is_recording() for name in unseen)


def test_without_the_sdk_nothing_is_known() -> None:
    assert not DropPrediction().is_dropped(get_tracer("test"), INVALID_SPAN_CONTEXT)


def test_a_sampler_that_looks_is_told_attributes_and_links() -> None:
    sampler = Watching()
    tell = Recorder(Settings(state_dir="off"), tracer_provider=TracerProvider(sampler=sampler))
    carrier: dict[str, Any] = {}
    for event in (*a_publish(carrier=carrier), *a_run(carrier=carrier)):
        tell(event)
    assert [(name.partition(" ")[0], links) for name, _, links in sampler.seen] == [("publish", 0), ("run", 1)]
    for _, attributes, _ in sampler.seen:
        assert {c.JOBSPAN_JOB_NAME, c.MESSAGING_MESSAGE_ID, c.JOBSPAN_JOB_ATTEMPT} <= set(attributes)
