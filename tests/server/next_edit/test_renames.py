"""Renames that a hunk shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_server.next_edit.renames import names, recent_renames, renames

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk


def _renames(desk: Desk, before: str, after: str) -> list[tuple[str, str]]:
    desk.open("a.py", f"#\n{before}\n#\n")
    desk.replace("a.py", before, after)
    return [(one.old, one.new) for one in renames(desk.hunks()[-1])]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("def f(width):", "def f(breadth):", [("width", "breadth")]),
        ("def f(width):", "def f(breadth, height=1):", [("width", "breadth")]),
        ("x = width\ny = width", "x = breadth\ny = breadth", [("width", "breadth")]),
        ("a = b", "c = d", [("a", "c"), ("b", "d")]),
        ("x = width\ny = width", "x = breadth\ny = wide", []),
        ("a = b", "c = c", []),
        ("x = 1", "x = y", []),
        ("if x:", "while x:", []),
        ("def f(self, x):", "def f(this, x):", []),
        ("def f(str):", "def f(text):", [("str", "text")]),
        ("x = 'width'", "x = 'breadth'", []),
        ("f(a)", "f(a.b)", []),
        ("x = 1", "x = 1\nz = 2", []),
    ],
)
def test_a_rename_replaces_one_name_by_another_every_time(
    desk: Desk, before: str, after: str, expected: list[tuple[str, str]]
) -> None:
    assert _renames(desk, before, after) == expected


def test_a_name_typed_in_two_goes_is_one_rename(desk: Desk) -> None:
    desk.open("a.py", "def f(width):\n    pass\n")
    desk.replace("a.py", "width", "bre")
    desk.replace("a.py", "bre", "breadth")
    found = [(one.old, one.new) for one, _ in recent_renames(desk.hunks())]
    assert found == [("bre", "breadth"), ("width", "breadth"), ("width", "bre")]


def test_names_that_came_and_went(desk: Desk) -> None:
    desk.open("a.py", "area(width, old) if True else None\n")
    desk.replace("a.py", "old", "fresh + more")
    found = names(desk.hunks()[0])
    assert (sorted(found.removed), sorted(found.added)) == (["old"], ["fresh", "more"])
