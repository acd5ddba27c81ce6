"""From outcomes to the figures of a run."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from figures import share, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rewriting_run import Cost, Outcome

REAL = "release"
_FEW = 0.2
"""Share of changed tokens up to which a region counts as hardly changed."""
_THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def report(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Figures of a run."""
    changed = [one for one in outcomes if one.is_changed]
    quiet = [one for one in outcomes if not one.is_changed]
    few = [one for one in changed if one.changed_share < _FEW]
    real = [one for one in changed if one.kind == REAL]
    refactored = [one for one in changed if one.kind != REAL]
    return {
        "changed": _quality(changed),
        "release": _quality(real),
        "refactoring": _quality(refactored),
        "unchanged": len(quiet),
        "quiet_rate": share(sum(not one.is_shown for one in quiet), len(quiet)),
        "by_score": _trade(outcomes, lambda one: one.score),
        "by_edit_probability": _trade(outcomes, lambda one: one.edit_probability),
        "costs": {
            "all": _costs(outcomes),
            "changed": _costs(changed),
            "hardly_changed": _costs(few),
            "hardly_changed_and_rewritten": _costs([one for one in few if one.ours.tokens > 1]),
            "unchanged": _costs(quiet),
        },
        "same_as_ar": share(
            sum(bool(one.same_as_ar) for one in outcomes),
            sum(one.same_as_ar is not None for one in outcomes),
        ),
    }


def _quality(changed: Sequence[Outcome]) -> dict[str, object]:
    count = len(changed)
    return {
        "samples": count,
        "exact": share(sum(one.exact for one in changed), count),
        "chrf": round(statistics.fmean(one.chrf for one in changed), 1) if changed else 0.0,
        "edited": share(sum(one.is_shown for one in changed), count),
        "finish": _finishes(changed),
    }


def _finishes(outcomes: Sequence[Outcome]) -> dict[str, int]:
    kinds = sorted({one.finish for one in outcomes})
    return {kind: sum(one.finish == kind for one in outcomes) for kind in kinds}


def _trade(
    outcomes: Sequence[Outcome], score: Callable[[Outcome], float]
) -> list[dict[str, float]]:
    """By thresholds; those of the edit probability tell what `--edit-from` at each would give."""
    return [
        _at(outcomes, [one for one in outcomes if one.is_shown and score(one) >= least], least)
        for least in _THRESHOLDS
    ]


def _at(
    outcomes: Sequence[Outcome], shown: Sequence[Outcome], threshold: float
) -> dict[str, float]:
    """What showing these would mean."""
    right = sum(one.exact for one in shown)
    wanted = sum(one.is_changed for one in outcomes)
    unchanged = len(outcomes) - wanted
    disturbing = sum(not one.is_changed for one in shown)
    return {
        "threshold": threshold,
        "shown": len(shown),
        "precision": share(right, len(shown)),
        "recall": share(right, wanted),
        "quiet_rate": share(unchanged - disturbing, unchanged),
    }


def _costs(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Of both ways on the same regions; `speedup` is of the time behind the first pass."""
    ours = [one.ours for one in outcomes if one.ar is not None] or [one.ours for one in outcomes]
    ar = [one.ar for one in outcomes if one.ar is not None]
    figures: dict[str, object] = {"ours": _sums(ours), "ar": _sums(ar)}
    if ar:
        figures["fewer_passes"] = _ratio(sum(c.passes for c in ar), sum(c.passes for c in ours))
        figures["speedup"] = _ratio(sum(c.decode_ms for c in ar), sum(c.decode_ms for c in ours))
    return figures


def _sums(costs: Sequence[Cost]) -> dict[str, object]:
    passes = sum(cost.passes for cost in costs)
    return {
        "passes_mean": _ratio(passes, len(costs)),
        "tokens_per_pass": _ratio(sum(cost.tokens for cost in costs), passes),
        "rows_per_pass": _ratio(sum(cost.drafted for cost in costs) + passes, passes),
        "accepted_share": share(
            sum(cost.accepted for cost in costs), sum(cost.drafted for cost in costs)
        ),
        "decode_ms": summary([cost.decode_ms for cost in costs]),
        "cold_total_ms": summary([cost.total_ms for cost in costs if cost.is_cold]),
    }


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 2) if whole else 0.0
