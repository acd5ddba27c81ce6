"""How long a span is, for networks that cannot grow or shrink one.

Several lengths are tried at once, as slots that share the cached context (PILL; CAL, arXiv
2602.00476): the confidence of the first pass, less what a length of that size usually gets, picks
the finalists, and the likelihood of what they say and of the text after them picks the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SUFFIX_PROBE = 6
"""Tokens after the span whose likelihood is asked for."""


def first_look(logits: NDArray[np.float32], never: Sequence[int]) -> float:
    """Mean log-probability of the best token over the masks of an untouched span."""
    allowed = logits.copy()
    allowed[:, list(never)] = -np.inf
    high = allowed.max(axis=1)
    normal = high + np.log(np.exp(allowed - high[:, None]).sum(axis=1))
    return float((high - normal).mean())


def finalists(
    scores: Sequence[float], lengths: Sequence[int], usual: dict[int, float], count: int
) -> list[int]:
    """Index of the lengths that look best beside what each usually gets, best first.

    Args:
        scores: Of `first_look`.
        lengths: What was tried.
        usual: Mean of that score by length, over spans of any length.
        count: How many.
    """
    known = np.zeros(len(lengths))
    if usual:
        known = np.interp(lengths, sorted(usual), [usual[key] for key in sorted(usual)])
    order = np.argsort(-(np.asarray(scores) - known), kind="stable")
    return [int(index) for index in order[:count]]


def probe_logprob(logits: NDArray[np.float32], tokens: NDArray[np.int32]) -> float:
    """Mean log-probability of the text's own tokens at the masks that stand for them."""
    high = logits.max(axis=1)
    normal = high + np.log(np.exp(logits - high[:, None]).sum(axis=1))
    return float((logits[np.arange(len(tokens)), tokens] - normal).mean())
