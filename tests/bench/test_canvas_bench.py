from __future__ import annotations

import math

import numpy as np
import pytest
from canvas import Outcome, agreement, report
from canvas_run import Filled
from gaps import draw_gaps

from midspan_engine.training.scratch.stream import Stream


def _outcome(tokens: tuple[int, ...], *, exact: bool = False, passes: int = 4) -> Outcome:
    filled = Filled(
        text="",
        tokens=tokens,
        passes=passes,
        rows=10 * passes,
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
