from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.required import Required
from midspan_engine.canvas.settings import CanvasConfig
from midspan_engine.protocol import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Make = Callable[..., Any]
    Ask = Callable[..., InfillRequest]


def test_masks_share_what_room_is_left(ask: Ask, canvas_tokenizer: Tokenizer) -> None:
    wanted = Required.of(ask(require=("ab", "cd")), canvas_tokenizer, 13)
    tokens = sum(map(len, wanted.runs))
    assert wanted.masks(99) == (13 - tokens) // 3
    assert wanted.masks(1) == 1
    assert Required.of(ask(), canvas_tokenizer, 5).masks(8) == 5
    assert Required.of(ask(require=("", "")), canvas_tokenizer, 5).runs == ()


def test_texts_that_leave_no_room_are_refused(ask: Ask, canvas_tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestRejected, match="max_tokens"):
        Required.of(ask(require=("a(b)c[d]",)), canvas_tokenizer, 4)


@pytest.mark.parametrize(
    ("text", "found"), [("one two", True), ("two one", False), ("onetwo", True), ("on two", False)]
)
def test_texts_have_to_come_in_order(
    ask: Ask, canvas_tokenizer: Tokenizer, text: str, found: bool
) -> None:
    assert Required.of(ask(require=("one", "two")), canvas_tokenizer, 50).are_in(text) is found


def test_an_answer_contains_what_is_required(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(scripted(saying("path")))
    for n in (1, 3):
        answer = engine.infill(ask(require=("handle", "lines"), n=n, max_tokens=40))
        assert answer.choices
        for choice in answer.choices:
            assert "handle" in choice.text
            assert "lines" in choice.text.partition("handle")[2]


def test_the_alternatives_begin_with_as_many_masks_as_the_first(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    network = scripted(saying("path"))
    config = CanvasConfig(length="fixed", masks=4)
    canvas_engine(network, config).infill(ask(require=("handle",), n=3))
    longest = {len(slot) for one in network.seen for slot in one.slots}
    assert max(longest) == len(network.seen[0].slots[0])


def test_the_line_does_not_end_before_what_is_required(
    scripted: Make, canvas_engine: Make, canvas_tokenizer: Tokenizer, ask: Ask
) -> None:
    (newline,) = canvas_tokenizer.encode("\n")
    (other,) = canvas_tokenizer.encode(",")
    engine = canvas_engine(scripted(lambda _ids, _place: {newline: 20.0, other: 10.0}))
    (choice,) = engine.infill(ask(require=("path",))).choices
    assert choice.text.rstrip(",").endswith("path")
    assert choice.finish == "line"


def test_where_it_cannot_be_contained_there_is_no_answer(
    scripted: Make, saying: Make, canvas_engine: Make, ask: Ask
) -> None:
    engine = canvas_engine(scripted(saying("path")))
    assert engine.infill(ask(require=("a\nb",))).choices == ()
    assert engine.infill(ask(require=("lines",), forbid=("li",))).choices == ()
