"""Whether the SDK's sampler looks at a span that begins, and whether it is about to drop it at once."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import SpanContext, Tracer

from jobspan.named_tuple import NamedTuple

_SAMPLERS = "opentelemetry.sdk.trace.sampling"
_PARENT_BASED = ("ParentBased", "ParentBasedTraceIdRatio")
_BRANCHES = (
    "_root",
    "_remote_parent_sampled",
    "_remote_parent_not_sampled",
    "_local_parent_sampled",
    "_local_parent_not_sampled",
)


class _Drops(NamedTuple):
    """Which spans are dropped at once: those without a parent, and those below an unsampled one, local or remote."""

    roots: bool
    local: bool
    remote: bool
    sampled: bool


class DropPrediction:
    """Knows the sampler of one tracer, which is looked at once.

    Only of the SDK's own is it known that it looks at nothing: ``always_off``, and ``parentbased_…`` over that one.
    """

    def __init__(self) -> None:
        self._sampler: object = None
        self._drops: _Drops | None = None

    def is_dropped(self, tracer: Tracer, parent: SpanContext) -> bool:
        """Say whether a span of this tracer below another, or none, is certain to be dropped, whatever it says."""
        sampler = getattr(getattr(tracer, "_tracer", tracer), "sampler", None)
        if sampler is not self._sampler:
            self._sampler, self._drops = sampler, _drops_of(sampler)
        drops = self._drops
        if drops is None or drops.sampled:
            return drops is not None
        if parent.trace_flags & 1:
            return False
        if not parent.is_valid:
            return drops.roots
        return drops.remote if parent.is_remote else drops.local


def is_blind(sampler: Any) -> bool:
    """Say whether a sampler looks at no attribute and no link: one of the SDK's own, with none but such within it."""
    if _is_the_sdks(sampler, *_PARENT_BASED):
        return all(is_blind(getattr(sampler, branch, None)) for branch in _BRANCHES)
    return _is_the_sdks(sampler, "StaticSampler", "TraceIdRatioBased")


def _drops_of(sampler: Any) -> _Drops | None:
    """Return what a sampler drops before any processor sees it; None: nothing, or it is not known."""
    if _is_off(sampler):
        return _Drops(roots=True, local=True, remote=True, sampled=True)
    if not _is_the_sdks(sampler, *_PARENT_BASED):
        return None
    return _Drops(
        roots=_is_off(getattr(sampler, "_root", None)),
        local=_is_off(getattr(sampler, "_local_parent_not_sampled", None)),
        remote=_is_off(getattr(sampler, "_remote_parent_not_sampled", None)),
        sampled=False,
    )


def _is_off(sampler: Any) -> bool:
    return _is_the_sdks(sampler, "StaticSampler") and bool(sampler.get_description() == "AlwaysOffSampler")


def _is_the_sdks(sampler: Any, *names: str) -> bool:
    kind = type(sampler)
    return kind.__module__ == _SAMPLERS and kind.__name__ in names
