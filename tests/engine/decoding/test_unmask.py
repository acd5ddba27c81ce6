"""What each policy settles after a pass, on scores written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from midspan_engine.decoding.canvas import MASK, Canvas, Commit
from midspan_engine.decoding.guess import NO_GUESS, Guess
from midspan_engine.decoding.unmask import (
    CellScores,
    Denoise,
    EntropyBound,
    Fixed,
    Policy,
    Threshold,
    Tolerant,
    verify,
)
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.rows import RowScores

VOCABULARY = 20


def scores(*rows: dict[int, float]) -> RowScores:
    """Rows of probabilities; what is left over is spread evenly."""
    logits = np.zeros((len(rows), VOCABULARY), np.float32)
    for row, named in enumerate(rows):
        rest = (1 - sum(named.values())) / (VOCABULARY - len(named))
        logits[row] = [math.log(named.get(token, rest) + 1e-9) for token in range(VOCABULARY)]
    order = np.argsort(-logits, axis=1, kind="stable")[:, :8].astype(np.int32)
    return RowScores(
        logits=logits,
        top_ids=order,
        top_logits=np.take_along_axis(logits, order, 1),
        log_normaliser=np.zeros(len(rows), np.float32),
    )


def step(policy: Policy, canvas: Canvas, seen: RowScores) -> Commit:
    def pick(of: RowScores, row: int) -> tuple[int, float]:
        return int(of.top_ids[row, 0]), float(of.top_logits[row, 0])

    return policy(canvas, seen, pick)


def canvas(*, guesses: tuple[int, ...] = (), cells: tuple[tuple[int, ...], ...] = ()) -> Canvas:
    made = Canvas(CachedSequence(), first=0)
    made.guess = Guess(guesses, (0.5,) * len(guesses))
    made.cells = cells
    return made


def test_verify_takes_the_masks_behind_the_last_confirmed_guess() -> None:
    made = canvas(guesses=(1, 2), cells=((MASK,), (MASK, MASK), (MASK,)))
    seen = scores({1: 0.9}, {5: 0.8}, {6: 0.9}, {7: 0.9}, {8: 0.75}, {9: 0.5}, {10: 0.9})
    commit = step(verify, made, seen)
    assert commit.tokens == (1, 5), "the second guess is wrong, and 5 is what comes instead"
    assert commit.guess.tokens == (8, 9), "the block behind the first guess"
    assert commit.guess.chances == pytest.approx((0.75, 0.5), abs=1e-3)


def test_verify_keeps_all_guesses_that_are_right_and_the_token_after_them() -> None:
    commit = step(verify, canvas(guesses=(1, 2)), scores({1: 0.9}, {2: 0.9}, {3: 0.9}))
    assert commit.tokens == (1, 2, 3)
    assert commit.guess == NO_GUESS


def test_without_masks_the_rows_behind_a_wrong_guess_are_tried() -> None:
    commit = step(verify, canvas(guesses=(1, 2)), scores({4: 0.9}, {5: 0.9}, {6: 0.9}))
    assert commit.tokens == (4,)
    assert commit.guess.tokens == (5, 6)
    assert commit.guess.expected < 0.5


@pytest.mark.parametrize(("ratio", "kept"), [(0.5, (1, 2, 3)), (0.9, (4,))])
def test_tolerant_keeps_a_guess_that_is_nearly_as_likely(
    ratio: float, kept: tuple[int, ...]
) -> None:
    seen = scores({4: 0.4, 1: 0.3}, {2: 0.9}, {3: 0.9})
    commit = step(Tolerant(math.log(ratio)), canvas(guesses=(1, 2)), seen)
    assert commit.tokens == kept
    if kept[0] == 1:
        assert commit.logprobs[0] == pytest.approx(math.log(0.3), abs=1e-3), "its own, not the best"


def test_denoise_commits_up_to_the_first_gap_and_holds_what_is_behind_it() -> None:
    policy = Denoise(Threshold(math.log(0.7)), width=4)
    made = canvas(cells=((MASK,) * 4,))
    seen = scores({1: 0.2}, {2: 0.9}, {3: 0.3}, {4: 0.8}, {5: 0.3})
    commit = step(policy, made, seen)
    assert commit.tokens == (1, 2), "the first is causal, whatever its probability"
    assert commit.cells == ((MASK, 4, MASK, MASK),)


def test_denoise_takes_back_what_the_next_pass_no_longer_finds_likely() -> None:
    policy = Denoise(Threshold(math.log(0.7)), width=3)
    made = canvas(cells=((MASK, 4, MASK),))
    commit = step(policy, made, scores({1: 0.9}, {2: 0.5}, {4: 0.2}, {6: 0.3}))
    assert commit.tokens == (1,)
    assert commit.cells == ((MASK, MASK, MASK),), "the 4 that stood there is masked again"


def cells(*probabilities: float) -> CellScores:
    shares = np.array(probabilities)
    entropies = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares + 1e-12))
    return CellScores(logprobs=np.log(shares), entropies=entropies)


def test_fixed_fills_the_most_certain_cells() -> None:
    assert list(Fixed(2)(cells(0.2, 0.9, 0.5, 0.8))) == [False, True, False, True]
    assert Fixed(9)(cells(0.2, 0.9)).all()


def test_an_entropy_bound_fills_more_where_the_model_is_sure() -> None:
    bound = EntropyBound(0.3)
    assert bound(cells(0.99, 0.99, 0.99, 0.99)).all()
    assert bound(cells(0.5, 0.5, 0.5)).sum() == 1, "one cell depends on no other that is filled"
    chosen = bound(cells(0.5, 0.99, 0.6))
    assert chosen[1]
    assert chosen.sum() == 2
