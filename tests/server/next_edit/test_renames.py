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
        ("def f(width):", "def f(breadth: dict[str, int] = {}):", [("width", "breadth")]),
        ("def f(width):", "def f(breadth, height=1):", []),
        ("def f(width):", "def f(path, mode):", []),
        ("def f(width):", "def f(context: C, breadth: int):", []),
        ("f(width)", "f(breadth,)", [("width", "breadth")]),
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


def test_a_word_that_rust_does_not_reserve_is_a_name_there(desk: Desk) -> None:
    desk.open("a.rs", "fn new() {}\n", "rust")
    desk.replace("a.rs", "new", "make")
    assert [(one.old, one.new) for one in renames(desk.hunks()[-1])] == [("new", "make")]
    assert _renames(desk, "x = new", "x = made") == []


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


def _recent(desk: Desk) -> list[tuple[str, str]]:
    return [(one.old, one.new) for one, _ in recent_renames(desk.hunks())]


def test_a_name_rubbed_out_and_written_after_a_pause_is_a_rename(desk: Desk) -> None:
    desk.open("a.py", "def f(width, height):\n    pass\n")
    desk.replace("a.py", "width", "")
    desk.replace("a.py", "f(", "f(si")
    desk.replace("a.py", "pass", "return 1")
    desk.replace("a.py", "f(si", "f(size")
    assert _recent(desk) == [("si", "size"), ("width", "size"), ("width", "si")]


def test_a_parameter_removed_and_another_added_elsewhere_is_no_rename(desk: Desk) -> None:
    desk.open("a.py", "def f(width, height):\n    pass\n")
    desk.replace("a.py", "width, ", "")
    desk.replace("a.py", "height", "height, size")
    assert _recent(desk) == []


def test_what_was_rubbed_out_long_ago_was_not_renamed(desk: Desk) -> None:
    desk.open("a.py", "def f(width, height):\n    pass\n")
    desk.replace("a.py", "width", "")
    desk.at += 600
    desk.replace("a.py", "f(", "f(size")
    assert _recent(desk) == []
