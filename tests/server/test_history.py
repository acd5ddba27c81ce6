"""Recent edits: bursts, undo, line numbers and bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_server.history import BURST_S, EditHistory
from midspan_server.snapshot import DocumentSnapshot


def _snapshot(text: str, uri: str = "file:///a.py") -> DocumentSnapshot:
    return DocumentSnapshot(uri=uri, path=None, version=1, language="python", text=text)


def _replay(history: EditHistory, texts: list[str], start: float = 0.0, gap: float = 0.1) -> None:
    for number, (before, after) in enumerate(pairwise(texts)):
        history.record(_snapshot(before), _snapshot(after), start + number * gap)


def _seen(history: EditHistory) -> list[tuple[str, str, int]]:
    return [(edit.before, edit.after, edit.line) for edit in history.recent(99)]


def test_typing_a_word_is_one_edit() -> None:
    history = EditHistory()
    _replay(history, ["a\nx\nc", "a\nxy\nc", "a\nxyz\nc"])
    assert _seen(history) == [("x", "xyz", 1)]


def test_new_lines_have_nothing_before_them() -> None:
    history = EditHistory()
    _replay(history, ["a\nc", "a\nb\nc"])
    assert _seen(history) == [("", "b", 1)]


def test_lines_that_go_have_nothing_after_them() -> None:
    history = EditHistory()
    _replay(history, ["a\nb\nc", "a\nc"])
    assert _seen(history) == [("b", "", 1)]


def test_lines_typed_one_after_the_other_join() -> None:
    history = EditHistory()
    _replay(history, ["a", "a\n", "a\nb", "a\nb\n", "a\nb\nc"])
    assert _seen(history) == [("", "b\nc", 1)]


def test_lines_typed_upwards_join() -> None:
    history = EditHistory()
    _replay(history, ["a\nb\nc", "a\nb\nC", "a\nB\nC"])
    assert _seen(history) == [("b\nc", "B\nC", 1)]


def test_a_pause_starts_another_edit() -> None:
    history = EditHistory()
    _replay(history, ["a", "ab"])
    _replay(history, ["ab", "abc"], start=BURST_S + 1)
    assert _seen(history) == [("a", "ab", 0), ("ab", "abc", 0)]


def test_edits_far_apart_stay_apart() -> None:
    history = EditHistory()
    text = "\n".join("abcdef")
    _replay(history, [text, text.replace("a", "A"), text.replace("a", "A").replace("f", "F")])
    assert _seen(history) == [("a", "A", 0), ("f", "F", 5)]


def test_what_is_undone_is_gone_however_late() -> None:
    history = EditHistory()
    _replay(history, ["a", "ab"])
    _replay(history, ["ab", "a"], start=1000)
    assert _seen(history) == []


def test_lines_added_above_move_older_edits() -> None:
    history = EditHistory()
    _replay(history, ["a\nb\nc\nd", "a\nb\nc\nD"])
    _replay(history, ["a\nb\nc\nD", "1\n2\na\nb\nc\nD"], start=60)
    assert _seen(history) == [("d", "D", 5), ("", "1\n2", 0)]


def test_documents_do_not_mix() -> None:
    history = EditHistory()
    for uri in ("file:///a.py", "file:///b.py"):
        history.record(_snapshot("x", uri), _snapshot("xy", uri), 0)
    assert [edit.uri for edit in history.recent(99)] == ["file:///a.py", "file:///b.py"]
    history.forget("file:///a.py")
    assert [edit.uri for edit in history.recent(99)] == ["file:///b.py"]
    with pytest.raises(ValueError, match="different documents"):
        history.record(_snapshot("x", "file:///a.py"), _snapshot("y", "file:///b.py"), 0)


def test_a_paste_of_a_whole_file_is_not_kept_but_moves_lines() -> None:
    history = EditHistory()
    _replay(history, ["a\nb\nc", "a\nb\nC"])
    history.record(_snapshot("a\nb\nC"), _snapshot("x = 1\n" * 2000 + "a\nb\nC"), 60)
    assert _seen(history) == [("c", "C", 2002)]


def test_the_oldest_go_first() -> None:
    history = EditHistory(limit=2)
    for number in range(4):
        uri = f"file:///{number}.py"
        history.record(_snapshot("x", uri), _snapshot("y", uri), number)
    assert [edit.at for edit in history.recent(99)] == [2, 3]
    assert [edit.at for edit in history.recent(1)] == [3]
    assert history.recent(0) == ()


def test_crlf_is_not_part_of_a_line() -> None:
    history = EditHistory()
    _replay(history, ["a\r\nb\r\nc", "a\r\nB\r\nc"])
    assert _seen(history) == [("b", "B", 1)]


@given(st.lists(st.text("ab\n", max_size=12), min_size=1, max_size=8))
def test_a_burst_tells_how_to_come_from_the_first_text_to_the_last(texts: list[str]) -> None:
    history = EditHistory()
    _replay(history, texts)
    lines = texts[-1].split("\n")
    edits = history.recent(99)
    if len(edits) != 1:
        return
    edit = edits[0]
    after = edit.after.split("\n") if edit.after else [""]
    shown = lines[edit.line : edit.line + len(after)]
    assert shown == after or edit.after == ""


def test_taking_back_is_remembered_until_the_next_change() -> None:
    history = EditHistory()
    _replay(history, ["a", "ab"])
    assert not history.took_back
    _replay(history, ["ab", "a"], start=1.0)
    assert history.took_back
    _replay(history, ["a", "c"], start=2.0)
    assert not history.took_back


def test_a_copy_goes_its_own_way() -> None:
    history = EditHistory()
    _replay(history, ["a", "b"])
    history.saved("file:///a.py", 1.0)
    other = history.copy()
    _replay(other, ["b", "c"], start=2.0)
    assert (_seen(history), history.saves()) == ([("a", "b", 0)], other.saves())
    assert _seen(other) == [("a", "b", 0), ("b", "c", 0)]


HEADER = "def f(width):\n    x=1\n    return width\n\n\n"
BODY = "".join(f"def g{at}( a ):\n    return 'a'\n" for at in range(30))


def _tidied(text: str) -> str:
    return text.replace("x=1", "g(\n        1,\n    )").replace("( a )", "(a)")


def test_a_formatter_that_runs_at_the_save_leaves_the_edit_as_it_is() -> None:
    history = EditHistory()
    typed = HEADER.replace("(width", "(size") + BODY
    _replay(history, [HEADER + BODY, typed, _tidied(typed)])
    assert _seen(history)[-1] == ("def f(width):", "def f(size):", 0)
    assert history.recent(9)[-1].at == 0.0


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_formatter_that_changes_the_edited_lines_joins_them(*, is_saved: bool) -> None:
    history = EditHistory()
    texts = ["f(a, b)\nx\ny\nz\n( w )\n", "f(c, b)\nx\ny\nz\n( w )\n"]
    _replay(history, texts)
    if is_saved:
        history.saved("file:///a.py", 0.5)
    _replay(history, [texts[1], "f(\n    c,\n    b,\n)\nx\ny\nz\n(w)\n"], start=1.0)
    assert _seen(history)[-1] == ("f(a, b)", "f(\n    c,\n    b,\n)", 0)


def test_a_formatter_that_changes_much_hides_nothing() -> None:
    history = EditHistory()
    typed = "x = 'a'\n1\n2\n3\n" + "y = 'b'\n1\n2\n3\n" * 20
    _replay(history, [typed.replace("x", "w"), typed, typed.replace("'", '"')])
    assert _seen(history) == [("w = 'a'", 'x = "a"', 0)]


def test_a_change_in_several_places_is_several_edits() -> None:
    history = EditHistory()
    _replay(history, ["a\n1\n2\n3\nb\n", "a\n1\n2\n3\nb!\n"])
    after = "a?\nnew\n1\n2\n3\nb!\nc\n"
    _replay(history, ["a\n1\n2\n3\nb!\n", after], start=60)
    assert _seen(history) == [("b", "b!", 5), ("a", "a?\nnew", 0), ("", "c", 6)]


def test_typing_with_several_cursors_makes_one_edit_for_each() -> None:
    history = EditHistory()
    texts = [f"a{new}\n1\n2\n3\nb{new}\n" for new in ("", "x", "xy", "xyz")]
    _replay(history, texts)
    assert _seen(history) == [("a", "axyz", 0), ("b", "bxyz", 4)]


def test_taking_back_a_part_of_a_burst_is_taking_back() -> None:
    history = EditHistory()
    texts = ["old\nold\n", "new\nold\n", "new\nnew\n", "new\nold\n"]
    _replay(history, texts)
    assert history.took_back
    _replay(history, texts[1:3], start=1.0)
    assert not history.took_back


def test_a_character_rubbed_out_is_no_taking_back_and_a_save_ends_it() -> None:
    history = EditHistory()
    _replay(history, ["a", "word", "words", "word"])
    assert not history.took_back
    _replay(history, ["word", "a"], start=1.0)
    assert history.took_back
    history.saved("file:///a.py", 2.0)
    assert not history.took_back


@pytest.mark.parametrize("places", [3, 20])
def test_a_change_in_many_places_is_taken_back_as_a_whole(places: int) -> None:
    history = EditHistory()
    text = "old\n1\n2\n3\n" * places
    _replay(history, [text, text.replace("old", "new")])
    assert len(history.recent(99)) == (places if places < 9 else 1)
    _replay(history, [text.replace("old", "new"), text], start=60)
    assert _seen(history) == []


def test_places_changed_at_once_are_taken_back_in_any_order() -> None:
    history = EditHistory()
    texts = ["a\n1\n2\nb\n", "a\n1\n2\nB\n", "A\n1\n2\nB\n"]
    _replay(history, texts, gap=0.001)
    _replay(history, ["A\n1\n2\nB\n", "A\n1\n2\nb\n", "a\n1\n2\nb\n"], start=60, gap=0.001)
    assert _seen(history) == []
