"""Ids cut to a unique beginning."""

from __future__ import annotations

from collections.abc import Sequence

from jobspan.backends.ids import cut
from jobspan.cli.terminal.short_ids import ShortIds


class _Index:
    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.read_query: list[Sequence[str]] = []

    def shorten(self, ids: Sequence[str]) -> dict[str, str]:
        self.read_query.append(ids)
        return {full: cut(full, [other for other in self.ids if other != full]) for full in ids}


def test_an_id_alone_is_cut_to_four() -> None:
    assert ShortIds(_Index("030f5e0a").shorten).short("030f5e0a") == "030f"


def test_an_id_is_cut_behind_what_it_shares() -> None:
    assert ShortIds(_Index("030f5e0a", "030f5e1b").shorten).short("030f5e0a") == "030f5e0"


def test_an_id_that_others_continue_stays_whole() -> None:
    assert ShortIds(_Index("job-1", "job-10").shorten).short("job-1") == "job-1"


def test_nothing_stays_nothing_and_short_ids_stay_whole() -> None:
    assert [ShortIds(_Index("ab").shorten).short(full) for full in (None, "", "ab")] == ["", "", "ab"]


def test_ids_that_are_expected_take_one_question() -> None:
    index = _Index("030f5e0a", "030f5e1b", "77777777")
    ids = ShortIds(index.shorten)
    ids.expect([*index.ids, None, "030f5e0a"])
    assert ([ids.short(full) for full in index.ids * 2], index.read_query) == (
        ["030f5e0", "030f5e1", "7777"] * 2,
        [["030f5e0a", "030f5e1b", "77777777"]],
    )


def test_an_id_that_the_backend_does_not_tell_stays_whole() -> None:
    assert ShortIds(lambda _ids: {}).short("030f5e0a") == "030f5e0a"
