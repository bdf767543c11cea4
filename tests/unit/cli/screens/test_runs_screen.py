"""Whole screens of ``failed`` and ``runs``, as a pipe gets them."""

from __future__ import annotations

from unit.analysis.story import Story
from unit.cli.twin import Twin
from unit.cli.typing_at import Seen, typed


def _found(screen: str) -> Seen:
    return Seen(0, screen, "")


def test_failed_shows_the_newest_last_then_the_counts_then_what_to_type() -> None:
    assert typed("failed", "--utc", "--since", "1h") == _found(
        """\
when       id    job         queue    try  error                     waited    ran  memory  command
03:12:12Z  9e02  render_pdf  pdf      1/3  lost                       2.1 s   41 s  2.1 GB  import-orders 7f3a
03:12:41Z  030f  charge      billing  3/3  CardError: card declined   0.3 s  1.2 s   84 MB  import-orders 7f3a
2 of 17 jobs failed in the last hour; 1 more was retried and then succeeded.
Next: jobspan show 030f (one job) · jobspan failed --by error · jobspan show 7f3a (the command)
"""
    )


def test_failures_are_counted_by_error() -> None:
    assert typed("failed", "--utc", "--by", "error") == _found(
        """\
jobs  error                     job         first      last       newest
   1  lost                      render_pdf  03:12:12Z  03:12:12Z  9e02
   1  CardError: card declined  charge      03:12:41Z  03:12:41Z  030f
2 of 17 jobs failed in the last 24 hours; 1 more was retried and then succeeded.
Next: jobspan show 030f (one job) · jobspan show 7f3a (the command)
"""
    )


def test_runs_shows_every_attempt_and_says_when_it_shows_not_all() -> None:
    assert typed("runs", "--utc", "--since", "1h", "--limit", "4") == _found(
        """\
when       id    job          queue    try  outcome                           waited    ran  memory  command
03:12:12Z  9e02  render_pdf   pdf      1/3  lost                               2.1 s   41 s  2.1 GB  import-orders 7f3a
03:12:13Z  ab00  fetch_rates  default  2/5  succeeded                          0.4 s  0.7 s   72 MB  import-orders 7f3a
03:12:41Z  030f  charge       billing  3/3  failed: CardError: card declined   0.3 s  1.2 s   84 MB  import-orders 7f3a
03:19:18Z  9e01  render_pdf   pdf      2/3  running                                    42 s          import-orders 7f3a
Only the newest 4 are shown; --limit 0 shows all.
19 runs of 17 jobs in the last hour: 15 succeeded, 1 failed, 1 retried, 1 lost, 1 running.
Next: jobspan show 9e01 (one job) · jobspan failed · jobspan show 7f3a (the command)
"""
    )


def test_what_is_next_names_the_place_that_was_typed() -> None:
    assert typed("failed", "--store", "my store").out.splitlines()[-1] == (
        "Next: jobspan show 030f --store 'my store' (one job) · jobspan failed --by error --store 'my store' "
        "· jobspan show 7f3a --store 'my store' (the command)"
    )


def test_all_runs_come_without_a_limit() -> None:
    assert len(typed("runs", "--limit", "0").out.splitlines()) == 1 + 19 + 2


def test_filters_narrow_what_is_shown() -> None:
    seen = typed("runs", "--job", "rec*", "--queue", "default", "--framework", "dramatiq", "--outcome", "succeeded")
    assert [line.split()[2] for line in seen.out.splitlines()[1:-2]] == ["receipt"] * 4


def test_a_peak_makes_a_column_of_peaks_in_which_others_are_lower_bounds() -> None:
    story = Story()
    story.run("work", "job-a", "03:10:00", 1, memory=(10_000_000, 20_000_000))
    story.run("work", "job-b", "03:11:00", 1, memory=(10_000_000, 20_000_000), peak=90_000_000)
    header, *rows = typed("runs", backend=Twin(story.spans)).out.splitlines()[:3]
    assert header.split()[8] == "peak"
    assert ["≥ 20 MB" in row for row in rows] == [True, False]


def test_nothing_failed_says_how_many_jobs_ran() -> None:
    story = Story()
    story.run("work", "job-a", "03:10:00", 1)
    backend = Twin(story.spans)
    assert typed("failed", "--since", "1h", backend=backend) == Seen(
        1, "No failed jobs in the last hour (1 job ran).\n", ""
    )
    assert typed("failed", "--job", "wrk", "--since", "1h", backend=backend) == Seen(
        1, "No failed jobs with --job wrk in the last hour (1 other job ran).\n", ""
    )
    assert typed("runs", "--since", "5m", "--utc", backend=backend) == Seen(
        1,
        "No runs in the last 5 minutes: no job ran at all.\n"
        "The newest run, work, began 03:10:00Z; --since looks further back.\n",
        "",
    )


def test_an_empty_store_says_what_to_check() -> None:
    assert typed("failed", backend=Twin()) == Seen(
        1,
        "No failed jobs in the last 24 hours: no job ran at all.\n"
        "Nothing has reached the default store yet. Check that\n"
        "  - jobspan serve is running, and keeps the same store;\n"
        "  - workers run under opentelemetry-instrument, with jobspan[otlp] installed;\n"
        "  - OTEL_EXPORTER_OTLP_ENDPOINT in their environment is the address that jobspan serve printed.\n",
        "",
    )


def test_the_backend_is_let_go() -> None:
    backend = Twin()
    typed("runs", backend=backend)
    assert backend.closed


def test_what_a_job_says_about_itself_cannot_steer_the_terminal() -> None:
    story = Story()
    error = ("E\x1b[2J", "bad\r\n\x1b]0;owned\x07 [red]not markup[/red] \u202egnp")
    story.run("ev\x1b[31mil\u2028", "job-\x9b31m", "03:10:00", 1, "failed", error=error, queue="q\x00")
    for words in (("failed",), ("runs",), ("show", "job-"), ("show", story.trace_id), ("failed", "--by", "job")):
        out = typed(*words, backend=Twin(story.spans)).out
        assert [char for char in out if not char.isprintable() and char != "\n"] == []
    line = typed("failed", backend=Twin(story.spans)).out.splitlines()[1]
    assert r"ev\x1b[31mil\u2028" in line
    assert r"E\x1b[2J: bad \x1b]0;owned\x07 [red]not markup[/red] \u202egnp" in line
