from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.canvas.cells import SpanCanvas
from midspan_engine.canvas.context import CanvasContext
from midspan_engine.canvas.policy import LIKELY, Sampling, Unmasker
from midspan_engine.canvas.span import CanvasSpan

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Ask = Callable[..., InfillRequest]
    MakeSpan = Callable[..., CanvasSpan]

EMPTY = np.zeros(0, np.int32)
EXPAND, DELETE = 9, 10


@pytest.fixture
def make_span(canvas_tokenizer: Tokenizer, ask: Ask) -> MakeSpan:
    def make(
        masks: int = 4,
        *,
        pending: bytes = b"",
        indent: str = "",
        lead: tuple[int, ...] = (),
        offset: int = 0,
        required: tuple[tuple[int, ...], ...] = (),
        **request: object,
    ) -> CanvasSpan:
        context = CanvasContext(
            prefix=EMPTY,
            suffix=EMPTY,
            lead=np.array(lead, np.int32),
            offset=offset,
            pending=pending,
            indent=indent,
        )
        canvas = SpanCanvas(masks, most=12, expand=EXPAND, delete=DELETE, required=required)
        unmasker = Unmasker(LIKELY, range(8), Sampling())
        return CanvasSpan(canvas, ask(**request), context, canvas_tokenizer, unmasker)

    return make


def fill(span: CanvasSpan, *tokens: int | None) -> None:
    """One pass in which the masks are sure of these tokens; None is no opinion."""
    logits = np.zeros((len(span.canvas.masks), 365), np.float32)
    for row, token in zip(logits, tokens, strict=True):
        if token is not None:
            row[token] = 15.0
    span.step(logits)


def ids(tokenizer: Tokenizer, *texts: str) -> list[int]:
    return [token for text in texts for token in tokenizer.encode(text)]


def test_a_span_is_done_when_no_mask_is_left(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(3)
    fill(span, *ids(canvas_tokenizer, "path", ","), None)
    assert (span.text, span.finish) == ("path,", None)
    fill(span, DELETE)
    assert span.answer() == ("path,", "eos")
    assert span.finish == "eos"


def test_known_text_ends_at_the_first_mask(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(3)
    fill(span, None, *ids(canvas_tokenizer, "path", ","))
    assert span.text == ""
    span.stop("budget")
    assert span.answer() == ("", "budget")


def test_bytes_that_stand_before_the_cursor_are_no_part_of_the_text(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    path, comma = ids(canvas_tokenizer, "path", ",")
    span = make_span(2, pending=b"pa")
    fill(span, comma, comma)
    assert canvas_tokenizer.token_bytes(span.canvas.cells[0].token).startswith(b"pa")
    span = make_span(2, pending=b"pa")
    fill(span, path, comma)
    assert span.answer() == ("th,", "eos")
    assert [cell.text for cell in span.picture()] == ["th", ","]


def test_an_opening_that_is_impossible_ends_the_span(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(2, pending=b"pa")
    span.canvas.cells[0].banned.update(canvas_tokenizer.ids_with_prefix(b"pa"))
    fill(span, None, ids(canvas_tokenizer, ",")[0])
    assert span.finish is None
    fill(span, None)
    assert span.answer() == ("", "stop")


def test_a_line_ends_it_and_what_was_filled_in_behind_is_dropped(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(5)
    path, newline, comma = ids(canvas_tokenizer, "path", "\n", ",")
    fill(span, path, newline, comma, None, comma)
    assert span.answer() == ("path", "line")
    assert len(span.canvas.cells) == 2, "tokens behind the end say nothing about the answer"


def test_a_line_break_behind_a_mask_does_not_end_it(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(2)
    path, newline = ids(canvas_tokenizer, "path", "\n")
    fill(span, None, newline)
    assert span.finish is None
    fill(span, path)
    assert span.answer() == ("path", "line")


def test_a_stop_text_across_tokens_ends_it(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(3, stop=("th,",))
    fill(span, *ids(canvas_tokenizer, "path", ",", ","))
    assert span.answer() == ("pa", "stop")


def test_the_indentation_belongs_to_text_answer_and_picture(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    """Without it a block would end before its first line, which seems not to be indented."""
    span = make_span(
        2, indent="    ", prefix="if x:\n", language="python", scope="block", block_indent=4
    )
    fill(span, *ids(canvas_tokenizer, "path"), None)
    assert span.finish is None
    assert span.text == "    path"
    fill(span, *ids(canvas_tokenizer, ","))
    assert span.answer() == ("    path,", "eos")
    assert "".join(cell.text for cell in span.picture()) == "    path,"


def test_the_picture_shows_masks_with_what_they_believe(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(3)
    path, comma = ids(canvas_tokenizer, "path", ",")
    assert [cell.state for cell in span.picture()] == ["mask"] * 3
    logits = np.zeros((3, 365), np.float32)
    logits[0, path], logits[1, comma], logits[2, EXPAND] = 15.0, 5.0, 15.0
    span.step(logits)
    cells = span.picture()
    assert [cell.state for cell in cells] == ["committed", "mask", "mask", "mask"]
    assert [cell.text for cell in cells] == ["path", ",", "", ""]
    assert 0.2 < cells[1].probability < 0.5
    assert cells[3].probability == 0.0


def test_a_first_mask_that_grew_hides_nothing_of_the_second_cell(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(2, pending=b"pa")
    fill(span, None, *ids(canvas_tokenizer, "path"))
    span.canvas.cells[0].belief = None
    assert span.picture()[1].text == "path"


def test_half_a_character_is_left_out(make_span: MakeSpan, canvas_tokenizer: Tokenizer) -> None:
    span = make_span(3)
    first, second = ids(canvas_tokenizer, "é")
    (comma,) = ids(canvas_tokenizer, ",")
    fill(span, comma, first, None)
    assert span.text == ","
    fill(span, second)
    assert span.answer() == (",é", "eos")


def test_rows_predict_their_own_place_or_the_next_one(make_span: MakeSpan) -> None:
    rows, wanted = make_span(2).rows(8)
    assert (rows.tolist(), wanted.tolist()) == ([8, 8], [0, 1])
    rows, wanted = make_span(2, lead=(50,), offset=0).rows(8)
    assert (rows.tolist(), wanted.tolist()) == ([50, 8, 8], [0, 1])
    rows, wanted = make_span(2, lead=(50, 51), offset=2).rows(8)
    assert (rows.tolist(), wanted.tolist()) == ([50, 51, 8, 8], [2, 3])


def test_cells_that_are_opened_again_come_back_if_time_runs_out(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    span = make_span(2)
    fill(span, *ids(canvas_tokenizer, "path", ","))
    span.open_again([0], refused=[0])
    assert span.finish is None
    assert span.canvas.masks == [0]
    span.stop("budget")
    assert span.answer() == ("path,", "eos")


def test_cells_that_are_opened_again_and_filled_stay(
    make_span: MakeSpan, canvas_tokenizer: Tokenizer
) -> None:
    path, comma = ids(canvas_tokenizer, "path", ",")
    span = make_span(2)
    fill(span, path, comma)
    span.open_again([0], refused=[0])
    logits = np.zeros((1, 365), np.float32)
    logits[0, path], logits[0, comma] = 20.0, 15.0
    span.step(logits)
    assert span.answer() == (",,", "eos")


def test_scores_count_what_was_decided(make_span: MakeSpan, canvas_tokenizer: Tokenizer) -> None:
    span = make_span(2, required=(tuple(ids(canvas_tokenizer, "self")),))
    assert (span.mean_logprob, span.lowest_logprob, span.inner_logprob) == (0.0, 0.0, 0.0)
    logits = np.zeros((4, 365), np.float32)
    logits[:, DELETE] = 15.0
    span.step(logits)
    assert span.mean_logprob == 0.0, "what is demanded was no choice"
    assert span.inner_logprob < 0.0
    assert span.answer() == ("self", "eos")
