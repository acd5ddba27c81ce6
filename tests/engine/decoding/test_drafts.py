"""Look-ups propose what followed the same tokens before."""

from __future__ import annotations

from midspan_engine.decoding.drafts import LookupDraft
from midspan_engine.decoding.guess import Guess


def test_the_longest_match_wins_over_a_later_shorter_one() -> None:
    drafts = LookupDraft([[1, 2, 3, 4, 5, 9, 3, 7], []])
    assert drafts.propose([1, 2, 3], 3).tokens == (4, 5, 9)


def test_of_two_equal_matches_the_later_corpus_wins() -> None:
    drafts = LookupDraft([[1, 2, 3], [1, 2, 8], []])
    assert drafts.propose([1, 2], 4).tokens == (8,)


def test_a_longer_match_promises_more() -> None:
    drafts = LookupDraft([list(range(20)), []])
    matches = [drafts.propose(span, 9) for span in ([99, 98, 5], [99, 4, 5], [3, 4, 5])]
    assert {guess.tokens for guess in matches} == {tuple(range(6, 15))}
    assert matches[0].expected < matches[1].expected < matches[2].expected
    kept = [len(guess.cut(7, 0.07).tokens) for guess in matches]
    assert kept == [2, 5, 7]
    assert drafts.propose([3, 4, 5], 2).tokens == (6, 7)


def test_nothing_is_proposed_where_nothing_matches() -> None:
    assert LookupDraft([[1, 2, 3], []]).propose([9], 7).tokens == ()


def test_the_span_itself_is_looked_up_too() -> None:
    drafts = LookupDraft([[], []])
    drafts.extend([1, 2, 3, 1, 2])
    assert drafts.propose([1, 2, 3, 1, 2], 2).tokens == (3, 1)


def test_the_first_guess_is_the_opening_and_else_follows_the_prefix() -> None:
    drafts = LookupDraft([[], []], opening=[4, 5, 6])
    assert drafts.propose([], 2).tokens == (4, 5)
    assert drafts.propose([4], 2).tokens == (5, 6)
    assert drafts.propose([9], 2) == Guess()
    assert LookupDraft([[1, 2, 3], []], before=[1, 2]).propose([], 2).tokens == (3,)
