"""Whole screens of ``show``, as a pipe gets them."""

from __future__ import annotations

from jobspan.runs import run_from_span
from unit.analysis.story import TRACE, Story
from unit.cli.sample import night
from unit.cli.twin import Twin
from unit.cli.typing_at import Seen, typed


def _found(screen: str) -> Seen:
    return Seen(0, screen, "")


def test_a_command_shows_what_became_of_its_jobs() -> None:
    assert typed("show", "7f3a", "--utc", backend=Twin(night().spans)) == _found(
        """\
import-orders  7f3a00000000c0de  exit 0, 44 s, 03:12:00Z → 03:12:44Z, host batch-1
  put 13 jobs in 20 s: 11 succeeded, 1 failed, 1 lost; 1 retry
  those put 4 more: 4 succeeded
  job          count  failed  retries  waited p50 / p95  ran p50 / p95  memory
  charge           9  1                0.6 s / 1.0 s     0.2 s / 1.2 s   84 MB
  └ receipt        4                   0.1 s / 0.1 s     0.1 s / 0.1 s   61 MB
  render_pdf       3  1 lost           2.1 s / 2.1 s     4.1 s / 41 s   2.1 GB
  fetch_rates      1                1  0.3 s / 0.4 s     0.5 s / 0.7 s   72 MB
  03:12:00Z ▏▃▃▃▃▃▃▃▅▅██▅▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▅▅▃▃▃▃▃▃▃▃▕ 03:12:53Z   runs open, 4 at most
Next: jobspan show 030f (a failed job) · jobspan failed --command 7f3a · jobspan runs --command 7f3a \
· jobspan show 0af7 (the trace)
"""
    )


def test_a_command_whose_end_was_not_seen_says_so() -> None:
    story = Story()
    story.publish("work", "job-a", "03:10:00")
    assert typed("show", "7f3a", backend=Twin(story.spans)) == _found(
        """\
import-orders  7f3a00000000c0de  its end was not seen: it still runs, or was killed
  put 1 job in 10 ms: 1 waiting
  job   count  failed  retries  waited p50 / p95  ran p50 / p95  memory
  work      1
Next: jobspan runs --command 7f3a
"""
    )


def test_a_failed_job_shows_its_error_first_and_its_stack_last() -> None:
    assert typed("show", "030f", "--utc") == _found(
        """\
charge  030f5e0a-1111-4222-8333-00000000000f  failed after 1.2 s, try 3/3
  error    CardError: card declined
  where    queue billing, celery@w2, pid 4711, shop
  waited   queued 0.2 s, prefetched 0.1 s
  memory   80 MB → 84 MB
  cpu      50 ms
  tries    3/3  03:12:41Z → 03:12:42Z  failed: CardError: card declined
  from     import-orders 7f3a \u203a publish charge \u203a here
  put      03:12:20Z, the publish took 10 ms
  trace    0af7651916cd43dd8448eb211c80319c
  link     publish: trace 0af7651916cd43dd8448eb211c80319c span a000000000000023

  Traceback (most recent call last):
    File "shop/jobs.py", line 7, in work
  shop.errors.CardError: card declined

Next: jobspan show 0af7 (the trace) · jobspan show 7f3a (the command)
"""
    )


def test_a_job_with_a_peak_says_it_and_where_it_is_from() -> None:
    story = Story()
    story.run("work", "job-a", "03:10:00", 1, memory=(80_000_000, 84_000_000), peak=2_100_000_000)
    lines = typed("show", "job-a", backend=Twin(story.spans)).out.splitlines()
    assert "  memory   80 MB → 84 MB, peak 2.1 GB (exact)" in lines


def test_a_job_put_by_a_job_shows_the_way_it_came() -> None:
    line = next(line for line in typed("show", "d100").out.splitlines() if line.startswith("  from"))
    assert line == "  from     import-orders 7f3a \u203a charge c000 \u203a publish receipt \u203a here"


def test_a_job_that_succeeded_in_the_end_keeps_the_stack_of_its_earlier_try() -> None:
    out = typed("show", "ab00", "--utc").out
    assert "  error" not in out
    assert (
        """
  tries    1/5  03:12:10Z → 03:12:10Z  retried: ConnectionError: rates.example refused the connection, \
again after 2.0 s
           2/5  03:12:13Z → 03:12:13Z  succeeded
"""
        in out
    )
    assert "\n  try 1/5 raised\n  Traceback" in out


def test_a_running_job_says_since_when() -> None:
    lines = typed("show", "9e01", "--utc").out.splitlines()
    assert lines[0] == "render_pdf  9e015e0a-1111-4222-8333-000000000001  running for 42 s"
    assert "           2/3  since 03:19:18Z  running" in lines


def test_a_job_that_was_never_put_says_why() -> None:
    story = Story()
    story.publish("charge", "job-a", "03:10:00", error=("redis.exceptions.ConnectionError", "refused"))
    lines = typed("show", "job-", "--utc", backend=Twin(story.spans)).out.splitlines()
    assert lines[:4] == [
        "charge  job-a  never put: its publish failed",
        "  error    ConnectionError: refused",
        "  from     import-orders 7f3a \u203a publish charge \u203a here",
        "  put      03:10:00Z, the publish took 10 ms, failed: ConnectionError: refused",
    ]


def test_a_trace_shows_all_its_spans_as_a_tree() -> None:
    story = Story()
    command = story.command("03:12:00", "03:12:44")
    put = story.publish("charge", "job-a", "03:12:01", parent=command.span_id)
    story.foreign("LPUSH", "03:12:01", 0.002, put.span_id)
    story.run("charge", "job-a", "03:12:03", 1.2, "failed", parent=put.span_id, error=("shop.CardError", "declined"))
    assert typed("show", TRACE, "--utc", backend=Twin(story.spans)) == _found(
        """\
trace 0af7651916cd43dd8448eb211c80319c  4 spans, 44 s, 03:12:00Z → 03:12:44Z, shop, 1 error
  span              after   took  error
  import-orders       0 s   44 s
  └ publish charge  1.0 s  10 ms
    ├ LPUSH         1.0 s   2 ms
    └ run charge    3.0 s  1.2 s  CardError: declined
"""
    )


def test_a_long_trace_is_cut_and_says_so() -> None:
    assert (
        typed("show", TRACE, "--limit", "3").out.splitlines()[-1] == "Only the first 3 are shown; --limit 0 shows all."
    )


def test_an_id_that_several_begin_with_lists_them() -> None:
    story = Story(command=("import", "0af7" * 4))
    story.run("work", "0af7-one", "03:10:00", 1)
    assert typed("show", "0af7", backend=Twin(story.spans)) == Seen(
        2,
        "0af7 is the beginning of 3 ids; type more of the one you mean:\n"
        "  kind     id\n"
        "  command  0af70af70af70af7\n"
        "  job      0af7-one\n"
        "  trace    0af7651916cd43dd8448eb211c80319c\n",
        "",
    )


def test_an_id_may_be_typed_in_capitals() -> None:
    assert typed("show", "7F3A").code == 0


def test_an_unknown_id_says_where_ids_are_listed() -> None:
    assert typed("show", "ffff") == Seen(
        1,
        "No command, job or trace in the default store has an id that begins with ffff.\n"
        "Next: jobspan failed · jobspan runs --since 7d (both list ids)\n",
        "",
    )


def test_an_id_too_short_to_mean_one_thing_is_wrong_use() -> None:
    assert typed("show", "03") == Seen(2, "", "jobspan: saw '03'; expected at least 4 characters of an id\n")


def test_every_id_on_a_screen_can_be_typed() -> None:
    backend = Twin(night().spans)
    jobs = {run_from_span(span).job_id for span in backend.spans if span.kind == "consumer"}
    ids = {line.split()[1] for line in typed("runs", "--limit", "0", backend=backend).out.splitlines()[1:-2]}
    assert len(ids) == len(jobs)
    assert {typed("show", short, backend=backend).code for short in ids} == {0}
