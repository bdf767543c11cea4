"""The screen of one trace: all of its spans as a tree, with when they began and how long they took."""

from __future__ import annotations

from jobspan.analysis.failures import failure_text
from jobspan.analysis.trace import TraceStory, TreeSpan
from jobspan.cli.terminal.sanitize import sanitize_line
from jobspan.cli.terminal.screen import CAUTION, FAILED, FINE, STRONG, Column, Line, Piece, Screen, Table, piece
from jobspan.cli.terminal.times import Clock
from jobspan.cli.terminal.units import counted, duration
from jobspan.runs import Span, failure_of


def print_trace(screen: Screen, story: TraceStory, clock: Clock, limit: int | None) -> None:
    """Print a trace's tree, at most ``limit`` spans of it."""
    screen.lines([_heading(story, clock)])
    shown = story.spans[:limit]
    screen.table(_tree_table(story, shown))
    if len(shown) < len(story.spans):
        screen.line(Piece(f"Only the first {len(shown)} are shown; --limit 0 shows all.", CAUTION))


def _heading(story: TraceStory, clock: Clock) -> Line:
    took = duration((story.end_ns - story.start_ns) / 1e9)
    services = f", {' '.join(story.services)}" if story.services else ""
    line = [
        Piece("trace ", STRONG),
        piece(story.trace_id),
        Piece(f"  {counted(len(story.spans), 'span')}, {took}"),
        Piece(f", {clock.stamp(story.start_ns)} → {clock.stamp(story.end_ns)}"),
        piece(services),
    ]
    return [*line, Piece(", "), Piece(counted(story.errors, "error"), FAILED)] if story.errors else line


def _tree_table(story: TraceStory, shown: tuple[TreeSpan, ...]) -> Table:
    several = len(story.services) > 1
    columns = [
        Column("span"),
        Column("after", right=True),
        Column("took", right=True),
        *([Column("service", goes=1)] if several else []),
        Column("error", flexible=True, goes=2),
    ]
    rows = [_cells(node, story.start_ns, several=several) for node in shown]
    return Table(columns, rows, indent="  ")


def _cells(node: TreeSpan, zero_ns: int, *, several: bool) -> list[Piece]:
    span = node.span
    name = Piece(_branch(node) + sanitize_line(span.name), FAILED if span.is_error else "")
    took = duration(span.duration_s) if span.end_ns else "running"
    service = [piece(span.resource.get("service.name", ""), FINE)] if several else []
    after = Piece(duration((span.start_ns - zero_ns) / 1e9), FINE)
    return [name, after, Piece(took), *service, piece(_error(span), FAILED)]


def _branch(node: TreeSpan) -> str:
    *above, last = node.ends or (None,)
    lines = "".join("  " if ends else "│ " for ends in above)
    return "" if last is None else lines + ("└ " if last else "├ ")


def _error(span: Span) -> str:
    if not span.is_error:
        return ""
    return failure_text(failure_of(span)) or span.status_message or "error"
