"""Fits `decoding.confidence.Calibration` on what `quality.py --out` recorded.

Logistic regression by Newton's method with a small ridge, on standardised features; the ranking
figures come from k-fold predictions, so no task is judged by a fit that has seen it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from midspan_engine.decoding.confidence import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

Target = Literal["passed", "exact"]
FEATURES = ("mean_logprob", "lowest_logprob", "suffix_logprob", "tokens")
_RIDGE = 1.0
_ROUNDS = 30
_FOLDS = 10


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one answer, and whether it was right."""

    task_id: str
    mean_logprob: float
    lowest_logprob: float
    suffix_logprob: float
    tokens: int
    exact: bool
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRow:
    """What a threshold does: `shown` of all, `precision` of the shown, `recall` of the right."""

    threshold: float
    shown: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A calibration with its figures from k-fold predictions."""

    calibration: Calibration
    auc: float
    auc_without_suffix: float
    auc_mean_logprob: float
    calibration_error: float
    base_rate: float
    thresholds: tuple[ThresholdRow, ...]


def read_samples(paths: Sequence[Path]) -> list[Sample]:
    """Read what `quality.py --out` wrote; other fields are skipped."""
    decoder = msgspec.json.Decoder(Sample)
    lines = [line for path in paths for line in path.read_bytes().splitlines() if line.strip()]
    return [decoder.decode(line) for line in lines]


def fit(samples: Sequence[Sample], target: Target, seed: int = 0) -> Fit:
    """Fit on all samples; judge on folds that keep the holes of one function together.

    Raises:
        ValueError: too few samples, or all of one kind.
    """
    right = np.array([getattr(sample, target) for sample in samples], np.float64)
    if len(samples) < _FOLDS or right.min() == right.max():
        raise ValueError(f"{len(samples)} samples, all alike or too few, cannot be fitted")
    columns = np.array([_features(sample) for sample in samples])
    folds = _folds(samples, seed)
    predicted = _held_out(columns, right, folds)
    without = _held_out(np.delete(columns, FEATURES.index("suffix_logprob"), axis=1), right, folds)
    return Fit(
        calibration=_calibration(columns, right),
        auc=auc(predicted, right),
        auc_without_suffix=auc(without, right),
        auc_mean_logprob=auc(columns[:, 0], right),
        calibration_error=_calibration_error(predicted, right),
        base_rate=float(right.mean()),
        thresholds=tuple(_threshold(predicted, right, step / 20) for step in range(1, 19)),
    )


def auc(scores: Vector, right: Vector) -> float:
    """Probability that a right answer scores above a wrong one, ties counted half."""
    order = np.argsort(scores, kind="stable")
    values, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = np.empty(len(scores))
    ranks[order] = ((last - counts + 1 + last) / 2)[inverse]
    assert len(values) > 0
    positive = right > 0
    count, rest = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


def _features(sample: Sample) -> tuple[float, ...]:
    return (
        sample.mean_logprob,
        sample.lowest_logprob,
        sample.suffix_logprob,
        math.log1p(sample.tokens),
    )


def _folds(samples: Sequence[Sample], seed: int) -> NDArray[np.int64]:
    """Fold of each sample; tasks differ in their last part only when they share a function."""
    functions = sorted({_function(sample) for sample in samples})
    dealt = np.random.default_rng(seed).permutation(len(functions)) % _FOLDS
    fold = {function: int(dealt[index]) for index, function in enumerate(functions)}
    return np.array([fold[_function(sample)] for sample in samples])


def _function(sample: Sample) -> str:
    """`SingleLineInfilling/HumanEval/12/L3` -> `12`, so that both sets share folds too."""
    return sample.task_id.rsplit("/", 2)[-2]


def _held_out(columns: Vector, right: Vector, folds: NDArray[np.int64]) -> Vector:
    predicted = np.zeros(len(right))
    for fold in np.unique(folds):
        out = folds == fold
        weights, bias = logistic(columns[~out], right[~out])
        predicted[out] = _sigmoid(columns[out] @ weights + bias)
    return predicted


def logistic(columns: Vector, right: Vector) -> tuple[Vector, float]:
    """Weights `[features]` and bias for raw features."""
    mean, scale = columns.mean(axis=0), columns.std(axis=0) + 1e-9
    design = np.column_stack([(columns - mean) / scale, np.ones(len(right))])
    ridge = np.diag([_RIDGE] * columns.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        guess = _sigmoid(design @ weights)
        gradient = design.T @ (guess - right) + ridge @ weights
        hessian = (design.T * (guess * (1 - guess) + 1e-9)) @ design + ridge
        weights -= np.linalg.solve(hessian, gradient)
    raw = weights[:-1] / scale
    return raw, float(weights[-1] - raw @ mean)


def _calibration(columns: Vector, right: Vector) -> Calibration:
    weights, bias = logistic(columns, right)
    named = {name: round(float(value), 3) for name, value in zip(FEATURES, weights, strict=True)}
    return Calibration(bias=round(bias, 3), **named)


def _sigmoid(values: Vector) -> Vector:
    result: Vector = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return result


def _calibration_error(predicted: Vector, right: Vector, bins: int = 10) -> float:
    """Mean gap between promised and kept, over equally filled bins."""
    order = np.array_split(np.argsort(predicted), bins)
    gaps = [abs(predicted[part].mean() - right[part].mean()) * len(part) for part in order]
    return float(sum(gaps) / len(predicted))


def _threshold(predicted: Vector, right: Vector, threshold: float) -> ThresholdRow:
    shown = predicted >= threshold
    hits = float(right[shown].sum())
    return ThresholdRow(
        threshold=threshold,
        shown=round(float(shown.mean()), 3),
        precision=round(hits / max(1, int(shown.sum())), 3),
        recall=round(hits / float(right.sum()), 3),
    )
