from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine.tokenizer import Tokenizer
from midspan_engine.training.scratch.vocabulary import (
    MARKS,
    token_ids,
    train_vocabulary,
    write_vocabulary,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer as FastTokenizer

_TINY = train_vocabulary(["value = other\n"], 290)


def test_it_has_no_more_tokens_than_asked_for_marks_included(vocabulary: FastTokenizer) -> None:
    assert len(MARKS) + 256 < vocabulary.get_vocab_size() <= 400
    assert token_ids(vocabulary, *MARKS) == tuple(range(len(MARKS)))


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    composed = _TINY.normalizer.normalize_str(text)
    ids = _TINY.encode(text, add_special_tokens=False).ids
    assert _TINY.decode(ids, skip_special_tokens=False) == composed


def test_a_line_break_ends_a_token(vocabulary: FastTokenizer) -> None:
    text = "def f():\n    return None\n\n\ndef g():\n"
    spelled = [vocabulary.decode([token]) for token in vocabulary.encode(text).ids]
    assert all("\n" not in one.rstrip("\n") for one in spelled)


def test_a_mark_that_is_missing_is_named(vocabulary: FastTokenizer) -> None:
    with pytest.raises(ValueError, match=r"<\|nothing\|>"):
        token_ids(vocabulary, "<|mask|>", "<|nothing|>")


def test_the_engine_reads_what_is_written(vocabulary: FastTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokenizer.json"
    write_vocabulary(vocabulary, path)
    tokenizer = Tokenizer(path)
    text = "return width * height  # <|mask|>\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert not set(tokenizer.encode(text)) & tokenizer.marks
