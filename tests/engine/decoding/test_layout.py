"""What the surroundings demand of a hole."""

from __future__ import annotations

import pytest

from midspan_engine.decoding.layout import repeats_next_line, required_indent


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("if x:\n", "    "),
        ("def f():\n    if x:  # why\n", "        "),
        ("def f(\n    a,\n) -> int:\n", "    "),
        ("class A:\n  x = 1\n  def f(self):\n", "    "),
        ("class A:\n\tdef f(self):\n", "\t\t"),
        ("async def f():\n\n", "    "),
        ("try:\n", "    "),
        ("if x:\n    ", ""),
        ("if x: return\n", ""),
        ("d = {1:\n", ""),
        ("values:\n", ""),
        ("iffy:\n", ""),
        ("x = 1\n", ""),
        ("", ""),
    ],
)
def test_a_line_after_a_block_opener_is_indented_one_level(prefix: str, expected: str) -> None:
    assert required_indent(prefix, "python") == expected


def test_other_languages_demand_no_indentation() -> None:
    assert required_indent("if (x) {\n", "typescript") == ""


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        ("    return total", "\n    return total\n", True),
        ("    return total\n    x", "return total", True),
        ("    return other", "\n    return total\n", False),
        ("    }", "\n    }\n", False),
        ("    else:", "\n  else:\n", False),
        ("", "", False),
        ("x = compute()", "", False),
    ],
)
def test_a_line_that_stands_behind_the_hole_anyway_is_noticed(
    text: str, suffix: str, expected: bool
) -> None:
    assert repeats_next_line(text, suffix) is expected
