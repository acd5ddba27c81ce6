"""How sure the model is of a suggestion, as one calibrated probability."""

from __future__ import annotations

import math
from dataclasses import dataclass

_FITTED_TOKENS = 16
"""The fit saw single lines; what it learned of their length says nothing of a block's."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logistic regression from what decoding knows to the probability of an exact match."""

    bias: float
    mean_logprob: float
    lowest_logprob: float
    suffix_logprob: float
    tokens: float

    def probability(
        self, *, mean_logprob: float, lowest_logprob: float, suffix_logprob: float, tokens: int
    ) -> float:
        """Return 0..1. Log-probabilities are natural."""
        score = (
            self.bias
            + self.mean_logprob * mean_logprob
            + self.lowest_logprob * lowest_logprob
            + self.suffix_logprob * suffix_logprob
            + self.tokens * math.log1p(min(tokens, _FITTED_TOKENS))
        )
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))


# Fitted on the 457 even single-line tasks, int8, target pass@1: `bench/quality.py --fit` (AUC 0.85
# in ten folds by function). The likelihood of the suffix adds nothing for a single answer.
DEFAULT = Calibration(
    bias=6.695, mean_logprob=11.754, lowest_logprob=-0.718, suffix_logprob=0.0, tokens=-1.792
)
