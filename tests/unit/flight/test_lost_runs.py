"""Notes of lost runs: the next run of a job finds where the lost one is told, once."""

from __future__ import annotations

import os
from pathlib import Path

from jobspan.flight import lost_runs
from jobspan.flight.lost_runs import LostRun

ONE = LostRun("0" * 31 + "1", "0" * 15 + "2", 1)
OTHER = LostRun("0" * 31 + "3", "0" * 15 + "4", 2)


def test_a_note_is_taken_once(tmp_path: Path) -> None:
    lost_runs.note(tmp_path, "a job/of any id…", ONE)
    assert lost_runs.take(str(tmp_path), "another") is None
    assert lost_runs.take(str(tmp_path), "a job/of any id…") == ONE
    assert lost_runs.take(str(tmp_path), "a job/of any id…") is None


def test_a_job_that_is_lost_again_has_the_newest(tmp_path: Path) -> None:
    lost_runs.note(tmp_path, "job", ONE)
    lost_runs.note(tmp_path, "job", OTHER)
    assert lost_runs.take(str(tmp_path), "job") == OTHER


def test_what_is_no_note_is_none(tmp_path: Path) -> None:
    lost_runs.note(tmp_path, "job", ONE)
    (path,) = (tmp_path / "lost").iterdir()
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert lost_runs.take(str(tmp_path), "job") is None
    assert lost_runs.take(str(tmp_path / "nowhere"), "job") is None


def test_old_notes_and_those_past_a_thousand_are_removed(tmp_path: Path) -> None:
    for number in range(1_002):
        lost_runs.note(tmp_path, str(number), ONE)
    oldest = tmp_path / "lost" / "oldest"
    oldest.symlink_to("x")
    os.utime(oldest, (1, 1), follow_symlinks=False)
    lost_runs.sweep(tmp_path)
    assert len(list((tmp_path / "lost").iterdir())) == 1_000
    assert not oldest.is_symlink()
    lost_runs.sweep(tmp_path / "nowhere")
