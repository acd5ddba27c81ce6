from __future__ import annotations

from midspan_engine.decoding.alignment import changed_tokens


def test_new_tokens_are_changed_and_copied_ones_are_not() -> None:
    assert changed_tokens([1, 2, 3], [1, 9, 8, 3]) == [False, True, True, False]
    assert changed_tokens([1, 2], [1, 2, 3]) == [False, False, True]
    assert changed_tokens([1, 2], [1, 2]) == [False, False]


def test_the_first_token_behind_a_deletion_counts_as_changed() -> None:
    assert changed_tokens([1, 2, 3, 4], [1, 4]) == [False, True]
    assert changed_tokens([1, 2], [1]) == [False]
