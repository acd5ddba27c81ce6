"""Denoise steps: the kernel against its twin, the twin against the engine's own policy."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_engine.decoding import unmask as engine
from midspan_engine.decoding.canvas import Canvas
from midspan_engine.runtime import rows
from midspan_engine.runtime.blocks import CachedSequence
from midspan_kernels.confidence import RowConfidence
from midspan_kernels.head import score_rows
from midspan_kernels.reference import unmask as reference
from midspan_kernels.spans import MASK, Spans, masked_spans
from midspan_kernels.unmask import ENTROPY_BOUND, FIXED, THRESHOLD, Policies, unmask

ENDS = torch.tensor([3, 9]).int()
NO_END = torch.tensor([99]).int()


def random_scores(rows: int, seed: int) -> RowConfidence:
    make = torch.Generator().manual_seed(seed)
    return RowConfidence(
        tokens=torch.randint(-1 if seed % 5 == 0 else 0, 40, (rows,), generator=make).int(),
        logprobs=-torch.rand(rows, generator=make),
        margins=torch.rand(rows, generator=make),
        entropies=torch.rand(rows, generator=make),
        log_normalisers=torch.zeros(rows),
    )


def fresh(requests: int, cells: int, room: int = 20) -> Spans:
    starts = (torch.arange(requests) * 10).int()
    return masked_spans(torch.arange(requests).int() + 50, starts, cells=cells, room=room)


def one_policy(kind: int, limit: float, requests: int = 1) -> Policies:
    return Policies(
        kinds=torch.full((requests,), kind).int(), limits=torch.full((requests,), float(limit))
    )


def assert_same(left: Spans, right: Spans) -> None:
    for name, mine, theirs in zip(left.__slots__, left.tensors, right.tensors, strict=True):
        assert torch.equal(mine, theirs), name


@settings(max_examples=40)
@given(
    requests=st.integers(1, 4),
    cells=st.sampled_from([1, 7, 8, 31]),
    room=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_the_kernel_agrees_with_its_twin(requests: int, cells: int, room: int, seed: int) -> None:
    pytest.importorskip("triton")
    make = torch.Generator().manual_seed(seed)
    policies = Policies(
        kinds=torch.randint(0, 3, (requests,), generator=make).int(),
        limits=torch.randint(-2, 4, (requests,), generator=make) / 2,
    )
    mine, twin = fresh(requests, cells, room), fresh(requests, cells, room)
    for step in range(4):
        scores = random_scores(requests * (cells + 1), seed + step)
        unmask(mine, scores, policies, ENDS)
        reference.unmask(twin, scores, policies, ENDS)
        assert_same(mine, twin)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(THRESHOLD, math.log(0.5)), (THRESHOLD, -math.inf), (ENTROPY_BOUND, 2.5), (FIXED, 3)],
)
def test_a_step_is_the_step_of_the_engine(kind: int, limit: float) -> None:
    selects: dict[int, engine.Select] = {
        THRESHOLD: engine.Threshold(limit),
        ENTROPY_BOUND: engine.EntropyBound(limit),
        FIXED: engine.Fixed(int(max(limit, 0))),
    }
    for seed in range(8):
        logits = torch.randn(6, rows.TOP, generator=torch.Generator().manual_seed(seed)) * 2
        top = logits.topk(rows.TOP)
        canvas = Canvas(CachedSequence(), 50)
        canvas.cells = ((MASK,) * 5,)
        commit = engine.Denoise(selects[kind], 5)(
            canvas,
            rows.RowScores(
                logits=logits.numpy(),
                top_ids=top.indices.int().numpy(),
                top_logits=top.values.numpy(),
                log_normaliser=logits.logsumexp(-1).numpy(),
            ),
            likeliest,
        )
        spans = fresh(1, 5)
        unmask(spans, score_rows(logits, torch.eye(rows.TOP)), one_policy(kind, limit), NO_END)
        count = len(commit.tokens)
        assert spans.tokens[0, : count + 1].tolist() == [*commit.tokens, MASK]
        assert spans.logprobs[0, :count].tolist() == pytest.approx(commit.logprobs, abs=1e-5)
        assert tuple(spans.ids[0, 6:].tolist()) == commit.cells[0]


def likeliest(scores: Any, row: int) -> tuple[int, float]:
    token = int(scores.top_ids[row, 0])
    return token, scores.logprob(row, token)


def scores_of(tokens: list[int], logprobs: list[float]) -> RowConfidence:
    zeros = torch.zeros(len(tokens))
    return RowConfidence(
        tokens=torch.tensor(tokens).int(),
        logprobs=torch.tensor(logprobs, dtype=torch.float32),
        margins=zeros,
        entropies=zeros,
        log_normalisers=zeros,
    )


def test_a_run_is_committed_and_what_is_behind_a_gap_stays_tentative() -> None:
    spans = fresh(1, 4)
    step = scores_of([10, 11, 12, 13, 14], [-9, -0.1, -9, -0.1, -9])
    unmask(spans, step, one_policy(THRESHOLD, -1), ENDS)
    assert spans.tokens[0, :3].tolist() == [10, 11, MASK]
    # Two causal rows and three that nobody needs; cells: 12 was not chosen, 13 was.
    assert spans.ids[0].tolist() == [10, 11, 0, 0, 0, MASK, 13, MASK, MASK]
    assert spans.positions[0].tolist() == [1, 2, 3, 4, 5, 3, 4, 5, 6]
    assert spans.behind[0].tolist() == [-1] * 5 + [1] * 4
    assert spans.wanted[0].tolist() == [1, 5, 6, 7, 8]
    assert (int(spans.starts), int(spans.leads), int(spans.lengths)) == (1, 2, 2)


def test_a_tentative_token_that_is_not_chosen_again_is_masked_again() -> None:
    spans = fresh(1, 4)
    policy = one_policy(THRESHOLD, -1)
    unmask(spans, scores_of([10, 11, 12, 13, 14], [-9, -9, -9, -0.1, -9]), policy, ENDS)
    assert spans.ids[0, 5:].tolist() == [MASK, MASK, 13, MASK]
    unmask(spans, scores_of([11, 12, 13, 14, 15], [-9, -9, -9, -9, -9]), policy, ENDS)
    assert spans.ids[0, 5:].tolist() == [MASK] * 4


def test_nothing_is_committed_behind_a_token_that_ends_the_text() -> None:
    spans = fresh(1, 4)
    unmask(spans, scores_of([10, 3, 12, 13, 14], [0] * 5), one_policy(THRESHOLD, -1), ENDS)
    assert spans.tokens[0, :3].tolist() == [10, 3, MASK]
    assert int(spans.done) == 1
    before = copy.deepcopy(spans)
    unmask(spans, scores_of([20, 21, 22, 23, 24], [0] * 5), one_policy(THRESHOLD, -1), ENDS)
    assert_same(spans, before)


def test_a_span_never_outgrows_its_room() -> None:
    spans = fresh(1, 4, room=3)
    unmask(spans, scores_of([10, 11, 12, 13, 14], [0] * 5), one_policy(FIXED, 4), ENDS)
    assert spans.tokens[0].tolist() == [10, 11, 12]
    assert int(spans.done) == 1


def test_a_row_without_any_token_ends_the_span() -> None:
    spans = fresh(1, 2)
    unmask(spans, scores_of([-1, 11, 12], [-math.inf, 0, 0]), one_policy(FIXED, 2), ENDS)
    assert (int(spans.lengths), int(spans.done)) == (0, 1)


def test_what_does_not_fit_is_refused() -> None:
    spans = fresh(2, 4)
    with pytest.raises(ValueError, match=r"scores.tokens must be \[10\]"):
        unmask(spans, random_scores(9, 1), one_policy(FIXED, 1, 2), ENDS)
    with pytest.raises(ValueError, match=r"kinds must be \[2\]"):
        unmask(spans, random_scores(10, 1), one_policy(FIXED, 1), ENDS)
    wrong = replace(random_scores(10, 1), logprobs=torch.zeros(10).int())
    with pytest.raises(ValueError, match="logprobs must be float32"):
        unmask(spans, wrong, one_policy(FIXED, 1, 2), ENDS)
    with pytest.raises(ValueError, match="1 to 31 cells"):
        fresh(1, 32)
