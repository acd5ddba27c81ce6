from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.canvas.cells import MASK, SpanCanvas, Step

EXPAND, DELETE = 90, 91


def canvas(masks: int, most: int = 8, **changes: object) -> SpanCanvas:
    return SpanCanvas(masks, most=most, expand=EXPAND, delete=DELETE, **changes)  # type: ignore[arg-type]


def step(**tokens: int) -> Step:
    """`p0=5` fills place 0 with 5."""
    places = tuple(int(name[1:]) for name in tokens)
    return Step(places=places, tokens=tuple(tokens.values()), logprobs=(-0.5,) * len(places))


def test_a_step_may_fill_grow_and_shrink_at_once() -> None:
    span = canvas(4)
    span.commit(step(p0=5, p1=EXPAND, p2=DELETE, p3=7))
    assert span.ids(99).tolist() == [5, 99, 99, 7]
    assert span.masks == [1, 2]
    assert span.tokens == [5, 7]
    assert span.logprobs == [-0.5, -0.5]
    assert span.deletes == [-0.5]


def test_a_span_grows_no_further_than_it_may() -> None:
    span = canvas(2, most=3)
    span.commit(step(p0=EXPAND, p1=EXPAND))
    assert span.masks == [0, 1, 2]
    assert not span.may_expand
    assert not SpanCanvas(1, most=9).may_expand


def test_a_mask_that_expands_and_deletes_for_ever_comes_to_an_end() -> None:
    span = canvas(1, most=4)
    for _ in range(100):
        if not span.may_expand:
            break
        span.commit(step(p0=EXPAND))
        span.commit(step(p0=DELETE))
    assert not span.may_expand
    assert span.masks == [0]


def test_required_runs_have_masks_on_both_sides_and_stay() -> None:
    span = canvas(2, most=12, required=[[1, 2], [3]])
    assert span.ids(99).tolist() == [99, 99, 1, 2, 99, 99, 3, 99, 99]
    span.mask_again(range(9))
    span.refuse(range(9))
    assert span.tokens == [1, 2, 3]
    assert span.logprobs == []


def test_what_is_masked_again_keeps_its_bans_and_a_refused_token_joins_them() -> None:
    span = canvas(2)
    span.cells[0].banned.add(4)
    span.commit(step(p0=5, p1=6))
    span.mask_again([0])
    assert span.cells[0].banned == {4}
    span.commit(step(p0=5))
    span.refuse([0, 1])
    assert [cell.banned for cell in span.cells] == [{4, 5}, {6}]
    assert span.masks == [0, 1]


def test_too_many_refusals_exhaust_a_place() -> None:
    span = canvas(1)
    for token in range(100):
        span.commit(step(p0=token))
        span.refuse([0])
        if span.exhausted:
            break
    assert 8 < token < 64


def test_growing_is_bounded_and_over_once_the_end_is_known() -> None:
    span = canvas(3, most=5)
    assert span.grow(4)
    assert len(span.cells) == 5
    assert not span.grow(4)
    span.cut(2)
    span.closed = True
    assert not span.grow(4)
    assert len(span.cells) == 2


@given(data=st.data())
def test_whatever_is_committed_the_cells_stay_in_order_and_in_bounds(data: st.DataObject) -> None:
    most = data.draw(st.integers(1, 10))
    span = canvas(data.draw(st.integers(1, most)), most=most)
    number = 100
    for _ in range(40):
        if not span.masks:
            break
        places = sorted(data.draw(st.sets(st.sampled_from(span.masks), min_size=1)))
        tokens = []
        for _ in places:
            number += 1
            tokens.append(data.draw(st.sampled_from([EXPAND, DELETE, number])))
        kept = [(p, t) for p, t in zip(places, tokens, strict=True) if t not in {EXPAND, DELETE}]
        before = span.tokens
        span.commit(Step(places=tuple(places), tokens=tuple(tokens), logprobs=(0.0,) * len(places)))
        assert set(span.tokens) == {*before, *(token for _, token in kept)}
        assert [t for t in span.tokens if t in before] == before
        assert len(span.cells) <= most
        assert len(span.deletes) <= 2 * most + 10
    assert MASK not in span.tokens


def test_ids_are_what_the_network_reads() -> None:
    assert canvas(1).ids(7).dtype == np.int32
    filled = canvas(1)
    filled.commit(step(p0=5))
    with pytest.raises(AssertionError):
        filled.commit(step(p0=6))
