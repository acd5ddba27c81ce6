from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.training.data_shards import Corpus
from midspan_engine.training.rollout import ContextSource, RolloutSettings, continue_greedily
from midspan_engine.training.spans import Context, SpanLimits, SpanSampler

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

    from midspan_engine.training.objective import Objective


@pytest.fixture
def sampler(data_folder: Path, tokenizer: Tokenizer) -> SpanSampler:
    corpus = Corpus.load(data_folder, held_out=False)
    return SpanSampler(corpus, tokenizer, SpanLimits(prefix=60, suffix=30, middle=12))


def test_the_batch_writes_what_each_prompt_alone_would_get(
    objective: Objective, sampler: SpanSampler
) -> None:
    contexts = [sampler.draw(np.random.default_rng(seed)) for seed in range(4)]
    assert len({context.middle_start for context in contexts}) > 1
    together = continue_greedily(objective.model, contexts, 10, frozenset())
    for context, (made, state) in zip(contexts, together, strict=True):
        ids = context.ids[: context.middle_start]
        for _ in range(10):
            hidden = objective.context(ids).hidden
            ids = np.append(ids, int(objective.model.head(hidden[-1]).argmax()))
        assert made.ids.tolist() == ids.tolist()
        whole = objective.context(ids)
        torch.testing.assert_close(state.hidden, whole.hidden, atol=1e-4, rtol=1e-3)
        for own, expected in zip(state.keys_values, whole.keys_values, strict=True):
            torch.testing.assert_close(own[0], expected[0], atol=1e-4, rtol=1e-3)
            torch.testing.assert_close(own[1], expected[1], atol=1e-4, rtol=1e-3)


def test_a_stop_ends_the_middle_and_is_left_out(objective: Objective, context: Context) -> None:
    [(free, _)] = continue_greedily(objective.model, [context], 8, frozenset())
    assert not free.ends
    third = int(free.ids[context.middle_start + 3])
    first = free.ids[context.middle_start :].tolist().index(third)
    [(made, state)] = continue_greedily(objective.model, [context], 8, frozenset({third}))
    assert made.ends
    assert len(made.ids) == len(state.hidden) == context.middle_start + first
    assert state.keys_values[0][0].shape[2] == len(made.ids)


def test_a_restart_in_the_middle_of_a_batch_gets_the_same_contexts(
    objective: Objective, sampler: SpanSampler
) -> None:
    settings = RolloutSettings(share=0.5, tokens=6, batch=4)

    def source() -> ContextSource:
        return ContextSource(sampler, objective, settings, seed=3, places=[0])

    first, second = source(), source()
    taken = [first.take(step, 0) for step in range(8)]
    for step in (2, 3, 6):
        again = second.take(step, 0)
        assert again.context.ids.tolist() == taken[step].context.ids.tolist()
        assert torch.equal(again.state.hidden, taken[step].state.hidden)
        assert again.rng.random() == taken[step].rng.random()


def test_only_the_share_that_was_asked_for_is_written_by_the_base(
    objective: Objective, sampler: SpanSampler
) -> None:
    drawn = [sampler.draw(np.random.default_rng([3, step, 0])) for step in range(8)]
    for share, expected in ((0.0, 8), (1.0, 0)):
        settings = RolloutSettings(share=share, tokens=6, batch=4)
        source = ContextSource(sampler, objective, settings, seed=3, places=[0])
        same = [
            source.take(step, 0).context.ids.tolist() == drawn[step].ids.tolist()
            for step in range(8)
        ]
        assert sum(same) == expected
