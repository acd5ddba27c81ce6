"""Rows go where they promise most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.decoding.guess import Guess, better, masks_behind

CHANCES = st.lists(st.floats(0.0, 1.0), max_size=6)


def test_a_guess_is_cut_where_its_chance_is_gone() -> None:
    guess = Guess((1, 2, 3, 4), (0.5, 0.5, 0.5, 0.5))
    assert guess.cut(9, 0.2).tokens == (1, 2)
    assert guess.cut(1, 0.0).tokens == (1,)
    assert guess.cut(9, 0.6) == Guess()
    assert guess.expected == pytest.approx(0.5 + 0.25 + 0.125 + 0.0625)


def test_two_sources_that_agree_are_trusted_more_than_either() -> None:
    first, second = Guess((1, 2), (0.6, 0.6)), Guess((1,), (0.5,))
    assert better(first, second) == Guess((1, 2), (0.8, 0.6))
    assert better(first, Guess((7,), (0.9,))).tokens == (1, 2), "0.96 against 0.9 tokens"
    assert better(Guess(), second) == second


def test_masks_stand_where_the_pass_will_probably_end() -> None:
    assert masks_behind((), 8, 0.3)[0] >= 2
    sure, unsure = masks_behind((0.95,), 8, 0.1), masks_behind((0.1,), 8, 0.1)
    assert sure[0] == 0
    assert sure[1] > unsure[1]
    assert unsure[0] > 0


@given(chances=CHANCES, room=st.integers(0, 12), least=st.floats(0.01, 0.5))
def test_masks_keep_within_their_room(chances: list[float], room: int, least: float) -> None:
    counts = masks_behind(chances, room, least)
    assert len(counts) == len(chances) + 1
    assert sum(counts) <= room
