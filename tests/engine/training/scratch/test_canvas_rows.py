from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.training.scratch.canvas_rows import (
    IGNORED,
    CanvasIds,
    Row,
    scattered_row,
    spans_row,
)
from midspan_engine.training.scratch.settings import BatchSettings

_IDS = CanvasIds(mask=1, expand=2, delete=3)
_SPANS = st.lists(st.lists(st.integers(10, 60), min_size=1, max_size=12), min_size=3, max_size=9)


def _row(pieces: list[list[int]], ratio: float, seed: int) -> Row:
    rng = np.random.default_rng(seed)
    return spans_row(pieces, _IDS, BatchSettings(), ratio, rng)


@given(_SPANS, st.floats(0, 1), st.integers(0, 2**31))
def test_what_stands_between_spans_is_shown_and_not_asked_for(
    pieces: list[list[int]], ratio: float, seed: int
) -> None:
    row = _row(pieces, ratio, seed)
    shown = row.inputs[row.targets == IGNORED].tolist()
    text = [token for piece in pieces[::2] for token in piece]
    at = 0
    for token in text:
        at = shown.index(token, at) + 1
    assert (row.inputs[row.targets != IGNORED] == _IDS.mask).all()
    assert (row.weights[row.targets == IGNORED] == 0).all()


@given(_SPANS, st.floats(0, 1), st.integers(0, 2**31))
def test_every_span_has_a_mask_and_stands_for_its_own_tokens(
    pieces: list[list[int]], ratio: float, seed: int
) -> None:
    """One span at a time: text before and after it are single marks that tell it apart."""
    for number, span in enumerate(pieces):
        row = _row([[4], span, [5]], ratio, seed + number)
        inside = slice(1, len(row.inputs) - 1)
        targets, inputs = row.targets[inside], row.inputs[inside]
        assert (inputs == _IDS.mask).any()
        said = np.where(targets == IGNORED, inputs, targets)
        kept = [token for token in said.tolist() if token not in (_IDS.expand, _IDS.delete)]
        at = 0
        for token in kept:
            at = span.index(token, at) + 1
        if _IDS.expand not in said:
            assert kept == span


@given(st.integers(0, 2**31))
def test_all_deletes_of_a_span_weigh_as_one_token(seed: int) -> None:
    row = _row([[4], [10, 11, 12], [5]], 0.5, seed)
    deletes = row.targets == _IDS.delete
    if deletes.any():
        assert row.weights[deletes].sum() == pytest.approx(1.0)
        assert (row.inputs[deletes] == _IDS.mask).all()


def test_masks_are_merged_deleted_and_left_alone() -> None:
    rows = [_row([[4], list(range(10, 22)), [5]], 0.9, seed) for seed in range(60)]
    expands = sum((row.targets == _IDS.expand).any() for row in rows)
    deletes = sum((row.targets == _IDS.delete).any() for row in rows)
    assert 10 < expands < 50
    assert 15 < deletes < 45


def test_the_ratio_decides_how_much_is_masked() -> None:
    text = np.arange(10, 1010)
    for ratio in (0.1, 0.5, 0.9):
        row = scattered_row(text, _IDS.mask, ratio, np.random.default_rng(0))
        assert (row.inputs == _IDS.mask).mean() == pytest.approx(ratio, abs=0.05)
        assert (row.targets[row.inputs == _IDS.mask] == text[row.inputs == _IDS.mask]).all()
    one = scattered_row(text, _IDS.mask, 0.0, np.random.default_rng(0))
    assert (one.inputs == _IDS.mask).sum() == 1
