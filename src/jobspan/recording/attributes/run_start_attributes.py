"""What a run's span says when it begins: its attributes and links, worked out once where runs differ little."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from jobspan import conventions as c
from jobspan.events import RunByPattern, RunStarted
from jobspan.job_options import NESTED, JobOptions
from jobspan.jobs import Job
from jobspan.named_tuple import NamedTuple
from jobspan.recording.attributes import arguments, job_attributes
from jobspan.recording.context import links
from jobspan.recording.context.option_resolver import OptionResolver
from jobspan.recording.context.otel_context import span_in
from jobspan.recording.context.propagation import Incoming
from jobspan.recording.sdk.span_start import SpanStart


class PreparedRun(NamedTuple):
    """The name and the attributes that all run spans of a pattern have."""

    name: str
    attributes: dict[str, Any]


def prepare(example: RunStarted, options: OptionResolver) -> PreparedRun | None:
    """Return what all runs of a pattern have in common; None: each is described by itself."""
    wanted, name = example.options, example.job.name
    is_usual = options.relation(wanted) == NESTED and options.is_traced(wanted, name) and not wanted.args
    if example.eager or example.job.is_redelivered or example.job.scheduled_ns is not None or not is_usual:
        return None
    return PreparedRun(job_attributes.span_name(c.OPERATION_RUN, name), job_attributes.common_to_runs(example))


def of_run(
    event: RunStarted,
    incoming: Incoming,
    job: Job,
    wanted: JobOptions,
    kind: str,
    outside: Context,
    lost: tuple[str, str] | None,
) -> SpanStart:
    """Return what a run's span begins with; ``lost``: trace and span of the one before it that was."""
    attributes = job_attributes.of_run(event, incoming.field, job)
    if wanted.args:
        attributes.update(arguments.attributes_of(event.arguments))
    # An eager run is the child of the span that is current around it.
    ambient = None if event.eager else span_in(outside).get_span_context()
    return _linked(attributes, incoming, kind, ambient, lost)


def of_run_by_pattern(
    common: dict[str, Any], event: RunByPattern, incoming: Incoming, outside: Context, lost: tuple[str, str] | None
) -> SpanStart:
    """Return the same for a run of a pattern; ``common`` is what all of them say."""
    attributes = job_attributes.of_run_by_pattern(common, event, incoming.field)
    return _linked(attributes, incoming, NESTED, span_in(outside).get_span_context(), lost)


def _linked(
    attributes: dict[str, Any],
    incoming: Incoming,
    kind: str,
    ambient: SpanContext | None,
    lost: tuple[str, str] | None,
) -> SpanStart:
    if lost is not None:
        attributes[c.JOBSPAN_JOB_REDELIVERED] = True
    run_links = links.links_of(incoming, kind, ambient, lost)
    return attributes, run_links, attributes.pop(c.JOBSPAN_JOB_WAIT_PREFETCHED, None)
