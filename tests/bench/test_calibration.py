from __future__ import annotations

import math

import numpy as np
import pytest
from calibration import Sample, auc, fit, logistic


def sample(number: int, mean: float, suffix: float, right: bool) -> Sample:
    return Sample(
        task_id=f"SingleLineInfilling/HumanEval/{number}/L0",
        mean_logprob=mean,
        lowest_logprob=2 * mean,
        suffix_logprob=suffix,
        tokens=5 + number % 7,
        exact=right,
        passed=right,
    )


def drawn(count: int, weight_of_suffix: float) -> list[Sample]:
    random = np.random.default_rng(3)
    samples = []
    for number in range(count):
        mean, suffix = -random.exponential(1.0), -random.exponential(1.0)
        score = 1.5 + 2 * mean + weight_of_suffix * suffix
        right = bool(random.random() < 1 / (1 + math.exp(-score)))
        samples.append(sample(number, mean, suffix, right))
    return samples


def test_auc_is_the_share_of_pairs_in_order_with_ties_counted_half() -> None:
    right = np.array([0.0, 0.0, 1.0, 1.0])
    assert auc(np.array([0.1, 0.2, 0.3, 0.4]), right) == 1.0
    assert auc(np.array([0.4, 0.3, 0.2, 0.1]), right) == 0.0
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), right) == 0.5
    assert auc(np.array([0.1, 0.3, 0.3, 0.4]), right) == 0.875


def test_logistic_regression_finds_the_weights_that_made_the_data() -> None:
    random = np.random.default_rng(0)
    columns = random.normal(5.0, 2.0, (20_000, 2))
    chance = 1 / (1 + np.exp(-(columns @ [1.0, -0.5] - 2.0)))
    weights, bias = logistic(columns, (random.random(20_000) < chance).astype(np.float64))
    assert weights == pytest.approx([1.0, -0.5], abs=0.06)
    assert bias == pytest.approx(-2.0, abs=0.2)


def test_the_suffix_helps_exactly_where_it_matters() -> None:
    with_suffix = fit(drawn(600, 2.0), "passed")
    assert with_suffix.auc > with_suffix.auc_without_suffix + 0.03
    without = fit(drawn(600, 0.0), "passed")
    assert without.auc == pytest.approx(without.auc_without_suffix, abs=0.02)


def test_a_fit_promises_what_it_keeps() -> None:
    fitted = fit(drawn(600, 1.0), "exact")
    assert fitted.calibration_error < 0.1
    shown = [row.shown for row in fitted.thresholds]
    assert shown == sorted(shown, reverse=True)
    assert fitted.thresholds[-4].precision > fitted.base_rate


def test_samples_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be fitted"):
        fit([sample(n, -1.0, -1.0, right=True) for n in range(20)], "passed")
