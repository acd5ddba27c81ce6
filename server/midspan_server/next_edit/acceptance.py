"""Coefficients of `judging.probability`; the probability from which edits are shown.

Provisional: set by reasoning. `bench/next_edit_fit.py FILE --print` prints this file anew.
"""

from __future__ import annotations

from typing import Literal

Show = Literal["eager", "balanced", "quiet"]

BIAS = 1.3
WEIGHTS = {
    "edit_logit": 0.5,
    "mean_logprob": 1.0,
    "lowest_logprob": 0.5,
    "log_chars": -0.2,
    "log_lines": -0.1,
    "log_removed": -0.6,
    "copied_share": -1.5,
    "breaks_syntax": -2.0,
    "log_away": -0.1,
    "is_elsewhere": -0.3,
}
THRESHOLDS: dict[Show, float] = {"eager": 0.25, "balanced": 0.4, "quiet": 0.6}
