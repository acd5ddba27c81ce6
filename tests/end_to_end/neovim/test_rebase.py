"""Carrying edits through changes: the plugin's pure functions, run in real Neovim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.neovim.neovim_driver import Neovim

    StartNeovim = Callable[..., Neovim]

pytestmark = pytest.mark.slow

# Few letters, so that texts often have beginnings and ends in common; one of more than a byte.
_TEXT = st.text("ab\nö", max_size=12)
_SHORT = st.text("ab\nö", max_size=4)


@pytest.fixture(scope="module")
def lua(start_neovim: StartNeovim) -> Callable[..., Any]:
    editor = start_neovim()

    def call(function: str, *arguments: Any) -> Any:
        return editor.lua(
            f"return require('midspan.rebase').{function}(...) or vim.NIL", *arguments
        )

    return call


@st.composite
def _edit_and_change(draw: st.DrawFn) -> tuple[str, tuple[int, int, str], tuple[int, int, str]]:
    """A text, an edit of it and a change of it, each as start, end (in characters), new text."""
    text = draw(_TEXT)
    spans = []
    for _ in range(2):
        start = draw(st.integers(0, len(text)))
        spans.append((start, draw(st.integers(start, len(text))), draw(_SHORT)))
    return text, spans[0], spans[1]


def _replaced(text: bytes, start: int, length: int, new: str) -> bytes:
    return text[:start] + new.encode() + text[start + length :]


def _bytes(text: str, index: int) -> int:
    return len(text[:index].encode())


@given(_edit_and_change())
@settings(max_examples=400, deadline=None, database=None)
def test_a_carried_edit_and_the_change_both_happen(
    lua: Callable[..., Any], case: tuple[str, tuple[int, int, str], tuple[int, int, str]]
) -> None:
    text, (start, stop, new), (from_, to, typed) = case
    edit = lua("trimmed", {"start": _bytes(text, start), "old": text[start:stop], "new": new})
    change_start, length = _bytes(text, from_), len(text[from_:to].encode())
    change = {"start": change_start, "old_length": length, "new": typed}
    changed = _replaced(text.encode(), change_start, length, typed)
    carried = lua("rebased", edit, change)
    if carried is None:
        return
    place, old = carried["start"], carried["old"].encode()
    assert changed[place : place + len(old)] == old
    result = _replaced(changed, place, len(old), carried["new"])
    edit_stop = edit["start"] + len(edit["old"].encode())
    before, after = text.encode()[: edit["start"]], text.encode()[edit_stop:]
    done = edit["new"].encode()
    apart = [
        _replaced(before, change_start, length, typed) + done + after,
        before + done + _replaced(after, change_start - edit_stop, length, typed),
    ]
    if change_start + length < edit["start"]:
        assert result == apart[0]
    elif change_start > edit_stop:
        assert result == apart[1]
    else:
        assert result in {before + done + after, *apart}


@given(_TEXT, _SHORT, _TEXT)
@settings(max_examples=200, deadline=None, database=None)
def test_trimming_changes_nothing_of_what_an_edit_does(
    lua: Callable[..., Any], old: str, prefix: str, new: str
) -> None:
    edit = lua("trimmed", {"start": 0, "old": prefix + old, "new": prefix + new})
    start, gone = edit["start"], len(edit["old"].encode())
    assert _replaced((prefix + old).encode(), start, gone, edit["new"]) == (prefix + new).encode()
    assert not edit["old"] or not edit["new"] or edit["old"][0] != edit["new"][0]


@given(_TEXT, _TEXT)
@settings(max_examples=300, deadline=None, database=None)
def test_the_change_between_two_texts_makes_one_of_the_other(
    lua: Callable[..., Any], before: str, after: str
) -> None:
    change = lua("change_between", before.split("\n"), after.split("\n"))
    if change is None:
        assert before == after
        return
    changed = _replaced(before.encode(), change["start"], change["old_length"], change["new"])
    assert changed == after.encode()


@given(_TEXT, st.data())
@settings(max_examples=100, deadline=None, database=None)
def test_an_offset_and_its_place_are_the_same(
    lua: Callable[..., Any], text: str, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(text)))
    row = text[:index].count("\n")
    col = len(text[:index].rpartition("\n")[2].encode())
    assert lua("offset_of", text.split("\n"), row, col) == _bytes(text, index)


@pytest.mark.parametrize(
    ("edit", "change", "carried"),
    [
        # typed as suggested, in front of what goes
        ((5, "foo", "bar"), (5, 0, "ba"), (7, "foo", "r")),
        # what goes was taken away by hand
        ((5, "foo", "bar"), (5, 3, ""), (5, "", "bar")),
        ((5, "", "bar"), (5, 0, "b"), (6, "", "ar")),
        # something else was typed right beside it
        ((5, "foo", "bar"), (8, 0, "!"), (5, "foo", "bar")),
        ((5, "foo", "bar"), (5, 0, "!"), (6, "foo", "bar")),
        # on which side nobody can tell
        ((5, "", "bar"), (5, 0, "!"), None),
        # something else inside
        ((5, "foo", "bar"), (6, 0, "!"), None),
        # done by hand
        ((5, "foo", "bar"), (5, 3, "bar"), None),
        # across its border
        ((5, "foo", "bar"), (4, 2, ""), None),
        # apart
        ((5, "foo", "bar"), (0, 2, "long"), (7, "foo", "bar")),
        ((5, "foo", "bar"), (9, 2, "long"), (5, "foo", "bar")),
    ],
)
def test_the_rule_by_examples(
    lua: Callable[..., Any],
    edit: tuple[int, str, str],
    change: tuple[int, int, str],
    carried: tuple[int, str, str] | None,
) -> None:
    result = lua(
        "rebased",
        dict(zip(("start", "old", "new"), edit, strict=True)),
        dict(zip(("start", "old_length", "new"), change, strict=True)),
    )
    assert (result and (result["start"], result["old"], result["new"])) == carried
