from __future__ import annotations

import math

import numpy as np
import pytest
from canvas import Outcome, agreement, compared, report
from canvas_context import PREFIX_TOKENS, SUFFIX_TOKENS, among_others
from canvas_run import Filled
from gaps import draw_gaps
from infilling_tasks import Task

from midspan_engine.training.scratch.stream import Stream


def _outcome(
    tokens: tuple[int, ...], *, exact: bool = False, passes: int = 4, rows: int = 10
) -> Outcome:
    filled = Filled(
        text="",
        tokens=tokens,
        passes=passes,
        rows=rows * passes,
        ms=2.0,
        mean_logprob=0.0,
        lowest_logprob=0.0,
    )
    return Outcome(exact=exact, filled=filled)


def test_agreement_counts_tokens_place_by_place_and_what_one_side_lacks() -> None:
    ours = [_outcome((1, 2, 3)), _outcome((4, 5))]
    theirs = [_outcome((1, 2, 9)), _outcome((4, 5, 6))]
    assert agreement(ours, theirs) == pytest.approx(4 / 6)
    assert agreement([_outcome(())], [_outcome(())]) == 1.0


def test_the_cascade_is_judged_by_the_gap_between_fixed_and_true_lengths() -> None:
    def way(exact: int, passes: int = 4) -> list[Outcome]:
        return [_outcome((1,), exact=index < exact, passes=passes) for index in range(10)]

    fixed = {f"fixed-{masks}": way(2) for masks in (4, 8, 16, 32)}
    found = {"cached": way(3), "exact": way(3), "oracle": way(6), "cascade": way(5, 5), **fixed}
    said = report(found)
    assert said["cascade_closes"] == pytest.approx(0.75)
    assert said["cascade_passes_over_fixed"] == pytest.approx(1.25)
    assert said["agreement"] == 1.0
    nothing = report({**found, "oracle": way(2)})
    assert math.isnan(nothing["cascade_closes"])  # type: ignore[arg-type]


def test_compute_is_compared_a_pass_and_a_decode() -> None:
    cached, exact = [_outcome((1,), passes=6, rows=20)], [_outcome((1,), passes=4, rows=90)]
    said = compared(cached, exact)
    assert said["rows_over_rows_a_pass"] == pytest.approx(4.5)
    assert said["rows_over_rows_a_decode"] == pytest.approx(3.0)
    assert (said["rows_per_pass_cached"], said["rows_per_pass_exact"]) == (20, 90)


def test_some_ways_alone_are_reported_without_the_rest() -> None:
    assert set(report({"cached": [_outcome((1,))]})) == {"ways"}


def _task(number: int, function: str) -> Task:
    return Task(
        task_id=str(number),
        entry_point=function,
        prompt=f"def {function}(a):\n    # line {number}\n    return ",
        suffix="\n",
        canonical_solution=f"a + {number}",
        test="",
    )


def test_a_task_stands_in_the_middle_of_functions_of_other_tasks() -> None:
    tasks = [_task(number, f"f{number // 4}") for number in range(40)]
    for task, longer in zip(tasks, among_others(tasks), strict=True):
        assert longer.prompt.endswith(task.prompt)
        assert len(longer.prompt) > 4 * PREFIX_TOKENS
        assert len(longer.suffix) > 4 * SUFFIX_TOKENS
        assert (longer.prompt + longer.suffix).count(f"def {task.entry_point}(") == 1
    assert among_others(tasks) == among_others(tasks)
    with pytest.raises(ValueError, match="several"):
        among_others(tasks[:4])


class _Letters:
    """A tokenizer of single characters."""

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def test_gaps_are_short_and_have_text_on_both_sides() -> None:
    text = "def area(width, height):\n    return width * height\n\n" * 60
    stream = Stream(tokens={"python": np.array([ord(c) for c in text], np.uint16)})
    gaps = draw_gaps(stream, _Letters(), 20, np.random.default_rng(0))  # type: ignore[arg-type]
    assert len(gaps) == 20
    for gap in gaps:
        assert gap.prefix + gap.middle + gap.suffix in text
        assert "\n" not in gap.middle
        assert gap.middle.strip()
        assert min(len(gap.prefix), len(gap.suffix)) > 64
