"""Small statistics and printing that the benches share."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of `values` do not pass (nearest rank); NaN when there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(values_ms: Sequence[float]) -> dict[str, float]:
    """Count, mean, p50, p90 and largest, rounded to tenths; the values are not rounded before."""
    if not values_ms:
        return {"count": 0}
    return {
        "count": len(values_ms),
        "mean": round(statistics.fmean(values_ms), 1),
        "p50": round(percentile(values_ms, 0.5), 1),
        "p90": round(percentile(values_ms, 0.9), 1),
        "max": round(max(values_ms), 1),
    }


def share(part: int, whole: int) -> float:
    """`part / whole`, four digits; 0 for nothing of nothing."""
    return round(part / whole, 4) if whole else 0.0
