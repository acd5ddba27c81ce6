"""Where a span ends."""

from __future__ import annotations

import pytest

from midspan_engine.decoding.span import Ending, SpanRule
from midspan_engine.protocol import InfillRequest


def rule(prefix: str = "x = ", **changes: object) -> SpanRule:
    return SpanRule.of(InfillRequest(id=1, session="s", prefix=prefix, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", None),
        ("1\n", Ending("1", "line")),
        ("1\r\ny = 2", Ending("1", "line")),
        ("\n", Ending("", "line")),
    ],
)
def test_a_line_ends_at_the_first_break(text: str, expected: Ending | None) -> None:
    assert rule().ending(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    a = 1\n    b = 2\n", None),
        ("    a = 1\n\n    b = 2", None),
        ("    a = 1\n  ", None),
        ("    a = 1\ndef", Ending("    a = 1", "block")),
        ("    a = 1\n\n\nclass X", Ending("    a = 1", "block")),
        ("    a = 1\n\n\n    b = 2\n", None),
        ("    a = 1\n\n\n\n", Ending("    a = 1", "block")),
        ("\n\n\n\n    a = 1", None),
        ("\ta = 1\n\tb = 2\n\n", None),
        ("    if a:\n        b()\n  c", Ending("    if a:\n        b()", "block")),
    ],
)
def test_a_block_ends_at_the_first_line_that_is_indented_less(
    text: str, expected: Ending | None
) -> None:
    assert rule("def f():\n", scope="block", block_indent=4).ending(text) == expected


def test_the_rest_of_the_cursors_line_does_not_count_as_dedented() -> None:
    within = rule("def f():\n    ", scope="block", block_indent=4)
    assert within.ending("return 1\n    # more") is None
    assert within.ending("return 1\nx") == Ending("return 1", "block")


def test_the_earliest_ending_wins() -> None:
    both = rule(stop=(";", "END"))
    assert both.ending("a END; b\n") == Ending("a ", "stop")
    assert both.ending("a\n;") == Ending("a", "line")


def test_an_empty_stop_string_stops_nothing() -> None:
    assert rule(stop=("",)).ending("abc") is None
