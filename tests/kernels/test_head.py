"""Head and confidence: the kernel against its twin, the twin against plain softmax."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan_kernels.confidence import RowConfidence, Sampling
from midspan_kernels.head import score_rows
from midspan_kernels.reference import head as reference
from midspan_kernels.tolerances import TOLERANCES, worst
from midspan_kernels.weights import QuantisedWeight, quantise, quantise_as_floats

pytest.importorskip("triton")
KINDS = [torch.float32, torch.bfloat16, torch.float16]
FLOATS = (
    "logprobs",
    "margins",
    "entropies",
    "log_normalisers",
    "given_logprobs",
    "ranked_logits",
    "sampled_logprobs",
)


def random_head(
    rows: int, vocab: int, width: int, kind: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    make = torch.Generator().manual_seed(rows * vocab + width)
    hidden = torch.randn(rows, width, generator=make)
    return hidden.to(kind), (torch.randn(vocab, width, generator=make) / width**0.5).to(kind)


def assert_agree(
    hidden: torch.Tensor,
    head: torch.Tensor | QuantisedWeight,
    *,
    tokens: torch.Tensor | None = None,
    allowed: torch.Tensor | None = None,
    sampling: Sampling | None = None,
    ranked: int = 0,
) -> RowConfidence:
    extras = {"tokens": tokens, "allowed": allowed, "sampling": sampling, "ranked": ranked}
    kernel = score_rows(hidden, head, **extras)  # type: ignore[arg-type]
    twin = reference.score_rows(hidden, head, **extras)  # type: ignore[arg-type]
    for name in FLOATS:
        got, wanted = getattr(kernel, name), getattr(twin, name)
        if wanted is not None:
            assert worst("head", got, wanted, hidden.dtype) <= 1, name
    undecided = twin.margins <= TOLERANCES["head", hidden.dtype].absolute
    assert ((kernel.tokens == twin.tokens) | undecided).all()
    if kernel.sampled is not None and twin.sampled is not None:
        assert torch.equal(kernel.sampled, twin.sampled)
    assert (kernel.sampled is None) == (sampling is None)
    return kernel


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "vocab", "width"), [(1, 1, 16), (1, 129, 64), (5, 1000, 96), (17, 515, 128)]
)
def test_the_kernel_agrees_with_its_twin(
    kind: torch.dtype, rows: int, vocab: int, width: int
) -> None:
    hidden, head = random_head(rows, vocab, width, kind)
    tokens = torch.randint(-1, vocab, (rows, 2)).int()
    assert_agree(hidden, head, tokens=tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_an_8_bit_head_agrees(kind: torch.dtype) -> None:
    hidden, head = random_head(3, 300, 256, kind)
    assert_agree(hidden, quantise(head, 8))
    assert_agree(hidden, quantise_as_floats(head))


@settings(max_examples=40)
@given(
    rows=st.integers(1, 20),
    vocab=st.integers(1, 400),
    width=st.integers(1, 70),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    scale=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_any_shape_agrees(
    rows: int, vocab: int, width: int, temperature: float, scale: float
) -> None:
    hidden, head = random_head(rows, vocab, width, torch.float32)
    assert_agree(
        hidden * scale,
        head,
        tokens=torch.arange(rows).int()[:, None] % vocab,
        sampling=Sampling(seeds=torch.arange(rows), temperatures=torch.full((rows,), temperature)),
    )


def test_tokens_that_may_not_come_are_never_the_best() -> None:
    hidden, head = random_head(4, 200, 32, torch.float32)
    allowed = torch.arange(200) >= 150
    scores = assert_agree(hidden, head, allowed=allowed)
    assert (scores.tokens >= 150).all()


def test_where_no_token_may_come_there_is_none() -> None:
    hidden, head = random_head(2, 200, 32, torch.float32)
    sampling = Sampling(seeds=torch.arange(2), temperatures=torch.ones(2))
    scores = assert_agree(
        hidden, head, allowed=torch.zeros(200, dtype=torch.bool), sampling=sampling
    )
    assert scores.tokens.tolist() == [-1, -1]
    assert scores.sampled is not None
    assert scores.sampled.tolist() == [-1, -1]
    assert scores.logprobs.tolist() == [-math.inf, -math.inf]
    assert scores.entropies.tolist() == [0, 0]


def test_a_single_token_that_may_come_is_certain() -> None:
    hidden, head = random_head(2, 300, 32, torch.float32)
    scores = assert_agree(hidden, head, allowed=torch.arange(300) == 260)
    assert scores.tokens.tolist() == [260, 260]
    assert scores.logprobs.tolist() == [0, 0]
    assert scores.margins.tolist() == [math.inf, math.inf]


@pytest.mark.filterwarnings("ignore:.*encountered in matmul:RuntimeWarning")
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 3e38])
def test_values_that_overflow_leave_no_nan_behind(value: float) -> None:
    hidden, head = random_head(3, 200, 32, torch.float32)
    hidden[1, 3] = value
    scores = score_rows(hidden, head)
    for name in ("logprobs", "margins", "entropies"):
        assert not getattr(scores, name).isnan().any(), name
    untouched = score_rows(hidden[[0, 2]], head)
    assert torch.equal(scores.logprobs[[0, 2]], untouched.logprobs)


def test_a_tie_goes_to_the_lowest_id_in_every_stretch() -> None:
    scores = assert_agree(torch.zeros(2, 16), torch.zeros(700, 16))
    assert scores.tokens.tolist() == [0, 0]
    assert scores.margins.tolist() == [0, 0]
    assert scores.entropies.tolist() == pytest.approx([math.log(700)] * 2, rel=1e-5)


def test_a_draw_depends_on_its_own_seed_only() -> None:
    hidden, head = random_head(18, 400, 32, torch.float32)
    seeds = torch.arange(18) + 2**40
    warm = torch.ones(18)
    together = score_rows(hidden, head, sampling=Sampling(seeds=seeds, temperatures=warm)).sampled
    alone = Sampling(seeds=seeds[7:8].clone(), temperatures=warm[:1])
    assert together is not None
    assert score_rows(hidden[7:8], head, sampling=alone).sampled == together[7]


def test_temperature_0_draws_the_best() -> None:
    hidden, head = random_head(5, 300, 32, torch.float32)
    scores = score_rows(
        hidden, head, sampling=Sampling(seeds=torch.arange(5), temperatures=torch.zeros(5))
    )
    assert scores.sampled is not None
    assert torch.equal(scores.sampled, scores.tokens)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ranked", [2, 8])
@pytest.mark.parametrize(("rows", "vocab", "width"), [(1, 5, 16), (3, 1000, 64), (18, 515, 128)])
def test_the_best_tokens_are_ranked(
    kind: torch.dtype, ranked: int, rows: int, vocab: int, width: int
) -> None:
    hidden, head = random_head(rows, vocab, width, kind)
    scores = assert_agree(hidden, head, ranked=ranked)
    assert scores.ranked is not None
    assert scores.ranked_logits is not None
    assert torch.equal(scores.ranked[:, 0], scores.tokens)
    chances = scores.ranked_logits[:, 0] - scores.log_normalisers
    torch.testing.assert_close(chances, scores.logprobs, atol=1e-5, rtol=1e-5)


@settings(max_examples=15)
@given(
    rows=st.integers(1, 4),
    vocab=st.integers(1, 600),
    values=st.integers(1, 40),
    ranked=st.sampled_from([2, 4, 8]),
)
def test_in_a_tie_the_lower_ids_are_ranked_first(
    rows: int, vocab: int, values: int, ranked: int
) -> None:
    head = (torch.arange(vocab) * 7 % values - values // 2).float()[:, None].contiguous()
    hidden = torch.tensor([1.0, -1.0, 0.0, 2.0])[:rows, None].contiguous()
    kernel = score_rows(hidden, head, ranked=ranked)
    assert kernel.ranked is not None
    order = (hidden @ head.T).sort(dim=-1, stable=True, descending=True).indices[:, :ranked]
    assert torch.equal(kernel.ranked[:, : order.shape[1]], order.int())
    assert (kernel.ranked[:, order.shape[1] :] == -1).all()
    twin = reference.score_rows(hidden, head, ranked=ranked)
    assert twin.ranked is not None
    assert torch.equal(kernel.ranked, twin.ranked)


def test_only_what_may_come_is_ranked() -> None:
    hidden, head = random_head(2, 600, 32, torch.float32)
    head[400] = torch.nan
    allowed = (torch.arange(600) % 100 == 0) & (torch.arange(600) > 0)
    scores = assert_agree(hidden, head, allowed=allowed, ranked=8)
    assert scores.ranked is not None
    assert scores.ranked_logits is not None
    assert scores.ranked.sort().values.tolist() == [[-1, -1, -1, -1, 100, 200, 300, 500]] * 2
    assert (scores.ranked_logits == -torch.inf).sum() == 8
    nothing = assert_agree(hidden, head, allowed=torch.zeros(600, dtype=torch.bool), ranked=2)
    assert nothing.ranked is not None
    assert (nothing.ranked == -1).all()
    assert (nothing.log_normalisers == -torch.inf).all()


def test_other_counts_are_not_ranked() -> None:
    with pytest.raises(ValueError, match="ranked must be one of"):
        score_rows(torch.zeros(1, 8), torch.zeros(20, 8), ranked=3)
