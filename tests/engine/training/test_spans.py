from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from midspan_engine.training.data_shards import Corpus, ShardError
from midspan_engine.training.spans import (
    SpanLimits,
    SpanSampler,
    Specials,
    cut_span,
    read_contexts,
    write_contexts,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "".join(
    f"def f{n}(x):\n    y = x + {n}\n    if y:\n        return y\n    return None\n\n\n"
    for n in range(30)
)


def test_the_three_parts_are_the_text() -> None:
    found = 0
    for seed in range(100):
        pieces = cut_span(TEXT, np.random.default_rng(seed), 300)
        if pieces is not None:
            found += 1
            assert "".join(pieces) == TEXT
            assert pieces[1].strip()
    assert found > 80


def test_spans_are_rests_of_lines_lines_and_bodies() -> None:
    spans = [cut_span(TEXT, np.random.default_rng(seed), 200 + seed) for seed in range(200)]
    kept = [span for span in spans if span is not None]
    inside = [s for s in kept if s[0][-1:] not in "\n " and "\n" not in s[1].rstrip("\n")]
    bodies = [s for s in kept if s[0].rstrip().endswith(":") and s[1].count("\n") >= 3]
    single = [s for s in kept if s[0].endswith("\n") and s[1].count("\n") <= 1]
    assert inside
    assert bodies
    assert single


def test_a_text_without_lines_gives_nothing() -> None:
    assert cut_span("\n\n\n", np.random.default_rng(0), 10) is None


def test_contexts_are_in_fim_order_and_the_same_for_the_same_seed(
    data_folder: Path, tokenizer: Tokenizer
) -> None:
    corpus = Corpus.load(data_folder, held_out=False)
    sampler = SpanSampler(corpus, tokenizer, SpanLimits(prefix=60, suffix=30, middle=12))
    specials = Specials.of(tokenizer)
    for seed in range(30):
        context = sampler.draw(np.random.default_rng(seed))
        again = sampler.draw(np.random.default_rng(seed))
        assert context.ids.tolist() == again.ids.tolist()
        ids = context.ids
        assert ids[0] == specials.prefix
        assert ids[context.prefix_end] == specials.suffix
        assert ids[context.middle_start - 1] == specials.middle
        middle = len(ids) - context.middle_start
        assert 1 <= middle <= 12
        assert context.ends or middle == 12
        assert len(ids) <= 60 + 30 + 12 + 3


def test_contexts_survive_the_disk(data_folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    corpus = Corpus.load(data_folder, held_out=True)
    sampler = SpanSampler(corpus, tokenizer, SpanLimits(prefix=60, suffix=30, middle=12))
    drawn = [sampler.draw(np.random.default_rng(seed)) for seed in range(3)]
    write_contexts(tmp_path / "c.json", drawn)
    for before, after in zip(drawn, read_contexts(tmp_path / "c.json"), strict=True):
        assert (before.ids == after.ids).all()
        assert (before.middle_start, before.prefix_end, before.ends) == (
            after.middle_start, after.prefix_end, after.ends,
        )  # fmt: skip


def test_a_tokenizer_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        Specials.of(Tokenizer(models.BPE()))


def test_training_and_evaluation_never_share_a_package(data_folder: Path, tmp_path: Path) -> None:
    train, held_out = (Corpus.load(data_folder, held_out=flag) for flag in (False, True))
    assert sum(train.token_counts.values()) == sum(held_out.token_counts.values()) > 0
    only = tmp_path / "only"
    (only / "shards").mkdir(parents=True)
    (only / "manifest.json").write_text('{"packages": []}')
    with pytest.raises(ShardError, match="holds no packages"):
        Corpus.load(only, held_out=False)
    with pytest.raises(ShardError, match="midspan train data"):
        Corpus.load(tmp_path / "nowhere", held_out=False)
