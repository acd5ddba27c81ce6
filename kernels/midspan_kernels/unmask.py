"""One denoise step on the device: choose cells, commit, mask the rest again, set up the next pass.

Source: midspan_engine.decoding.unmask, `Denoise`; confidence threshold (Fast-dLLM, Wu et al. 2025,
arXiv 2505.22618), entropy bound (EB-Sampler, Ben-Hamu et al. 2025, arXiv 2505.24857), remasking
(ReMDM, Wang et al. 2025, arXiv 2503.00307; WINO, Hong et al. 2025).

Bytes: 12 for each scored row read, about 16 for each row of the next pass written; nothing.

Why it stays: not for bytes but for the round trip. A step on the host waits for the pass, copies
scores, decides and launches again, and the GPU idles in between. As torch operations (sort,
cumulative sums, gathers, index writes) the step is some 25 launches. It is for spans that end by
number or by token; the engine's end where their text says so, which the host alone can read, after
so few passes that running past the end costs more than the turns (`docs/gpu.md`, `bench/gpu.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from midspan_kernels.capability import backend
from midspan_kernels.checks import INTEGERS, check_device, check_dtype, check_shape

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.confidence import RowConfidence
    from midspan_kernels.spans import Spans

THRESHOLD, ENTROPY_BOUND, FIXED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Which cells each request fills in a step; requests of a batch may differ.

    Attributes:
        kinds: int32 `[requests]`. THRESHOLD: cells whose best token is likely enough.
            ENTROPY_BOUND: the most certain cells while the sum of their entropies, without the
            largest, stays within a bound. FIXED: so many of the most likely.
        limits: float32 `[requests]`: smallest log-probability, bound in nats, or number of cells.
    """

    kinds: Tensor
    limits: Tensor


def unmask(spans: Spans, scores: RowConfidence, policies: Policies, ends: Tensor) -> None:
    """Apply one step to `spans` of `masked_spans`, in place.

    The first open position is always filled, for its row is causal. What is filled right behind
    the committed tokens is committed, up to a token that ends the text; what is filled behind a gap
    stays tentative and is judged again; everything else is masked.

    Args:
        spans: To be changed.
        scores: Of `spans.wanted`, request by request: `requests * (cells + 1)` rows.
        policies: How to choose.
        ends: Tokens that end a text, int32 `[ends]`; they are committed too.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    requests, wanted = spans.wanted.shape
    check_shape("spans.ids", spans.ids, (requests, 2 * wanted - 1))
    scores.check(requests * wanted)
    for name, tensor in (("kinds", policies.kinds), ("limits", policies.limits)):
        check_shape(name, tensor, (requests,))
    check_dtype("kinds", policies.kinds, INTEGERS)
    check_dtype("limits", policies.limits, (torch.float32,))
    check_shape("ends", ends, (None,))
    check_dtype("ends", ends, INTEGERS)
    check_device(spans=spans.ids, scores=scores.tokens, kinds=policies.kinds, ends=ends)
    backend("unmask", spans.ids).unmask(spans, scores, policies, ends)
