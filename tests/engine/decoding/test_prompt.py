"""Prompts: the order of the parts, what is cut, and what the model must not see as a mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.decoding.prompt import build_prompt
from midspan_engine.protocol import InfillRequest, Snippet

if TYPE_CHECKING:
    from midspan_engine.tokenizer import Tokenizer


def ask(**changes: object) -> InfillRequest:
    values: dict[str, object] = {"id": 1, "session": "s", "prefix": "x = ", "language": "python"}
    return InfillRequest(**{**values, **changes})  # type: ignore[arg-type]


def texts(tokenizer: Tokenizer, request: InfillRequest, limit: int = 400) -> tuple[str, str]:
    """Prefix as the model sees it, pending bytes included, and suffix."""
    prompt = build_prompt(request, tokenizer, limit)
    shown = prompt.pending[: len(prompt.pending) - prompt.given].decode()
    return tokenizer.decode(prompt.head[1:]) + shown, tokenizer.decode(prompt.tail[1:])


def test_the_marks_stand_where_the_model_was_trained_on(tiny_tokenizer: Tokenizer) -> None:
    prompt = build_prompt(ask(suffix="\ny"), tiny_tokenizer, 400)
    special = tiny_tokenizer.special
    assert (prompt.head[0], prompt.tail[0]) == (special.fim_prefix, special.fim_suffix)
    assert prompt.middle_mark == special.fim_middle


def test_snippets_come_first_under_a_comment_with_their_path(tiny_tokenizer: Tokenizer) -> None:
    request = ask(snippets=(Snippet(path="a.py", text="y = 1"), Snippet(path="b.py", text="z")))
    assert texts(tiny_tokenizer, request)[0] == "# a.py\ny = 1\n\n# b.py\nz\n\nx = "
    css = ask(snippets=(Snippet(path="a.css", text="p{}"),), language="css")
    assert texts(tiny_tokenizer, css)[0].startswith("/* a.css */\n")


@pytest.mark.parametrize(
    ("prefix", "suffix", "seen"),
    [
        ("a\n", "b\n", "\nb\n"),
        ("a\n", "\nb\n", "\nb\n"),
        ("a\n", "\r\nb", "\r\nb"),
        ("a\n", "", ""),
        ("a", "b\n", "b\n"),
        ("a\n  ", "b", "b"),
    ],
)
def test_a_hole_that_is_a_whole_line_has_its_break_behind_it(
    tiny_tokenizer: Tokenizer, prefix: str, suffix: str, seen: str
) -> None:
    assert texts(tiny_tokenizer, ask(prefix=prefix, suffix=suffix))[1] == seen


def test_a_long_prefix_keeps_its_end_and_a_beginning_that_stays(
    tiny_tokenizer: Tokenizer,
) -> None:
    long = "".join(f"value_{index} = {index}\n" for index in range(2000))
    heads = []
    for typed in ("", "x", "xy", "xyz "):
        prompt = build_prompt(ask(prefix=long + typed), tiny_tokenizer, 600)
        assert prompt.length <= 600
        shown = tiny_tokenizer.decode(prompt.head[1:]) + prompt.pending.decode()
        assert long.endswith(shown[: len(shown) - len(typed)] if typed else shown)
        heads.append(prompt.head[:100])
    assert len(set(heads)) == 1, "the cache is lost when the beginning moves"


def test_the_indentation_that_layout_demands_is_part_of_the_answer(
    tiny_tokenizer: Tokenizer,
) -> None:
    prompt = build_prompt(ask(prefix="if x:\n"), tiny_tokenizer, 400)
    assert (prompt.pending, prompt.given) == (b"    ", 4)
