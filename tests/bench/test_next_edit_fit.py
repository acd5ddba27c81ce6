"""The fit of what a next edit is worth: it learns, leaves alone what never varies, calibrates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from next_edit_fit import Edits, fitted, held_out, source, threshold_for
from next_edit_observed import observed

from midspan_server.next_edit import acceptance

if TYPE_CHECKING:
    from pathlib import Path

NAMES = list(acceptance.WEIGHTS)


def _edits(count: int) -> Edits:
    """Edits that are taken by their lowest log-probability alone."""
    rng = np.random.default_rng(0)
    inputs = np.zeros((count, len(NAMES) + 1))
    inputs[:, -1] = 1
    inputs[:, NAMES.index("lowest_logprob")] = -rng.exponential(2, count)
    inputs[:, NAMES.index("log_chars")] = rng.normal(3, 1, count)
    sure = 1 / (1 + np.exp(-2 - 1.5 * inputs[:, NAMES.index("lowest_logprob")]))
    labels = (rng.random(count) < sure).astype(float)
    return Edits(inputs=inputs, labels=labels, weights=np.ones(count))


def test_what_decides_is_found_and_what_never_varies_is_kept() -> None:
    weights = fitted(_edits(4000), strength=1.0)
    assert weights[NAMES.index("lowest_logprob")] == pytest.approx(1.5, abs=0.2)
    assert weights[NAMES.index("log_chars")] == pytest.approx(0.0, abs=0.1)
    kept = NAMES.index("breaks_syntax")
    assert weights[kept] == pytest.approx(acceptance.WEIGHTS["breaks_syntax"])


def test_probabilities_of_edits_that_were_not_seen_are_calibrated() -> None:
    edits = _edits(4000)
    sure = held_out(edits, strength=1.0)
    likely = sure > 0.6
    assert sure[likely].mean() == pytest.approx(edits.labels[likely].mean(), abs=0.05)


def test_a_threshold_keeps_its_promise() -> None:
    edits = _edits(4000)
    sure = held_out(edits, strength=1.0)
    least = threshold_for(sure, edits, 0.75)
    assert edits.labels[sure >= least].mean() == pytest.approx(0.75, abs=0.02)


def test_the_printed_module_can_be_used() -> None:
    made: dict[str, Any] = {}
    thresholds: dict[acceptance.Show, float] = {"eager": 0.2, "balanced": 0.4, "quiet": 0.7}
    exec(source(np.arange(len(NAMES) + 1.0), thresholds, 5), made)  # noqa: S102
    assert list(made["WEIGHTS"]) == NAMES
    assert made["BIAS"] == len(NAMES)
    assert made["THRESHOLDS"] == thresholds


def _line(**changes: Any) -> str:
    """A region as `rewriting.py --jsonl` writes it."""
    region = {
        "path": "a/b.py",
        "language": "python",
        "history": [["a/b.py", "-def f(width):\n+def f(breadth):\n"]],
        "before": "def f(breadth):\n",
        "region": "    a = width\n",
        "after": "    return a\n",
        "finish": "edit",
        "text": "    a = breadth\n",
        "is_changed": True,
        "exact": True,
        "chrf": 100.0,
        "edit_probability": 0.9,
        "mean_logprob": -0.1,
        "lowest_logprob": -0.2,
    }
    return json.dumps(region | changes) + "\n"


def test_edits_are_seen_as_the_server_would_see_them(tmp_path: Path) -> None:
    lines = [
        _line(),
        _line(finish="no_edit", text=""),
        _line(text="    a = (width\n", exact=False, chrf=50.0),
        _line(text="    a  = width\n"),
        _line(is_changed=False, exact=False, chrf=float("nan"), history=[["c.py", "-x\n+y\n"]]),
    ]
    path = tmp_path / "edits.jsonl"
    path.write_text("".join(lines))
    first, broken, elsewhere = observed(path, like=90)
    assert (first.taken, first.features.changed_lines, first.features.lines_away) == (True, 1, 1)
    assert (broken.taken, broken.features.breaks_syntax) == (False, True)
    assert (elsewhere.is_changed, elsewhere.features.is_elsewhere) == (False, True)
