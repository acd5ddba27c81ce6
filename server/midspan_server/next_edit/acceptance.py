"""Coefficients of `judging.probability`; the probability from which edits are shown.

Fitted on 79 edits of held-out packages by `bench/next_edit_fit.py`, which prints this file.
"""

from __future__ import annotations

from typing import Literal

Show = Literal["eager", "balanced", "quiet"]

BIAS = 0.646
WEIGHTS = {
    "edit_logit": 0.427,
    "mean_logprob": 1.804,
    "lowest_logprob": 5.268,
    "log_chars": 0.154,
    "log_lines": -0.314,
    "log_removed": -3.378,
    "copied_share": -2.097,
    "breaks_syntax": -2.0,
    "log_away": -0.248,
    "is_elsewhere": -0.794,
}
THRESHOLDS: dict[Show, float] = {"eager": 0.2, "balanced": 0.34, "quiet": 0.62}
