"""The twin of the head, against softmax as torch computes it; needs no Triton."""

from __future__ import annotations

import pytest
import torch

from midspan_kernels.confidence import Sampling
from midspan_kernels.head import score_rows
from midspan_kernels.reference.head import gumbel
from midspan_kernels.reference.head import score_rows as twin
from midspan_kernels.weights import quantise


def test_the_twin_is_softmax() -> None:
    hidden, head = torch.randn(6, 32), torch.randn(100, 32)
    shares = (hidden @ head.T).log_softmax(-1)
    tokens = torch.randint(0, 100, (6, 3)).int()
    scores = twin(hidden, head, tokens=tokens)
    top = shares.topk(2)
    assert torch.equal(scores.tokens, top.indices[:, 0].int())
    torch.testing.assert_close(scores.logprobs, top.values[:, 0])
    torch.testing.assert_close(scores.margins, top.values[:, 0] - top.values[:, 1])
    torch.testing.assert_close(scores.entropies, -(shares.exp() * shares).sum(-1))
    torch.testing.assert_close(scores.given_logprobs, shares.gather(1, tokens.long()))


def test_draws_follow_the_distribution() -> None:
    chances = torch.tensor([0.5, 0.3, 0.15, 0.05])
    count = 4000
    scores = twin(
        torch.ones(count, 1),
        chances.log()[:, None].contiguous(),
        sampling=Sampling(seeds=torch.arange(count), temperatures=torch.ones(count)),
    )
    assert scores.sampled is not None
    found = torch.bincount(scores.sampled.long(), minlength=4) / count
    torch.testing.assert_close(found, chances, atol=0.03, rtol=0)


def test_the_noise_is_philox() -> None:
    """Philox4x32-10 of counter 0 and key 0 begins with 6627e8d5 (Random123's test vector)."""
    uniform = ((0x6627E8D5 >> 9) + 0.5) * 2.0**-23
    wanted = -torch.log(-torch.log(torch.tensor(uniform)))
    torch.testing.assert_close(gumbel(torch.zeros(1, dtype=torch.int64), 1)[0, 0], wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": torch.zeros(0, 128)}, "no rows"),
        ({"hidden": torch.zeros(128)}, r"hidden must be \[any, any\]"),
        ({"head": torch.zeros(9, 64)}, r"head must be \[any, 128\]"),
        ({"head": torch.zeros(128, 9).T}, "pass head.contiguous"),
        ({"head": torch.zeros(9, 128).half()}, "head must be float32"),
        ({"head": quantise(torch.zeros(9, 128), 4)}, "pass quantise"),
        ({"head": quantise(torch.zeros(9, 256), 8)}, "takes 256 inputs"),
        ({"tokens": torch.zeros(2, 9).int()}, "1 to 8"),
        ({"tokens": torch.zeros(2, 1)}, "tokens must be int32"),
        ({"allowed": torch.ones(8, dtype=torch.bool)}, r"allowed must be \[9\]"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, torch.Tensor], message: str) -> None:
    call = {"hidden": torch.zeros(2, 128), "head": torch.zeros(9, 128)} | change
    with pytest.raises(ValueError, match=message):
        score_rows(**call)  # type: ignore[arg-type]
