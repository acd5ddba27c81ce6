from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from midspan_engine.canvas.context import CanvasContext, build_context
from midspan_engine.canvas.settings import CanvasConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.protocol import InfillRequest
    from midspan_engine.tokenizer import Tokenizer

    Ask = Callable[..., InfillRequest]
    Build = Callable[..., CanvasContext]


@pytest.fixture
def build(canvas_tokenizer: Tokenizer, canvas_family: ModelFamily, ask: Ask) -> Build:
    def make(prefix: str, suffix: str = "", *, language: str = "", **changes: Any) -> CanvasContext:
        config = CanvasConfig(
            prefix_tokens=changes.pop("prefix_tokens", 320),
            suffix_tokens=changes.pop("suffix_tokens", 128),
        )
        marks = changes.pop("marks", {})
        assert canvas_family.marks is not None
        family = dataclasses.replace(
            canvas_family,
            marks=dataclasses.replace(canvas_family.marks, **marks),
            **changes,
        )
        return build_context(
            ask(prefix, suffix, language=language), canvas_tokenizer, family, config
        )

    return make


def test_the_text_on_both_sides_is_encoded_and_the_end_marked(
    build: Build, canvas_tokenizer: Tokenizer, canvas_family: ModelFamily
) -> None:
    assert canvas_family.marks is not None
    made = build("x = (", ")\n", marks={"begin": 3})
    assert made.prefix.tolist() == [3, *canvas_tokenizer.encode("x = (")]
    assert made.suffix.tolist() == [*canvas_tokenizer.encode(")\n"), canvas_family.marks.end]
    assert made.length == len(made.prefix) + len(made.suffix)
    assert made.lead.tolist() == []


def test_nothing_around_the_hole_is_allowed(build: Build) -> None:
    made = build("", "")
    assert made.length == 0
    assert made.pending == b""


def test_what_is_far_away_is_cut(build: Build, canvas_tokenizer: Tokenizer) -> None:
    made = build("a = 1\n" * 999, "b = 2\n" * 999, prefix_tokens=10, suffix_tokens=7)
    assert made.prefix.tolist() == canvas_tokenizer.encode("a = 1\n" * 9)[-10:]
    # No end mark: the file goes on.
    assert made.suffix.tolist() == canvas_tokenizer.encode("b = 2\n" * 9)[:7]


def test_a_side_that_may_have_no_tokens_has_none(build: Build) -> None:
    made = build("a = 1\n", "b = 2\n", prefix_tokens=0, suffix_tokens=0)
    assert made.length == 0


@pytest.mark.parametrize("typed", ["return lo", "self.li", "x_", "load_mod"])
def test_a_word_before_the_cursor_is_spelled_again(
    build: Build, canvas_tokenizer: Tokenizer, typed: str
) -> None:
    made = build(typed)
    assert canvas_tokenizer.decode_bytes(made.prefix) + made.pending == typed.encode()
    if made.pending:
        assert canvas_tokenizer.ids_with_prefix(made.pending)


@pytest.mark.parametrize("typed", ["x = ", "f(", "x = 1", "a\n", "    "])
def test_elsewhere_nothing_is_taken_back(
    build: Build, canvas_tokenizer: Tokenizer, typed: str
) -> None:
    made = build(typed)
    assert made.pending == b""
    assert made.prefix.tolist() == canvas_tokenizer.encode(typed)


def test_the_indentation_that_layout_demands_stands_before_the_span(
    build: Build, canvas_tokenizer: Tokenizer
) -> None:
    made = build("if x:\n", language="python")
    assert made.indent == "    "
    assert canvas_tokenizer.decode(made.prefix) == "if x:\n    "


def test_where_rows_predict_the_next_place_the_last_token_leads(
    build: Build, canvas_tokenizer: Tokenizer, canvas_family: ModelFamily
) -> None:
    assert canvas_family.marks is not None
    ids = canvas_tokenizer.encode("x = (")
    made = build("x = (", shift=True)
    assert [*made.prefix.tolist(), *made.lead.tolist()] == ids
    assert (len(made.lead), made.offset) == (1, 0)
    assert build("", shift=True).lead.tolist() == [canvas_family.marks.end]
    assert build("", shift=True, marks={"end": None}).lead.tolist() == [canvas_family.marks.mask]


def test_infilling_models_are_told_in_their_own_marks(
    build: Build, canvas_tokenizer: Tokenizer
) -> None:
    made = build("a(", ")", layout="fim", marks={"fim": (4, 5, 6)})
    around = [*canvas_tokenizer.encode("a("), 5, *canvas_tokenizer.encode(")")]
    assert made.prefix.tolist() == [4, *around, 6]
    assert made.suffix.tolist() == []


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("tokens", range(1, 9))
def test_the_block_that_the_span_begins_in_is_run_with_it(
    build: Build, shift: bool, tokens: int
) -> None:
    """What is cached ends where a block ends, so nothing in it has seen the span."""
    made = build("\n" * tokens, block=4, shift=shift)
    whole = [*made.prefix.tolist(), *made.lead.tolist()]
    assert whole == build("\n" * tokens).prefix.tolist()
    assert len(made.lead) <= 4
    assert (len(made.prefix) % 4 == 0) or (shift and made.length % 4 == 0)
    assert made.offset == len(made.lead) - shift
    assert made.offset >= 0
