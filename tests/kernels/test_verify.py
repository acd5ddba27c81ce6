"""Verified steps: the kernel against its twin, and the text against greedy decoding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_kernels.confidence import RowConfidence
from midspan_kernels.reference import verify as reference
from midspan_kernels.spans import MASK, Spans, guessed_spans
from midspan_kernels.verify import confirm, next_ids

VOCAB = 40
NO_END = torch.tensor([VOCAB]).int()


def fresh(requests: int, cells: int, room: int) -> Spans:
    first = torch.arange(requests).int() + 1
    return guessed_spans(first, first * 7, cells=cells, room=room)


def greedy(token: torch.Tensor) -> torch.Tensor:
    """The network of these tests: what comes depends on the last token alone."""
    return (token * 17 + 5) % VOCAB


def scores_of(spans: Spans, seed: int) -> RowConfidence:
    """Causal rows say what greedy decoding says; blocks are right now and then."""
    make = torch.Generator().manual_seed(seed)
    requests, rows = spans.ids.shape
    cells = int(rows**0.5) - 1
    tokens = torch.randint(0, VOCAB, (requests, rows), generator=make).int()
    tokens[:, : cells + 1] = greedy(spans.ids[:, : cells + 1])
    block = greedy(greedy(spans.ids[:, : cells + 1])).repeat_interleave(cells, 1)
    lucky = torch.rand(requests, rows - cells - 1, generator=make) < 0.7
    for cell in range(cells):
        tokens[:, cells + 1 + cell :: cells][:, : cells + 1] = torch.where(
            lucky[:, cell::cells], block[:, cell::cells], tokens[:, cells + 1 + cell :: cells]
        )
        block = greedy(block)
    return RowConfidence(
        tokens=tokens.reshape(-1),
        logprobs=-torch.rand(requests * rows, generator=make),
        margins=torch.zeros(requests * rows),
        entropies=torch.zeros(requests * rows),
        log_normalisers=torch.zeros(requests * rows),
        given_logprobs=-torch.rand(requests * rows, 1, generator=make) - 0.5,
    )


@settings(max_examples=40)
@given(
    requests=st.integers(1, 3),
    cells=st.integers(1, 8),
    room=st.integers(1, 30),
    ratio=st.sampled_from([0.0, -0.4, -2.0]),
    seed=st.integers(0, 1000),
)
def test_the_kernel_agrees_with_its_twin(
    requests: int, cells: int, room: int, ratio: float, seed: int
) -> None:
    pytest.importorskip("triton")
    mine, twin = fresh(requests, cells, room), fresh(requests, cells, room)
    ratios = torch.full((requests,), ratio)
    for step in range(4):
        scores = scores_of(mine, seed + step)
        confirm(mine, scores, ratios, torch.tensor([11, 12]).int())
        reference.confirm(twin, scores, ratios, torch.tensor([11, 12]).int())
        for name, left, right in zip(mine.__slots__, mine.tensors, twin.tensors, strict=True):
            assert torch.equal(left, right), name


def test_the_text_is_that_of_greedy_decoding_in_fewer_passes() -> None:
    spans = fresh(3, 4, 24)
    passes = 0
    while not bool(spans.done.all()):
        confirm(spans, scores_of(spans, passes), torch.zeros(3), NO_END)
        passes += 1
    token = torch.arange(3).int() + 1
    for place in range(24):
        token = greedy(token)
        assert torch.equal(spans.tokens[:, place], token)
    assert passes < 20


def test_positions_and_places_follow_what_was_committed() -> None:
    spans = fresh(1, 2, 10)
    first = spans.positions.clone()
    assert first[0].tolist() == [7, 8, 9, 8, 9, 9, 10, 10, 11]
    assert spans.behind[0].tolist() == [-1, -1, -1, 0, 0, 1, 1, 2, 2]
    scores = scores_of(spans, 1)
    spans.ids[0, 1] = scores.tokens[0]  # the first guess is right, the second is not
    spans.ids[0, 2] = (scores.tokens[1] + 1) % VOCAB
    confirm(spans, scores, torch.zeros(1), NO_END)
    assert spans.tokens[0, :3].tolist() == [*scores.tokens[:2].tolist(), MASK]
    assert torch.equal(spans.positions, first + 2)
    assert int(spans.starts) == 9
    assert spans.ids[0].tolist() == [*scores.tokens[[1, 5, 6]].tolist(), *[MASK] * 6]


def test_a_guess_nearly_as_likely_stands_where_that_is_allowed() -> None:
    spans = fresh(1, 1, 10)
    scores = RowConfidence(
        tokens=torch.tensor([20, 21, 22, 23]).int(),
        logprobs=torch.full((4,), -0.5),
        margins=torch.zeros(4),
        entropies=torch.zeros(4),
        log_normalisers=torch.zeros(4),
        given_logprobs=torch.full((4, 1), -0.75),
    )
    spans.ids[0, 1] = 30
    strict, tolerant = fresh(1, 1, 10), spans
    strict.ids[0, 1] = 30
    confirm(strict, scores, torch.zeros(1), NO_END)
    confirm(tolerant, scores, torch.full((1,), -0.3), NO_END)
    assert strict.tokens[0, :2].tolist() == [20, MASK]
    assert tolerant.tokens[0, :2].tolist() == [30, 21]
    assert tolerant.logprobs[0, 0] == -0.75


def test_the_next_ids_are_those_of_the_rows_behind() -> None:
    spans = fresh(2, 1, 4)
    spans.ids[0] = torch.tensor([5, 6, MASK, MASK])
    assert next_ids(spans)[:2, 0].tolist() == [6, MASK]


def test_scores_without_the_guesses_are_refused() -> None:
    spans = fresh(1, 2, 4)
    with pytest.raises(ValueError, match="pass tokens=next_ids"):
        confirm(spans, replace(scores_of(spans, 0), given_logprobs=None), torch.zeros(1), NO_END)
