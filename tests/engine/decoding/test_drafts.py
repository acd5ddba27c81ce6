"""Look-ups propose what followed the same tokens before."""

from __future__ import annotations

from midspan_engine.decoding.drafts import LookupDraft


def test_the_longest_match_wins_over_a_later_shorter_one() -> None:
    drafts = LookupDraft([[1, 2, 3, 4, 5, 9, 3, 7], []])
    assert drafts.propose([1, 2, 3], 3) == (4, 5, 9)


def test_of_two_equal_matches_the_later_corpus_wins() -> None:
    drafts = LookupDraft([[1, 2, 3], [1, 2, 8], []])
    assert drafts.propose([1, 2], 4) == (8,)


def test_a_longer_match_proposes_more() -> None:
    drafts = LookupDraft([list(range(20)), []])
    assert drafts.propose([99, 98, 5], 9) == (6, 7)
    assert drafts.propose([99, 4, 5], 9) == (6, 7, 8, 9, 10)
    assert drafts.propose([3, 4, 5], 9) == (6, 7, 8, 9, 10, 11, 12)
    assert drafts.propose([3, 4, 5], 2) == (6, 7)


def test_nothing_is_proposed_where_nothing_matches() -> None:
    assert LookupDraft([[1, 2, 3], []]).propose([9], 7) == ()


def test_the_span_itself_is_looked_up_too() -> None:
    drafts = LookupDraft([[], []])
    drafts.extend([1, 2, 3, 1, 2])
    assert drafts.propose([1, 2, 3, 1, 2], 2) == (3, 1)


def test_the_first_guess_is_the_opening_and_else_follows_the_prefix() -> None:
    assert LookupDraft([[], []], opening=[4, 5, 6]).propose([], 2) == (4, 5)
    assert LookupDraft([[1, 2, 3], []], before=[1, 2]).propose([], 2) == (3,)
