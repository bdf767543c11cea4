"""A trace's story: all of its spans as a tree, the foreign ones too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobspan.runs import Span


@dataclass(frozen=True, slots=True)
class TreeSpan:
    """A span in its place. ``ends``: for each level from the second, whether the branch ends there (to draw lines)."""

    span: Span
    ends: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceStory:
    """A trace from its first start to its last end, spans as a tree, children by start."""

    trace_id: str
    spans: tuple[TreeSpan, ...]
    start_ns: int
    end_ns: int

    @property
    def errors(self) -> int:
        """Spans with status ERROR."""
        return sum(node.span.is_error for node in self.spans)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that took part, in order of their first span."""
        names = (node.span.resource.get("service.name") for node in self.spans)
        return tuple(dict.fromkeys(str(name) for name in names if name))


def trace_story(trace_id: str, spans: Iterable[Span]) -> TraceStory | None:
    """Return a trace's story; spans of other traces are left out, None when nothing is left.

    A span whose parent is not there (or that is its own ancestor) is a root.
    """
    own = sorted((span for span in spans if span.trace_id == trace_id), key=lambda span: span.start_ns)
    if not own:
        return None
    end_ns = max(max(span.end_ns, span.start_ns) for span in own)
    return TraceStory(trace_id, _tree(own), own[0].start_ns, end_ns)


def _tree(spans: Sequence[Span]) -> tuple[TreeSpan, ...]:
    by_id = {span.span_id: span for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in by_id.values():
        if span.parent_id in by_id:
            children[span.parent_id].append(span)
    placed: dict[str, TreeSpan] = {}
    roots = [span for span in by_id.values() if span.parent_id not in by_id]
    # Whatever a walk from the roots does not reach goes in a circle.
    for start in [*roots, *by_id.values()]:
        _place(TreeSpan(start), children, placed)
    return tuple(placed.values())


def _place(start: TreeSpan, children: dict[str, list[Span]], placed: dict[str, TreeSpan]) -> None:
    todo = [start]
    while todo:
        node = todo.pop()
        if node.span.span_id in placed:
            continue
        placed[node.span.span_id] = node
        below = children[node.span.span_id]
        todo += [TreeSpan(child, (*node.ends, child is below[-1])) for child in reversed(below)]
