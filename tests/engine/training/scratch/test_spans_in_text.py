from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.training.scratch.spans_in_text import cut_holes

_TEXT = "def f(a, b):\n    total = a + b\n\n    return total\n\n\nclass C:\n    x = f(1, 2)\n" * 4
_LINES = st.lists(st.text(alphabet=" \tab(=)\n\u2028", max_size=12), max_size=12)


@given(_LINES, st.integers(0, 2**31), st.sampled_from([None, 1, 2]))
def test_nothing_of_the_text_is_lost_and_no_hole_is_blank(
    lines: list[str], seed: int, most: int | None
) -> None:
    text = "\n".join(lines)
    pieces = cut_holes(text, np.random.default_rng(seed), most)
    assert "".join(pieces) == text
    assert len(pieces) % 2 == 1
    assert all(hole.strip() for hole in pieces[1::2])


@pytest.mark.parametrize("most", [1, 2])
def test_there_are_no_more_holes_than_asked_for(most: int) -> None:
    counts = {len(cut_holes(_TEXT, np.random.default_rng(n), most)) // 2 for n in range(30)}
    assert max(counts) == most


def test_without_a_bound_holes_stand_all_over_the_text() -> None:
    counts = [len(cut_holes(_TEXT, np.random.default_rng(n))) // 2 for n in range(30)]
    assert np.mean(counts) > 4


def test_holes_come_in_every_shape() -> None:
    holes = [
        hole for n in range(200) for hole in cut_holes(_TEXT, np.random.default_rng(n), 1)[1::2]
    ]
    assert any("\n" in hole.strip() for hole in holes), "several lines"
    assert any(hole.startswith("    ") for hole in holes), "a line with its indentation"
    assert any(hole in {"total", "a", "f"} for hole in holes), "a word"
    assert any(hole.endswith("\n") for hole in holes), "now and then with its line break"
