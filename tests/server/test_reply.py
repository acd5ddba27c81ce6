from __future__ import annotations

import pytest
from lsprotocol import types

from midspan_server.reply import Slot, completion_list, inline_list
from midspan_server.snapshot import DocumentSnapshot
from midspan_server.suggestion_cache import Suggestion


def _slot(text: str, start: int, end: int, lead: str = "") -> Slot:
    snapshot = DocumentSnapshot("file:///a.py", None, 1, "python", text)
    return Slot(snapshot=snapshot, start=start, end=end, lead=lead, encoding="utf-16")


def _suggestion(text: str) -> Suggestion:
    return Suggestion(id="7", text=text, confidence=0.9)


def _range(start: int, end: int) -> types.Range:
    return types.Range(types.Position(0, start), types.Position(0, end))


def test_ghost_text_goes_to_the_cursor_and_tells_when_it_is_accepted() -> None:
    [item] = inline_list([_suggestion("b\nc")], _slot("\N{SNAKE}a", 2, 2)).items
    assert (item.insert_text, item.range) == ("b\nc", _range(3, 3))
    assert item.command is not None
    assert (item.command.command, item.command.arguments) == ("midspan.accept", ["7"])


def test_ghost_text_extends_the_selected_item_of_the_popup() -> None:
    [item] = inline_list([_suggestion("(1)")], _slot("x = ge", 4, 6, lead="get")).items
    assert (item.insert_text, item.range) == ("get(1)", _range(4, 6))


def test_a_popup_entry_replaces_the_word_that_it_is_filtered_by() -> None:
    answer = completion_list([_suggestion("th * height")], _slot("return wid", 10, 10))
    [item] = answer.items
    assert answer.is_incomplete
    assert item.text_edit == types.TextEdit(_range(7, 10), "width * height")
    assert item.filter_text == item.label == "width * height"
    assert item.kind == types.CompletionItemKind.Text


@pytest.mark.parametrize(
    ("text", "label"), [("\n    return 1\n", "return 1"), ("a" * 100, "a" * 59 + "…")]
)
def test_a_popup_label_is_the_first_line_of_a_bearable_length(text: str, label: str) -> None:
    [item] = completion_list([_suggestion(text)], _slot("", 0, 0)).items
    assert item.label == label


def test_popup_entries_keep_their_order() -> None:
    items = completion_list([_suggestion("b"), _suggestion("a")], _slot("", 0, 0)).items
    assert [item.label for item in sorted(items, key=lambda item: item.sort_text or "")] == [
        "b",
        "a",
    ]
