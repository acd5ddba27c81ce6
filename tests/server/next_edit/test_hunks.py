"""Hunks: diffs, formatting, save points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.decoding import edit_prompt
from midspan_server.next_edit.hunks import hunk_in, hunk_text

if TYPE_CHECKING:
    from tests.server.next_edit.conftest import Desk

_LINES = st.sampled_from(["", "a", "b", "    c", "d = 1", "# e"])


def test_a_hunk_is_a_diff_with_the_lines_beside_it(desk: Desk) -> None:
    desk.open("a.py", "zero\none\ntwo\nthree\nfour\n")
    document = desk.replace("a.py", "two", "2")
    [hunk] = desk.hunks()
    assert hunk_in(hunk, document) == " one\n-two\n+2\n three\n"
    assert hunk_in(hunk, None) == "-two\n+2\n"
    assert hunk.at == 30


def test_new_lines_and_removed_lines_have_an_empty_side(desk: Desk) -> None:
    desk.open("a.py", "one\ntwo\n")
    desk.replace("a.py", "one\n", "one\nmore\n")
    desk.replace("a.py", "two\n", "")
    added, removed = desk.hunks()
    assert hunk_in(added, None) == "+more\n"
    assert hunk_in(removed, None) == "-two\n"


def test_lines_that_stayed_inside_a_hunk_are_context(desk: Desk) -> None:
    desk.open("a.py", "a\nb\nc\n")
    desk.edit("a.py", 0, 5, "A\nb\nC")
    assert hunk_in(desk.hunks()[0], None) == "-a\n+A\n b\n-c\n+C\n"


@given(st.lists(_LINES, max_size=12), st.lists(_LINES, max_size=12))
def test_a_hunk_reads_as_those_that_the_model_was_trained_on(
    before: list[str], after: list[str]
) -> None:
    taught = edit_prompt.hunk_text("\n".join(before), "\n".join(after))
    ours = hunk_text("\n".join(before).splitlines(), "\n".join(after).splitlines())
    assert ours == taught


@pytest.mark.parametrize(
    ("old", "new", "is_formatting"),
    [
        ("f(a,b)", "f(a, b)", True),
        ("f(a)", "f(\n    a,\n)", True),
        ("f(a)", "f(a, b)", False),
        ("'a b'", "'ab '", True),
    ],
)
def test_blanks_and_trailing_commas_are_formatting(
    desk: Desk, old: str, new: str, *, is_formatting: bool
) -> None:
    desk.open("a.py", f"x = {old}\n")
    desk.replace("a.py", old, new)
    assert desk.hunks()[0].is_formatting is is_formatting


def test_a_save_marks_what_was_before_it_and_ends_a_burst(desk: Desk) -> None:
    first = desk.open("a.py", "x = 1\n")
    second = first.replaced(5, 5, "2", version=2)
    third = second.replaced(6, 6, "3", version=3)
    desk.history.record(first, second, 1.0)
    desk.history.saved(first.uri, 1.5)
    desk.history.record(second, third, 2.0)
    saved, unsaved = desk.hunks()
    assert (saved.after, saved.is_saved) == (("x = 12",), True)
    assert (unsaved.before, unsaved.is_saved) == (("x = 12",), False)


def test_a_save_of_another_document_ends_nothing(desk: Desk) -> None:
    first = desk.open("a.py", "x = 1\n")
    second = first.replaced(5, 5, "2", version=2)
    desk.history.record(first, second, 1.0)
    desk.history.saved("file:///other.py", 1.5)
    desk.history.record(second, second.replaced(6, 6, "3", version=3), 2.0)
    assert len(desk.hunks()) == 1


def test_what_is_undone_after_a_save_is_gone(desk: Desk) -> None:
    first = desk.open("a.py", "x = 1\n")
    second = first.replaced(5, 5, "2", version=2)
    desk.history.record(first, second, 1.0)
    desk.history.saved(first.uri, 1.5)
    desk.history.record(second, first, 2.0)
    assert desk.hunks() == ()
