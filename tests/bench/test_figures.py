from __future__ import annotations

import math

from figures import percentile, share, summary


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.9) == 5.0
    assert math.isnan(percentile([], 0.5))


def test_a_summary_of_nothing_has_no_figures() -> None:
    assert summary([]) == {"count": 0}
    assert summary([1.0, 3.0])["mean"] == 2.0


def test_a_share_of_nothing_is_nothing() -> None:
    assert share(0, 0) == 0.0
    assert share(1, 3) == 0.3333
