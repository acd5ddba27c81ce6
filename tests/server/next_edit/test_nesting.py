"""The innermost of nested spans."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midspan_server.next_edit.nesting import Nesting, Span, span_of


def _tree(numbers: list[int]) -> list[Span]:
    """Spans that nest: a new one is the left or the right half of an earlier one."""
    spans = [(0, 64)]
    for number in numbers:
        start, end = spans[number // 2 % len(spans)]
        middle = (start + end) // 2
        if start < middle < end:
            spans.append((start, middle) if number % 2 else (middle, end))
    return spans


@given(st.lists(st.integers(0, 200), max_size=40), st.integers(-2, 66))
def test_it_is_the_smallest_span_around(numbers: list[int], at: int) -> None:
    spans = _tree(numbers)
    around = [span for span in spans if span[0] <= at < span[1]]
    expected = min(around, key=lambda span: span[1] - span[0], default=None)
    assert Nesting(reversed(spans)).innermost(at) == expected


def test_there_is_none_in_nothing() -> None:
    assert Nesting([]).innermost(3) is None


def test_no_scope_is_the_whole_file() -> None:
    assert Nesting([span_of(None), (3, 5)]).innermost(9) == span_of(None)
