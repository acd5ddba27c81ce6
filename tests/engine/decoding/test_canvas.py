"""What a step leaves in the cache, and what the next pass has to run again."""

from __future__ import annotations

from midspan_engine.decoding.canvas import MASK, Canvas, Commit
from midspan_engine.decoding.guess import Guess
from midspan_engine.runtime.blocks import CachedSequence


def make(length: int = 10) -> Canvas:
    sequence = CachedSequence()
    sequence.length = length
    return Canvas(sequence, first=7)


def commit(canvas: Canvas, *tokens: int, cells: tuple[tuple[int, ...], ...] = ()) -> None:
    logprobs = (-0.1,) * len(tokens)
    canvas.commit(Commit(tokens=tokens, logprobs=logprobs, cells=cells))


def test_the_first_pass_runs_the_end_of_the_context() -> None:
    canvas = make()
    rows = canvas.rows()
    assert (rows.start, list(rows.ids), list(rows.wanted)) == (10, [7], [0])


def test_confirmed_guesses_are_cached_and_the_newest_token_is_not() -> None:
    canvas = make()
    canvas.guess = Guess((1, 2, 3), (0.5, 0.5, 0.5))
    assert list(canvas.rows().ids) == [7, 1, 2, 3]
    commit(canvas, 1, 2, 9)  # the third guess was wrong
    assert canvas.sequence.length == 10 + 3
    assert (canvas.rows().start, list(canvas.rows().ids)) == (13, [9])


def test_tokens_that_were_masks_are_run_again_on_the_frozen_weights() -> None:
    canvas = make()
    canvas.cells = ((MASK, MASK, MASK),)
    rows = canvas.rows()
    assert list(rows.block) == [False, True, True, True]
    assert list(rows.masked) == [False, True, True, True]
    commit(canvas, 4, 5, 6, cells=((MASK, 8),))
    assert canvas.sequence.length == 11, "only the row that ran on the frozen weights is exact"
    rows = canvas.rows()
    assert (rows.start, list(rows.ids[:3])) == (11, [4, 5, 6])
    assert list(rows.block) == [False, False, False, True, True]
    assert list(rows.masked) == [False, False, False, True, False]
    assert list(rows.wanted) == [2, 3, 4], "scores from the last committed token on"


def test_a_block_stands_behind_every_outcome() -> None:
    canvas = make()
    canvas.guess = Guess((1, 2), (0.5, 0.5))
    canvas.cells = ((MASK, MASK), (), (MASK,))
    rows = canvas.rows()
    assert list(rows.ids[:3]) == [7, 1, 2]
    assert list(rows.behind) == [-1, -1, -1, 0, 0, 2]
    assert list(rows.positions) == [10, 11, 12, 11, 12, 13]
    assert [canvas.cell_rows(place) for place in range(4)] == [[3, 4], [], [5], []]


def test_uncached_tokens_shift_what_blocks_stand_behind() -> None:
    canvas = make()
    canvas.cells = ((MASK,),)
    commit(canvas, 4, 5, cells=((MASK,),))
    rows = canvas.rows()
    assert (rows.start, list(rows.ids[:2]), list(rows.behind)) == (11, [4, 5], [-1, -1, 1])
    assert canvas.cell_rows(0) == [1], "score rows begin at the last committed token"
