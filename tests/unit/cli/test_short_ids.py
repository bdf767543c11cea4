"""Ids cut to a unique beginning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobspan.backends.base import Match
from jobspan.cli.short_ids import ShortIds


class _Index:
    def __init__(self, *ids: str) -> None:
        self.ids, self.asked = ids, 0

    def find(self, prefix: str) -> list[Match]:
        self.asked += 1
        return [Match("job", full) for full in self.ids if full.startswith(prefix)][:20]


def test_an_id_alone_is_cut_to_four() -> None:
    assert ShortIds(_Index("030f5e0a").find).of("030f5e0a") == "030f"


def test_an_id_is_cut_behind_what_it_shares() -> None:
    index = _Index("030f5e0a", "030f5e1b")
    assert ShortIds(index.find).of("030f5e0a") == "030f5e0"


def test_an_id_that_others_continue_stays_whole() -> None:
    assert ShortIds(_Index("job-1", "job-10").find).of("job-1") == "job-1"


def test_nothing_stays_nothing_and_short_ids_stay_whole() -> None:
    assert [ShortIds(_Index("ab").find).of(full) for full in (None, "", "ab")] == ["", "", "ab"]


def test_one_question_covers_all_that_begin_alike() -> None:
    index = _Index("030f5e0a", "030f5e1b")
    ids = ShortIds(index.find)
    assert ([ids.of(full) for full in index.ids * 3], index.asked) == (["030f5e0", "030f5e1"] * 3, 1)


def test_a_full_store_is_asked_at_most_a_hundred_times_and_then_ids_stay_whole() -> None:
    index = _Index(*(f"{number:06x}-{number}" for number in range(0, 65_536, 50)))
    ids = ShortIds(index.find)
    cut = [ids.of(full) for full in index.ids]
    assert (index.asked, cut[-1]) == (100, index.ids[-1])


def test_an_answer_cut_at_twenty_is_not_taken_for_the_whole() -> None:
    index = _Index(*(f"030f{number:03d}-{number}" for number in range(40)))
    ids = ShortIds(index.find)
    assert [ids.of(full) for full in index.ids] == [f"030f{number:03d}" for number in range(40)]


def test_after_a_crowded_beginning_other_ids_are_still_cut_uniquely() -> None:
    crowd = [f"7f3a00{number:02d}" for number in range(40)]
    ids = ShortIds(_Index(*crowd, "cd613e30", "cd61fac3").find)
    assert [ids.of(crowd[0]), ids.of("cd613e30"), ids.of("cd61fac3")] == ["7f3a0000", "cd613", "cd61f"]


@given(st.sets(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=60))
def test_every_short_form_is_unique_or_whole(ids: set[str]) -> None:
    cut = ShortIds(_Index(*ids).find)
    for full in ids:
        short = cut.of(full)
        assert short == full or [other for other in ids if other.startswith(short)] == [full]
