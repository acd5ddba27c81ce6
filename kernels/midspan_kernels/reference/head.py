"""Twin of `device.head`."""

from __future__ import annotations

import torch
from torch import Tensor

from midspan_kernels.confidence import RowConfidence, Sampling
from midspan_kernels.weights import QuantisedWeight, restore

LIMIT = 1e30
LOWEST = -2e30
_WORD = 0xFFFFFFFF
_NOBODY = 2**31 - 1


def score_rows(
    hidden: Tensor,
    head: Tensor | QuantisedWeight,
    *,
    tokens: Tensor | None = None,
    allowed: Tensor | None = None,
    sampling: Sampling | None = None,
    ranked: int = 0,
) -> RowConfidence:
    """See `midspan_kernels.head.score_rows`."""
    weight = restore(head) if isinstance(head, QuantisedWeight) else head
    logits = _usable(hidden.float() @ weight.float().T, allowed)
    best, second = _two_best(logits)
    shifted = logits - best[:, None]
    total = shifted.exp().sum(-1)
    mean = (shifted.exp() * shifted).sum(-1) / total
    normaliser = best + total.log()
    none = best <= LOWEST
    given = None if tokens is None else _logits_of(logits, tokens) - normaliser[:, None]
    best_ids, best_logits = _rank(logits, ranked) if ranked else (None, None)
    sampled, sampled_logprobs = _sample(logits, normaliser, sampling)
    return RowConfidence(
        tokens=_first(logits, best),
        logprobs=torch.where(none, -torch.inf, -total.log()),
        margins=torch.where(second <= LOWEST, torch.inf, best - second),
        entropies=torch.where(none, 0.0, total.log() - mean),
        log_normalisers=torch.where(none, -torch.inf, normaliser),
        given_logprobs=given,
        ranked=best_ids,
        ranked_logits=best_logits,
        sampled=sampled,
        sampled_logprobs=sampled_logprobs,
    )


def _usable(logits: Tensor, allowed: Tensor | None) -> Tensor:
    bounded = logits.clamp(-LIMIT, LIMIT)
    usable = torch.where(logits.isnan(), LOWEST, bounded)
    return usable if allowed is None else usable.masked_fill(~allowed, LOWEST)


def _two_best(logits: Tensor) -> tuple[Tensor, Tensor]:
    padded = torch.nn.functional.pad(logits, (0, 1), value=LOWEST)
    top = padded.topk(2, dim=-1).values
    return top[:, 0], top[:, 1]


def _first(values: Tensor, best: Tensor) -> Tensor:
    """The lowest token with the best value; -1 where none may come."""
    places = torch.arange(values.shape[1], device=values.device)
    first = torch.where(values == best[:, None], places, values.shape[1]).amin(-1)
    return torch.where(best <= LOWEST, -1, first).int()


def _rank(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The most likely tokens and their logits, best first; the lower id first in a tie."""
    padded = torch.nn.functional.pad(logits, (0, count), value=LOWEST)
    bits = (padded + 0.0).view(torch.int32)  # -0 is 0
    ordered = (bits ^ ((bits >> 31) & _NOBODY)).long()
    keys = (ordered << 32) | (_NOBODY - torch.arange(padded.shape[1], device=logits.device))
    tokens = _NOBODY - (keys.topk(count).values & _NOBODY)
    found = padded.gather(1, tokens)
    none = found <= LOWEST
    return torch.where(none, -1, tokens).int(), torch.where(none, -torch.inf, found)


def _logits_of(logits: Tensor, tokens: Tensor) -> Tensor:
    found = logits.gather(1, tokens.long().clamp(min=0))
    return torch.where((tokens < 0) | (found <= LOWEST), -torch.inf, found)


def _sample(
    logits: Tensor, normaliser: Tensor, sampling: Sampling | None
) -> tuple[Tensor | None, Tensor | None]:
    if sampling is None:
        return None, None
    warm = sampling.temperatures[:, None]
    noise = gumbel(sampling.seeds, logits.shape[1])
    cold = warm <= 0
    perturbed = torch.where(cold, logits, logits / warm.masked_fill(cold, 1.0) + noise)
    perturbed = torch.where(logits <= LOWEST, LOWEST, perturbed.clamp(-LIMIT, LIMIT))
    token = _first(perturbed, perturbed.amax(-1))
    chosen = logits.gather(1, token.long().clamp(min=0)[:, None])[:, 0]
    return token, torch.where(token < 0, -torch.inf, chosen - normaliser)


def gumbel(seeds: Tensor, count: int) -> Tensor:
    """Standard Gumbel noise `[rows, count]`, float32, from a counter: the same bits everywhere.

    Philox4x32-10 (Salmon et al. 2011) with the row's seed as key and the token as counter.
    """
    counter = torch.arange(count, device=seeds.device).expand(len(seeds), count)
    bits = _philox(seeds[:, None].long(), counter)
    uniform = ((bits >> 9).float() + 0.5) * 2.0**-23
    return -torch.log(-torch.log(uniform))


def _philox(seed: Tensor, counter: Tensor) -> Tensor:
    """First word of the block; 64-bit products wrap, and their bits are still right."""
    low, high = seed & _WORD, (seed >> 32) & _WORD
    c0, c1 = counter & _WORD, torch.zeros_like(counter)
    c2, c3 = c1, c1
    for _ in range(10):
        even, odd = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0 = ((odd >> 32) & _WORD) ^ c1 ^ low
        c2 = ((even >> 32) & _WORD) ^ c3 ^ high
        c1, c3 = odd & _WORD, even & _WORD
        low, high = (low + 0x9E3779B9) & _WORD, (high + 0xBB67AE85) & _WORD
    return c0
