"""A night's work of some 40 spans: fast, slow, retried, failing, nested, running; the screens are held to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jobspan import conventions as c
from jobspan.runs import Link, Run, run_from_span
from unit.analysis.story import Story, at

NOW = at("03:20:00")
CARD_ERROR = ("shop.errors.CardError", "card declined")


def night() -> Story:
    """Return the spans of ``import-orders`` and of one lone job before it."""
    story = Story()
    published: dict[str, Any] = {c.JOBSPAN_COMMAND_JOBS_PUBLISHED: 13, c.JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH: 0}
    story.command("03:12:00", "03:12:44", **published)
    for number in range(8):
        _charge(story, number)
    for number, ran_s in enumerate((3.8, 4.1, 41.0)):
        _render(story, number, ran_s)
    _retried(story)
    _declined(story)
    return story


def running() -> Run:
    """Return a run in flight."""
    story = Story()
    span = story.run("render_pdf", _job_id("9e", 1), "03:19:18", 0, queue="pdf", attempt=2, max_attempts=3)
    return replace(run_from_span(span), span_id="c" * 16, end_ns=None, outcome=None, final=None)


def _charge(story: Story, number: int) -> None:
    job, start = _job_id("c0", number), f"03:12:{number:02}"
    put = story.publish("charge", job, start, queue="billing")
    waits: dict[str, Any] = {"queued_s": 0.2 + number / 10, "prefetched_s": 0.1}
    run = story.run(
        "charge",
        job,
        f"03:12:{number + 1:02}",
        0.2,
        queue="billing",
        parent=put.span_id,
        memory=(80_000_000, 84_000_000),
        **waits,
    )
    if number < 4:
        receipt = _job_id("d1", number)
        sent = story.publish("receipt", receipt, f"03:12:{number + 1:02}.1", parent=run.span_id, framework="dramatiq")
        story.run(
            "receipt",
            receipt,
            f"03:12:{number + 1:02}.3",
            0.1,
            parent=sent.span_id,
            parent_job=job,
            framework="dramatiq",
            memory=(60_000_000, 61_000_000),
            queued_s=0.1,
        )


def _render(story: Story, number: int, ran_s: float) -> None:
    job = _job_id("9e", number)
    put = story.publish("render_pdf", job, "03:12:08", queue="pdf")
    lost = ran_s > 40
    story.run(
        "render_pdf",
        job,
        f"03:12:{10 + number}",
        ran_s,
        "lost" if lost else "succeeded",
        status="error" if lost else "unset",
        queue="pdf",
        parent=put.span_id,
        attempt=1,
        max_attempts=3,
        queued_s=1.9,
        prefetched_s=0.2,
        memory=(84_000_000, 2_100_000_000 if lost else 310_000_000),
        cpu_s=ran_s * 0.9,
    )


def _retried(story: Story) -> None:
    job = _job_id("ab", 0)
    put = story.publish("fetch_rates", job, "03:12:09", queue="default")
    error = ("requests.exceptions.ConnectionError", "rates.example refused the connection")
    first = story.run(
        "fetch_rates",
        job,
        "03:12:10",
        0.5,
        "retried",
        error=error,
        parent=put.span_id,
        max_attempts=5,
        queued_s=0.3,
        delay_s=2.0,
        memory=(70_000_000, 71_000_000),
    )
    again = story.publish("fetch_rates", job, "03:12:10.4", queue="default", parent=first.span_id, attempt=2)
    story.run(
        "fetch_rates",
        job,
        "03:12:13",
        0.7,
        parent=again.span_id,
        attempt=2,
        max_attempts=5,
        scheduled_s=2.0,
        queued_s=0.4,
        memory=(71_000_000, 72_000_000),
        links=(Link(first.trace_id, first.span_id, {c.JOBSPAN_LINK_TYPE: c.LINK_PREVIOUS_ATTEMPT}),),
    )


def _declined(story: Story) -> None:
    job = _job_id("03", 15)
    put = story.publish("charge", job, "03:12:20", queue="billing")
    link = Link(put.trace_id, put.span_id, {c.JOBSPAN_LINK_TYPE: c.LINK_PUBLISH})
    story.run(
        "charge",
        job,
        "03:12:41",
        1.2,
        "failed",
        error=CARD_ERROR,
        parent=put.span_id,
        queue="billing",
        attempt=3,
        max_attempts=3,
        queued_s=0.2,
        prefetched_s=0.1,
        memory=(80_000_000, 84_000_000),
        cpu_s=0.05,
        links=(link,),
    )


def _job_id(letters: str, number: int) -> str:
    return f"{letters}{number:02x}5e0a-1111-4222-8333-0000000000{number:02x}"
