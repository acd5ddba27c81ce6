from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from edit_samples import Choice, choose, load_samples, request_for

from midspan_engine.training.edits.samples import EditCorpus, EditSample

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.tokenizer import Tokenizer


class Letters:
    """A token for each letter."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


TOKENIZER = cast("Tokenizer", Letters())


def sample(number: int, *, quiet: bool = False, size: int = 5) -> EditSample:
    original = f"{number:04}" + "x" * (size - 4)
    return EditSample(
        kind="release",
        language="go",
        path="a.go",
        history=(("b.go", "-a\n+b\n"),),
        before="before\n",
        original=original,
        updated=original if quiet else original + "!",
        after="after\n",
    )


CORPUS = EditCorpus(
    changed=[sample(number, size=5 + number % 4 * 10) for number in range(60)],
    quiet=[sample(100 + number, quiet=True) for number in range(30)],
)


def test_a_seed_names_a_selection_of_regions_that_fit() -> None:
    choice = Choice(changed=12, unchanged=8, seed=3, longest=20)
    chosen = choose(CORPUS, choice, TOKENIZER)
    assert chosen == choose(CORPUS, choice, TOKENIZER)
    assert [sum(not s.quiet for s in chosen), sum(s.quiet for s in chosen)] == [12, 8]
    assert all(len(s.updated) <= 20 for s in chosen)
    assert [s.quiet for s in chosen] != sorted(s.quiet for s in chosen), "they are mixed"
    other = Choice(changed=12, unchanged=8, seed=4, longest=20)
    assert choose(CORPUS, other, TOKENIZER) != chosen


def test_a_request_says_all_but_the_answer() -> None:
    request = request_for(sample(7), number=2, effort="balanced", edit_from=0.3)
    assert (request.region, request.before, request.after) == ("0007x", "before\n", "after\n")
    assert [(edit.path, edit.diff) for edit in request.history] == [("b.go", "-a\n+b\n")]
    assert (request.language, request.path, request.effort) == ("go", "a.go", "balanced")
    assert request.edit_from == 0.3


def test_missing_samples_say_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="midspan train edit-data"):
        load_samples(tmp_path)
