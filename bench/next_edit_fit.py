"""Fits the probability that a next edit is taken, and prints `next_edit/acceptance.py` anew.

The file is what `rewriting.py --jsonl` writes: regions of held-out packages, half of them
unchanged. A feature that never varies in it keeps its coefficient, as the fit is drawn to
those in use.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from next_edit_observed import observed

from midspan_server.next_edit import acceptance
from midspan_server.next_edit.judging import vector

_NAMES = tuple(acceptance.WEIGHTS)
_FOLDS = 5
_STEPS = 50
_SMALLEST_SPREAD = 1e-6
_TARGETS: dict[acceptance.Show, float] = {"eager": 0.5, "balanced": 0.65, "quiet": 0.8}
# Whatever the mixture of the file: what is taken one time in five is a nuisance.
_LEAST = 0.2
_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Vector = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What is fitted.

    Attributes:
        inputs: `[edits, features + 1]`, the last of them 1.
        labels: `[edits]`, 1 for what is taken.
        weights: `[edits]`, how often such an edit comes in use.
    """

    inputs: Vector
    labels: Vector
    weights: Vector

    @classmethod
    def read(cls, path: Path, like: float, quiet_weight: float) -> Edits:
        """See `observed`."""
        found = observed(path, like)
        values = [vector(one.features) for one in found]
        return cls(
            inputs=np.array([[*(one[name] for name in _NAMES), 1.0] for one in values]),
            labels=np.array([float(one.taken) for one in found]),
            weights=np.array([1.0 if one.is_changed else quiet_weight for one in found]),
        )

    def only(self, chosen: Vector) -> Edits:
        """A part of them."""
        return Edits(
            inputs=self.inputs[chosen], labels=self.labels[chosen], weights=self.weights[chosen]
        )


def fitted(edits: Edits, strength: float) -> Vector:
    """Coefficients `[features + 1]` by Newton's method; `strength` draws them to those in use.

    Features are scaled, so that the pull is the same for each.
    """
    spread = edits.inputs.std(axis=0)
    scale = np.where(spread > _SMALLEST_SPREAD, spread, 1.0)
    scaled = edits.inputs / scale
    known = np.array([*(acceptance.WEIGHTS[name] for name in _NAMES), acceptance.BIAS]) * scale
    pull = np.full(len(known), strength)
    pull[-1] = 1e-3
    weights = known.copy()
    for _ in range(_STEPS):
        sure = 1 / (1 + np.exp(-scaled @ weights))
        slope = scaled.T @ (edits.weights * (sure - edits.labels)) + pull * (weights - known)
        bend = edits.weights * sure * (1 - sure)
        curve = (scaled * bend[:, None]).T @ scaled + np.diag(pull)
        step = np.linalg.solve(curve, slope)
        # Whole steps overshoot where the start is far off.
        weights = weights - step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-9))
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(weights / scale)


def held_out(edits: Edits, strength: float) -> Vector:
    """Probabilities `[edits]`, each by coefficients that were fitted without it."""
    fold = np.arange(len(edits.labels)) % _FOLDS
    sure = np.zeros(len(edits.labels))
    for number in range(_FOLDS):
        weights = fitted(edits.only(fold != number), strength)
        sure[fold == number] = 1 / (1 + np.exp(-edits.inputs[fold == number] @ weights))
    return sure


def threshold_for(sure: Vector, edits: Edits, precision: float) -> float:
    """The lowest probability from which that share of what is shown is taken."""
    order = np.argsort(-sure)
    weights = edits.weights[order]
    share = np.cumsum(edits.labels[order] * weights) / np.cumsum(weights)
    good = np.flatnonzero(share >= precision)
    return round(max(_LEAST, float(sure[order[good[-1]]])), 2) if len(good) else 0.95


def report(sure: Vector, edits: Edits, thresholds: dict[acceptance.Show, float]) -> str:
    """Calibration by bins, and what each setting shows; all but the counts weighted."""
    labels, weights = edits.labels, edits.weights
    lines = [f"edits={len(labels)} taken={np.average(labels, weights=weights):.3f}"]
    for low, high in itertools.pairwise(_EDGES):
        inside = (sure >= low) & (sure < high + (high == 1.0))
        if inside.any():
            said = np.average(sure[inside], weights=weights[inside])
            was = np.average(labels[inside], weights=weights[inside])
            lines.append(f"{low:.1f}-{high:.1f}: n={inside.sum()} said={said:.2f} was={was:.2f}")
    for show, least in thresholds.items():
        shown = sure >= least
        right = np.average(labels[shown], weights=weights[shown]) if shown.any() else 0.0
        found = labels[shown].sum() / max(labels.sum(), 1)
        lines.append(
            f"{show}: from {least:.2f} shows {np.average(shown, weights=weights):.2f}, "
            f"of these right {right:.2f}, of the right ones shown {found:.2f}; plain counts: "
            f"{shown.sum()} shown, {int(labels[shown].sum())} right, "
            f"{(weights[shown] > 1).sum()} where nothing was to change"
        )
    return "\n".join(lines)


def source(weights: Vector, thresholds: dict[acceptance.Show, float], count: int) -> str:
    """The text of `acceptance.py`."""
    entries = "".join(
        f'    "{name}": {round(float(value), 3)},\n'
        for name, value in zip(_NAMES, weights, strict=False)
    )
    shows = ", ".join(f'"{show}": {least}' for show, least in thresholds.items())
    return f'''"""Coefficients of `judging.probability`; the probability from which edits are shown.

Fitted on {count} edits of held-out packages by `bench/next_edit_fit.py`, which prints this file.
"""

from __future__ import annotations

from typing import Literal

Show = Literal["eager", "balanced", "quiet"]

BIAS = {round(float(weights[-1]), 3)}
WEIGHTS = {{
{entries}}}
THRESHOLDS: dict[Show, float] = {{{shows}}}
'''


def main() -> int:
    """Print the report, and the module where `--print` asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="JSON lines of rewriting.py")
    parser.add_argument("--like", type=float, default=90.0, help="chrF that counts as right")
    parser.add_argument(
        "--quiet-weight",
        type=float,
        default=3.0,
        help="of an edit in a region where nothing was to change: in use most regions are such",
    )
    parser.add_argument("--strength", type=float, default=3.0, help="pull to what is in use")
    parser.add_argument("--in-use", action="store_true", help="report on acceptance.py as it is")
    parser.add_argument("--print", action="store_true", help="print acceptance.py, nothing else")
    args = parser.parse_args()
    edits = Edits.read(args.file, args.like, args.quiet_weight)
    if args.in_use:
        known = np.array([*(acceptance.WEIGHTS[name] for name in _NAMES), acceptance.BIAS])
        print(report(1 / (1 + np.exp(-edits.inputs @ known)), edits, acceptance.THRESHOLDS))
        return 0
    sure = held_out(edits, args.strength)
    thresholds = {show: threshold_for(sure, edits, least) for show, least in _TARGETS.items()}
    if args.print:
        print(source(fitted(edits, args.strength), thresholds, len(sure)), end="")
    else:
        print(report(sure, edits, thresholds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
