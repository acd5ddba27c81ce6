from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.canvas.cells import SpanCanvas, Step
from midspan_engine.canvas.policy import LIKELY, Sampling, Stable, Unmasker, doubtful
from midspan_engine.decoding.unmask import EntropyBound, Fixed, Select, Threshold

VOCAB = 30
EXPAND, DELETE = 28, 29


def logits(*rows: dict[int, float]) -> np.ndarray:
    table = np.zeros((len(rows), VOCAB), np.float32)
    for row, values in zip(table, rows, strict=True):
        for token, value in values.items():
            row[token] = value
    return table


def unmasker(select: Select, never: tuple[int, ...] = (), **sampling: float) -> Unmasker:
    return Unmasker(select, never, Sampling(**sampling))  # type: ignore[arg-type]


def canvas(masks: int, most: int = 8) -> SpanCanvas:
    return SpanCanvas(masks, most=most, expand=EXPAND, delete=DELETE)


def test_a_threshold_fills_all_that_is_certain() -> None:
    found = unmasker(LIKELY).step(canvas(3), logits({1: 12}, {2: 3}, {3: 14}))
    assert (found.places, found.tokens) == ((0, 2), (1, 3))
    assert found.logprobs[1] == pytest.approx(0.0, abs=1e-3)


def test_the_most_certain_mask_is_filled_in_any_case() -> None:
    found = unmasker(Threshold(0.0)).step(canvas(3), logits({1: 1}, {2: 3}, {3: 2}))
    assert (found.places, found.tokens) == ((1,), (2,))


def test_an_entropy_bound_fills_the_surest_until_their_doubt_adds_up() -> None:
    rows = logits({1: 12}, {2: 2}, {3: 10}, {4: 1})
    assert unmasker(EntropyBound(0.5)).step(canvas(4), rows).places == (0, 1, 2), (
        "the largest doubt is not counted"
    )
    assert unmasker(EntropyBound(99.0)).step(canvas(4), rows).places == (0, 1, 2, 3)


def test_a_fixed_number_fills_so_many() -> None:
    rows = logits({1: 12}, {2: 2}, {3: 10})
    assert unmasker(Fixed(2)).step(canvas(3), rows).places == (0, 2)


def test_stability_waits_for_a_second_look_that_agrees() -> None:
    span, chooser = canvas(3), unmasker(Stable(np.log(0.5), 0.1))
    first = chooser.step(span, logits({1: 9}, {2: 8}, {3: 7}))
    assert first.places == (0,), "nothing is stable yet, so only the surest"
    span.commit(first)
    second = chooser.step(span, logits({2: 8}, {4: 7}))
    assert second.places == (1,), "the other one has moved"


def test_drift_follows_a_mask_that_has_moved_and_starts_anew_for_new_ones() -> None:
    span, chooser = canvas(2), unmasker(Stable(np.log(0.5), 0.1))
    first = chooser.step(span, logits({EXPAND: 9}, {2: 8}))
    span.commit(first)
    assert len(span.cells) == 3
    second = chooser.step(span, logits({3: 9}, {4: 9}, {2: 8}))
    assert second.places == (0, 2)


def test_temperature_0_takes_the_likeliest_and_the_earliest_of_equals() -> None:
    assert unmasker(Fixed(1)).step(canvas(1), logits({5: 3, 6: 3})).tokens == (5,)


def test_sampling_depends_on_its_seed_alone() -> None:
    rows = logits(*[{1: 1, 2: 1.2, 3: 0.9}] * 6)
    drawn = [
        unmasker(Fixed(6), temperature=1.0, seed=seed).step(canvas(6), rows).tokens
        for seed in (3, 3, 4)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("top_p", "allowed"), [(0.5, {1}), (0.85, {1, 2}), (0.0, {1})])
def test_sampling_stays_within_the_likeliest_share(top_p: float, allowed: set[int]) -> None:
    row = dict.fromkeys(range(VOCAB), -30.0)
    row |= {1: np.log(0.6), 2: np.log(0.3), 3: np.log(0.1)}
    chooser = unmasker(Fixed(1), temperature=1.0, top_p=top_p)
    drawn = {chooser.step(canvas(1), logits(row)).tokens[0] for _ in range(200)}
    assert drawn == allowed


def test_what_may_never_stand_is_never_drawn_and_its_share_goes_to_the_others() -> None:
    rows = logits({1: 30, 2: 15})
    for temperature in (0.0, 2.0):
        found = unmasker(Fixed(1), never=(1,), temperature=temperature, top_p=0.5).step(
            canvas(1), rows
        )
        assert found.tokens == (2,)
    span = canvas(1)
    span.cells[0].banned.add(1)
    found = unmasker(Fixed(1)).step(span, rows)
    assert found.tokens == (2,)
    assert found.logprobs[0] == pytest.approx(0.0, abs=1e-4)


def test_without_room_no_mask_expands() -> None:
    rows = logits({EXPAND: 20, 4: 10})
    assert unmasker(Fixed(1)).step(canvas(1, most=2), rows).tokens == (EXPAND,)
    assert unmasker(Fixed(1)).step(canvas(1, most=1), rows).tokens == (4,)


def test_the_opening_holds_for_the_first_cell_only() -> None:
    rows = logits({1: 20, 7: 1}, {1: 20})
    opening = np.array([6, 7])
    assert unmasker(Fixed(2)).step(canvas(2), rows, opening).tokens == (7, 1)
    span = canvas(2)
    span.commit(Step(places=(0,), tokens=(6,), logprobs=(0.0,)))
    assert unmasker(Fixed(2)).step(span, rows[1:], opening).tokens == (1,)


@pytest.mark.parametrize("select", [LIKELY, EntropyBound(1.0), Fixed(2), Stable(-1.0, 1.0)])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_place_with_no_token_left_is_left_alone(select: Select, temperature: float) -> None:
    span, chooser = canvas(2), unmasker(select, temperature=temperature)
    span.cells[0].banned.update(range(VOCAB))
    for _ in range(2):
        found = chooser.step(span, logits({1: 20}, {2: 9}))
        assert found.places == (1,)
        assert span.cells[0].belief is None
    span.cells[1].banned.update(range(VOCAB))
    assert chooser.step(span, logits({1: 20}, {2: 9})).places == ()
    assert unmasker(select).step(canvas(0), logits()).places == ()


def test_masks_show_what_would_have_been_filled_in() -> None:
    span = canvas(2)
    unmasker(LIKELY).step(span, logits({1: 12}, {2: 3}))
    belief = span.cells[1].belief
    assert belief is not None
    assert belief[0] == 2
    assert np.exp(belief[1]) == pytest.approx(np.exp(3) / (np.exp(3) + 29), abs=1e-3)


def test_doubtful_cells_come_worst_first_and_never_those_that_are_demanded() -> None:
    span = SpanCanvas(2, most=9, required=[[7]])
    span.commit(Step(places=(0, 1, 3, 4), tokens=(1, 2, 3, 4), logprobs=(-0.1, -2.0, -5.0, -3.0)))
    assert doubtful(span, -1.0, 2) == [3, 4]
    assert doubtful(span, -9.0, 2) == []


@given(
    seed=st.integers(0, 1000),
    masks=st.integers(1, 6),
    temperature=st.sampled_from([0.0, 0.7]),
    select=st.sampled_from([LIKELY, EntropyBound(0.3), Fixed(2), Stable(-2.0, 0.5)]),
)
def test_each_step_fills_something_that_is_allowed(
    seed: int, masks: int, temperature: float, select: Select
) -> None:
    random = np.random.default_rng(seed)
    span, chooser = canvas(masks), unmasker(select, never=(0, 1), temperature=temperature)
    for _ in range(8 * 4):
        if not span.masks:
            break
        rows = random.normal(0, 4, (len(span.masks), VOCAB)).astype(np.float32)
        found = chooser.step(span, rows)
        assert found.places
        assert set(found.places) <= set(span.masks)
        assert not {0, 1} & set(found.tokens)
        assert all(logprob <= 1e-5 for logprob in found.logprobs)
        span.commit(found)
    assert not span.masks


@pytest.mark.parametrize(
    ("select", "rows", "close"),
    [
        (LIKELY, ({1: 14}, {2: 3}), False),
        (LIKELY, ({1: 14, 4: 13.99}, {2: 3}), True),  # another token for the chosen place
        (LIKELY, ({1: 9}, {2: 9.01}), False),  # both are taken, whichever is likelier
        (LIKELY, ({1: 4}, {2: 4.01}), True),  # neither is likely, and one of them is taken
        (LIKELY, ({1: 14}, {2: 5.55}), True),  # the second is nearly likely enough
        (LIKELY, ({1: 14}, {2: 6.0}), False),
        (Fixed(1), ({1: 5, 3: 4.93}, {2: 2}), True),
        (Fixed(1), ({1: 2}, {2: 2.06}), False),  # places may be nearer than tokens
        (Fixed(1), ({1: 5}, {2: 5.01}), True),
        (Fixed(1), ({1: 5}, {2: 9}), False),
        (Fixed(2), ({1: 5}, {2: 5.01}), False),
        (EntropyBound(0.5), ({1: 12}, {2: 2}), False),
        (Stable(np.log(0.5), 0.1), ({1: 12}, {2: 2}), False),
    ],
)
def test_a_call_is_close_where_a_little_would_change_it(
    select: Select, rows: tuple[dict[int, float], ...], close: bool
) -> None:
    span = canvas(2)
    assert unmasker(select).is_close(span, logits(*rows), 0.08) is close
    assert not unmasker(select).is_close(span, logits(*rows), 0.0)
    assert all(cell.last is None and cell.belief is None for cell in span.cells)


def test_what_is_drawn_or_impossible_is_no_close_call() -> None:
    rows = logits({1: 5}, {2: 5})
    assert not unmasker(LIKELY, temperature=0.7).is_close(canvas(2), rows, 0.1)
    nothing = unmasker(LIKELY, tuple(range(VOCAB)))
    assert not nothing.is_close(canvas(2), rows, 0.1)
    assert not unmasker(LIKELY).is_close(canvas(0), logits(), 0.1)


@given(
    values=st.lists(st.floats(0, 14), min_size=6, max_size=6),
    off=st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    select=st.sampled_from([LIKELY, Fixed(1), Fixed(2), Threshold(-0.5)]),
)
def test_a_call_that_is_not_close_stays_the_same_when_the_logits_are_a_little_off(
    values: list[float], off: list[float], select: Select
) -> None:
    rows = logits(*({n: values[2 * n], n + 9: values[2 * n + 1]} for n in range(3)))
    # Log-probabilities move by 0.04 at most, a gap between two by 0.08.
    changes = logits(*({n: off[2 * n], n + 9: off[2 * n + 1]} for n in range(3)))
    moved = (rows + changes / 50).astype(np.float32)
    chooser = unmasker(select)
    if not chooser.is_close(canvas(3), rows, 0.21):
        before, after = chooser.step(canvas(3), rows), chooser.step(canvas(3), moved)
        assert (before.places, before.tokens) == (after.places, after.tokens)
