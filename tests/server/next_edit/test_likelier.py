"""The order of regions by what the model finds unlikely."""

from __future__ import annotations

from midspan_server.next_edit.likelier import ranked, reordered, unsettled
from midspan_server.next_edit.regions import Candidate, Reason


def _region(line: int, score: float, reason: Reason = "near") -> Candidate:
    return Candidate(
        uri="file:///a.py",
        version=1,
        start_line=line,
        end_line=line + 1,
        reason=reason,
        score=score,
    )


RENAMED = _region(0, 1.0, "renamed")
FIRST, SECOND, THIRD = (_region(line, score) for line, score in ((1, 0.4), (2, 0.35), (3, 0.3)))


def test_what_lost_much_comes_before_what_the_rules_liked_better() -> None:
    losses = [(0.0, 0.5), (0.0, 20.0), (1.0,)]
    assert ranked([FIRST, SECOND, THIRD], losses) == [SECOND, FIRST, THIRD]


def test_little_is_not_enough_and_lines_that_won_do_not_count_against_a_region() -> None:
    losses = [(-30.0, 0.0), (0.3,), (0.2,)]
    assert ranked([FIRST, SECOND, THIRD], losses) == [FIRST, SECOND, THIRD]
    assert ranked([FIRST, SECOND, THIRD], losses, "whole") == [SECOND, THIRD, FIRST]
    assert ranked([FIRST, SECOND, THIRD], losses, "worst line")[0] == SECOND


def test_what_was_not_read_keeps_its_order_behind_the_rest() -> None:
    assert ranked([FIRST, SECOND, THIRD], [(0.0,)]) == [FIRST, SECOND, THIRD]
    assert ranked([FIRST, SECOND, THIRD], [(0.0,), (20.0,)]) == [SECOND, FIRST, THIRD]


def test_renames_are_settled_and_one_region_alone_leaves_nothing_to_choose() -> None:
    assert unsettled([RENAMED, FIRST, SECOND]) == [FIRST, SECOND]
    assert unsettled([RENAMED, FIRST]) == unsettled([]) == []
    asked = [FIRST, SECOND]
    assert reordered([RENAMED, FIRST, SECOND], asked, [(0.0,), (20.0,)]) == [
        RENAMED,
        SECOND,
        FIRST,
    ]
