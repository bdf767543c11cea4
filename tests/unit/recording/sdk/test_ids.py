"""Ids: never twice, whatever user code does to ``random``; the user's own tracers keep theirs."""

from __future__ import annotations

import os
import random
import threading
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from jobspan import conventions as c
from jobspan.recording.sdk.ids import OwnIds, give_to, unsampled_span
from jobspan.recording.telemetry.instruments import Instruments
from jobspan.settings import Settings


class Counting(RandomIdGenerator):
    """A generator of the user's own."""


class Numbered(IdGenerator):
    """A generator of the user's own whose ids are not random."""

    def generate_span_id(self) -> int:
        return 1

    def generate_trace_id(self) -> int:
        return 1


def started(provider: Any) -> trace.SpanContext:
    """Start a span through our instruments and return its context."""
    return Instruments(Settings(), "0", tracer_provider=provider).tracer.start_span("x").get_span_context()


def test_a_seed_does_not_make_ids_come_again() -> None:
    provider = TracerProvider()
    seen = set()
    for _ in range(600):
        random.seed(42)
        context = started(provider)
        seen |= {context.span_id, context.trace_id}
    assert len(seen) == 1200
    assert 0 not in seen


def test_the_users_own_tracers_and_the_state_of_random_are_untouched() -> None:
    provider = TracerProvider()
    random.seed(42)
    expected = random.getrandbits(64)
    random.seed(42)
    started(provider)
    assert random.getrandbits(64) == expected
    assert type(provider.id_generator) is RandomIdGenerator
    other: Any = provider.get_tracer("shop")
    assert type(other.id_generator) is RandomIdGenerator


def test_a_generator_that_the_user_set_is_left_alone() -> None:
    provider = TracerProvider(id_generator=Counting())
    tracer: Any = Instruments(Settings(), "0", tracer_provider=provider).tracer
    assert type(tracer.id_generator) is Counting


@pytest.mark.parametrize("generator", [None, Counting(), Numbered()], ids=["ours", "the user's", "not random"])
def test_an_unsampled_span_made_without_the_sampler_has_the_flags_of_the_sdks(generator: IdGenerator | None) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, id_generator=generator, shutdown_on_exit=False)
    tracer = Instruments(Settings(), "0", tracer_provider=provider).tracer
    theirs, made = (span.get_span_context() for span in (tracer.start_span("x"), unsampled_span(tracer)))
    assert (made.trace_flags, made.trace_state, made.is_remote) == (
        theirs.trace_flags,
        theirs.trace_state,
        theirs.is_remote,
    )


def test_a_tracer_without_a_provider_is_asked_again_later() -> None:
    proxy: Any = trace.ProxyTracer(c.SCOPE)
    assert not give_to(proxy)
    proxy._real_tracer = TracerProvider().get_tracer(c.SCOPE)
    assert give_to(proxy)
    assert type(proxy._real_tracer.id_generator) is OwnIds
    assert give_to(trace.NoOpTracer())


def test_threads_share_a_generator_without_sharing_an_id() -> None:
    ids, seen = OwnIds(), []
    threads = [
        threading.Thread(target=lambda: seen.extend([ids.generate_span_id() for _ in range(5000)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 20_000


def test_a_child_process_uses_none_of_its_parents_ids() -> None:
    from jobspan.recording.sdk.ids import OWN_IDS

    OWN_IDS.generate_span_id()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, b"".join(OWN_IDS.generate_span_id().to_bytes(8, "big") for _ in range(255)))
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    theirs = {said[at : at + 8] for at in range(0, len(said), 8)}
    ours = {OWN_IDS.generate_span_id().to_bytes(8, "big") for _ in range(255)}
    assert len(theirs) == 255
    assert not theirs & ours
