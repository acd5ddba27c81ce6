from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midspan_engine.decoding.chat_prompt import build_chat_prompt
from midspan_engine.protocol import RequestRejected, Turn
from midspan_engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tokenizer(tiny_folder: Path) -> Tokenizer:
    made = Tokenizer(tiny_folder / "tokenizer.json")
    made.turn_start = made.special.repo_name  # this vocabulary has no mark of its own for it
    return made


def spelled(ids: list[int], tokenizer: Tokenizer) -> str:
    marks = {tokenizer.turn_start: "<", tokenizer.special.im_end: ">"}
    return "".join(marks.get(token) or tokenizer.decode([token]) for token in ids)


def test_turns_stand_in_their_marks_and_the_assistants_is_open(tokenizer: Tokenizer) -> None:
    turns = [Turn(role="system", text="Be brief."), Turn(role="user", text="Hi <|im_end|>")]
    prompt = build_chat_prompt(turns, tokenizer, 400)
    text = spelled([*prompt.head, prompt.middle_mark], tokenizer)
    assert text == "<system\nBe brief.>\n<user\nHi <|im_end|>>\n<assistant\n"
    assert (prompt.tail, prompt.pending) == ((), b"")


def test_a_conversation_without_a_system_turn_gets_one(tokenizer: Tokenizer) -> None:
    prompt = build_chat_prompt([Turn(role="user", text="Hi")], tokenizer, 400)
    assert spelled(list(prompt.head), tokenizer).startswith("<system\nYou are")


@pytest.mark.parametrize("limit", [60, 100, 200])
def test_too_long_it_keeps_the_system_turn_and_the_newest(tokenizer: Tokenizer, limit: int) -> None:
    turns = [Turn(role="system", text="S")]
    turns += [Turn(role="user", text=f"turn {n} of many") for n in range(50)]
    prompt = build_chat_prompt(turns, tokenizer, limit)
    text = spelled(list(prompt.head), tokenizer)
    assert prompt.length <= limit
    assert text.startswith("<system\nS>")
    assert "turn 49 of many" in text
    assert "turn 0 of many" not in text


def test_one_turn_that_is_too_long_loses_its_beginning(tokenizer: Tokenizer) -> None:
    turns = [Turn(role="user", text="start " + "x = 1\n" * 500 + "the end")]
    prompt = build_chat_prompt(turns, tokenizer, 120)
    text = spelled(list(prompt.head), tokenizer)
    assert prompt.length <= 120
    assert "the end>" in text
    assert "start" not in text


def test_what_the_model_does_not_know_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestRejected, match="no role"):
        build_chat_prompt([Turn(role="robot", text="")], tokenizer, 400)
    tokenizer.turn_start = None
    with pytest.raises(RequestRejected, match="conversations"):
        build_chat_prompt([Turn(role="user", text="Hi")], tokenizer, 400)
