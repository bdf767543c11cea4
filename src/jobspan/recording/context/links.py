"""How a run span relates to its publish span, to the attempt before it and to others: parent and links."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, SpanContext, TraceFlags, set_span_in_context

from jobspan import conventions as c
from jobspan.job_options import NESTED
from jobspan.recording.context.message_field import Members
from jobspan.recording.context.propagation import Incoming


def is_nested(incoming: Incoming, relation: str) -> bool:
    """Say whether a run is in its publish's trace: as configured, unless the trace was cut over."""
    return relation == NESTED and incoming.publisher.is_valid and not incoming.field.begins_trace


def parent_of(incoming: Incoming, relation: str, *, eager: bool = False) -> Context:
    """Return the context that a run span starts in: its publish span's, or none."""
    if eager or is_nested(incoming, relation) or not incoming.publisher.is_valid:
        return incoming.context
    return set_span_in_context(INVALID_SPAN, incoming.context)


def links_of(
    incoming: Incoming,
    relation: str,
    ambient: SpanContext | None = None,
    lost: tuple[str, str] | None = None,
) -> list[Link]:
    """Return a run span's links: its publish, the previous attempt of a retry, those that it waited for.

    Args:
        incoming: what its message brought.
        relation: as configured.
        ambient: the span that was current where the run began, and that has nothing to do with its message.
        lost: trace and span id of the run that was lost before the job was delivered again.
    """
    links: list[Link] = []
    if relation == "none":
        return links
    if incoming.publisher.is_remote:
        links.append(Link(incoming.publisher, {c.JOBSPAN_LINK_TYPE: c.LINK_PUBLISH}))
    if incoming.field.previous_attempt is not None:
        links.append(_link(c.LINK_PREVIOUS_ATTEMPT, *incoming.field.previous_attempt))
    if lost is not None:
        links.append(lost_link(*lost))
    if ambient is not None and ambient.is_valid and ambient.span_id != incoming.publisher.span_id:
        links.append(Link(ambient, {c.JOBSPAN_LINK_TYPE: c.LINK_AMBIENT}))
    links.extend(member_links(incoming.field.members))
    return links


def member_links(members: Members | None) -> list[Link]:
    """Return links to the jobs that a job has waited for: to their publish spans."""
    if members is None:
        return []
    return [_link(c.LINK_MEMBER, members.trace_id, span_id) for span_id in members.span_ids]


def lost_link(trace_id: str, span_id: str) -> Link:
    """Return the link to the run of the same attempt that was lost before this one."""
    return _link(c.LINK_LOST_RUN, trace_id, span_id)


def _link(kind: str, trace_id: str, span_id: str) -> Link:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    to = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)
    return Link(to, {c.JOBSPAN_LINK_TYPE: kind})
