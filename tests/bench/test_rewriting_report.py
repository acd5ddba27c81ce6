from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from rewriting_report import report
from rewriting_run import Cost, Outcome, chrf


def cost(passes: int, tokens: int, ms: float) -> Cost:
    return Cost(
        passes=passes,
        tokens=tokens,
        drafted=4,
        accepted=3,
        prompt_tokens=9,
        decode_ms=ms,
        total_ms=ms,
        is_cold=False,
    )


CHANGED = Outcome(
    number=0,
    kind="release",
    language="go",
    is_changed=True,
    finish="edit",
    text="b\n",
    exact=True,
    chrf=100.0,
    edit_probability=0.9,
    mean_logprob=-0.1,
    lowest_logprob=math.log(0.5),
    region_tokens=100,
    changed_tokens=10,
    answer_changed_tokens=10,
    changed_chars=4,
    changed_lines=1,
    same_as_ar=True,
    ours=cost(5, 100, 50.0),
    ar=cost(100, 100, 400.0),
)
WRONG = dataclasses.replace(
    CHANGED, kind="rename-local", exact=False, chrf=50.0, lowest_logprob=math.log(0.1)
)
MISSED = dataclasses.replace(CHANGED, finish="no_edit", text="", exact=False, chrf=0.0)
QUIET = dataclasses.replace(
    CHANGED, is_changed=False, finish="no_edit", text="", chrf=math.nan, changed_tokens=0
)
LOUD = dataclasses.replace(QUIET, finish="edit", exact=False, lowest_logprob=math.log(0.3))


def figures(*outcomes: Outcome) -> Any:
    return report(outcomes)


def test_quality_is_that_of_regions_that_are_to_change_and_by_kind() -> None:
    found = figures(CHANGED, WRONG, MISSED, QUIET, LOUD)
    assert found["changed"]["exact"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["changed"]["chrf"] == 50.0
    assert found["changed"]["edited"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["release"]["samples"] == 2
    assert found["refactoring"] == {
        "samples": 1, "exact": 0.0, "chrf": 50.0, "edited": 1.0, "finish": {"edit": 1},
    }  # fmt: skip
    assert found["quiet_rate"] == 0.5


def test_a_threshold_trades_recall_for_precision() -> None:
    found = figures(CHANGED, WRONG, QUIET, LOUD)
    rows = {row["threshold"]: row for row in found["by_score"]}
    low, high = rows[0.0], rows[0.4]
    assert (low["shown"], low["precision"], low["recall"], low["quiet_rate"]) == (
        3, pytest.approx(1 / 3, abs=1e-4), 0.5, 0.5,
    )  # fmt: skip
    assert (high["shown"], high["precision"], high["recall"], high["quiet_rate"]) == (1, 1, 0.5, 1)


def test_a_run_that_edits_nearly_always_tells_what_a_higher_threshold_would_do() -> None:
    doubtful = dataclasses.replace(WRONG, edit_probability=0.15)
    rows = {row["threshold"]: row for row in figures(CHANGED, doubtful)["by_edit_probability"]}
    assert (rows[0.1]["shown"], rows[0.2]["shown"]) == (2, 1)
    assert (rows[0.1]["precision"], rows[0.2]["precision"]) == (0.5, 1.0)


def test_costs_are_compared_on_the_same_regions_and_hardly_changed_ones_apart() -> None:
    much = dataclasses.replace(CHANGED, changed_tokens=50, ours=cost(50, 100, 200.0))
    found = figures(CHANGED, much, QUIET)["costs"]
    assert found["hardly_changed"]["ours"]["tokens_per_pass"] == 20.0
    assert found["changed"]["ours"]["tokens_per_pass"] == pytest.approx(200 / 55, abs=0.01)
    assert found["hardly_changed"]["ar"]["tokens_per_pass"] == 1.0
    assert (found["hardly_changed"]["fewer_passes"], found["hardly_changed"]["speedup"]) == (20, 8)


def test_without_the_other_way_there_are_costs_of_ours_alone() -> None:
    alone = dataclasses.replace(CHANGED, ar=None, same_as_ar=None)
    found = figures(alone)
    assert found["costs"]["all"]["ours"]["tokens_per_pass"] == 20.0
    assert "speedup" not in found["costs"]["all"]
    assert found["same_as_ar"] == 0.0


def test_chrf_looks_at_changed_lines_alone() -> None:
    original = "".join(f"line {number}\n" for number in range(20))
    expected = original.replace("line 7\n", "value = 7\n")
    assert chrf(original, expected, expected) == 100.0
    assert chrf(original, original, expected) == 0.0
    near = chrf(original, original.replace("line 7\n", "values = 7\n"), expected)
    assert 40.0 < near < 100.0


def test_chrf_of_a_deletion_is_of_the_lines_that_go() -> None:
    original, expected = "one\ntwo words\nthree\n", "one\nthree\n"
    assert chrf(original, expected, expected) == 100.0
    assert chrf(original, original, expected) == 0.0
