"""A pass says what is likeliest; the rest of the vocabulary is computed when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.engine import Engine
from midspan_engine.protocol import InfillRequest
from midspan_engine.runtime import kernel_network
from midspan_engine.runtime.blocks import CachedSequence
from midspan_engine.runtime.kernel_runtime import KernelRuntime
from midspan_engine.runtime.rows import TOP, RowGroup, RowScores
from midspan_engine.runtime.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from midspan_engine.runtime.kernel_layers import Stored
    from midspan_engine.runtime.rows import Runtime
    from midspan_engine.tokenizer import Tokenizer

CACHE = 4 << 20


class Asked:
    """What a network is asked for logits of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runtime: KernelRuntime) -> None:
        self.rows: list[int] = []
        self.tokens: list[int | None] = []
        self._logits = runtime._network.logits
        monkeypatch.setattr(runtime._network, "logits", self)

    def __call__(self, hidden: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor:
        self.rows.append(len(hidden))
        self.tokens.append(None if tokens is None else len(tokens))
        return self._logits(hidden, tokens)


@pytest.fixture
def kernels(tiny_folder: Path) -> KernelRuntime:
    return KernelRuntime(tiny_folder, cache_bytes=CACHE)


def scores(runtime: Runtime, start: int = 5) -> list[RowScores]:
    groups = []
    for first in range(start, start + 2):
        sequence = CachedSequence()
        runtime.pool.reserve(sequence, 20)
        groups.append(RowGroup.causal(sequence, 0, range(first, first + 9), [8, 3]))
    return runtime.forward(groups)


def test_logits_are_computed_once_and_only_when_asked_for(
    kernels: KernelRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, kernels)
    first, second = scores(kernels)
    assert first.top_ids.shape == (2, TOP)
    assert first.logprob(0, int(first.top_ids[0, 3])) < 0
    assert asked.rows == []
    assert second.logits.shape == (2, len(kernels._network._weights.embedding))
    assert second.logits is second.logits
    assert second.logits_of(1, np.array([4, 2])).tolist() == second.logits[1, [4, 2]].tolist()
    assert (asked.rows, asked.tokens) == ([2], [None])


@pytest.mark.parametrize("stored", ["dense", "int8", "fp8"])
def test_one_token_of_each_row_costs_one_look_for_all_that_are_not_ranked(
    tiny_folder: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = KernelRuntime(tiny_folder, cache_bytes=CACHE, stored=stored)
    sequence = CachedSequence()
    runtime.pool.reserve(sequence, 80)
    found = runtime.forward([RowGroup.causal(sequence, 0, range(5, 65), range(60))])[0]
    looks = 0
    pairs = runtime._network.pair_logits

    def counted(hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        nonlocal looks
        looks += 1
        return pairs(hidden, tokens)

    monkeypatch.setattr(runtime._network, "pair_logits", counted)
    tokens = [*range(100, 140), *(int(found.top_ids[row, row % TOP]) for row in range(40, 59))]
    together = found.logprobs(tokens)
    assert looks == 1
    singly = [found.logprob(row, token) for row, token in enumerate(tokens)]
    assert together == pytest.approx(singly, abs=1e-4)
    assert found.logprobs(tokens[40:0]) == []
    best = int(found.top_ids[0, 0])
    assert found.logprobs([best]) == pytest.approx([found.logprob(0, best)])
    assert looks == 1, "nothing is asked where all are ranked"
    whole = RowScores(
        logits=found.logits,
        top_ids=found.top_ids,
        top_logits=found.top_logits,
        log_normaliser=found.log_normaliser,
    )
    assert whole.logprobs(tokens) == pytest.approx(singly, abs=1e-4)
    assert found.logprobs(tokens) == pytest.approx(singly, abs=1e-4), "now from the logits"
    assert looks == 1
    assert whole.logprobs([]) == []


@pytest.mark.parametrize("stored", ["dense", "int8", "fp8"])
def test_tokens_of_low_rank_cost_their_own_products_and_agree(
    tiny_folder: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = KernelRuntime(tiny_folder, cache_bytes=CACHE, stored=stored)
    asked = Asked(monkeypatch, runtime)
    found = scores(runtime)[1]
    token = next(token for token in range(300) if token not in found.top_ids[1])
    single, some = found.logprob(1, token), found.logits_of(1, np.array([7, token, 0]))
    assert (asked.rows, asked.tokens) == ([1, 1], [1, 3])
    np.testing.assert_allclose(some, found.logits[1, [7, token, 0]], atol=1e-4)
    assert single == pytest.approx(some[1] - found.log_normaliser[1], abs=1e-4)
    assert found.logprob(1, token) == pytest.approx(single, abs=1e-4), "now from the logits"


def test_a_large_vocabulary_is_gone_through_in_slices(
    kernels: KernelRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, tokens = scores(kernels)[0], np.arange(200)[::-1].copy()
    some = found.logits_of(0, tokens)
    monkeypatch.setattr(kernel_network, "_SLICE", 64)
    np.testing.assert_allclose(scores(kernels)[0].logits_of(0, tokens), some, atol=1e-5)
    np.testing.assert_allclose(found.logits[0, tokens], some, atol=1e-5)


def test_all_scores_equal_the_reference(kernels: KernelRuntime, tiny_folder: Path) -> None:
    for ours, theirs in zip(
        scores(kernels), scores(TorchRuntime(tiny_folder, cache_bytes=CACHE)), strict=True
    ):
        np.testing.assert_array_equal(ours.top_ids, theirs.top_ids)
        for name in ("logits", "top_logits", "log_normaliser"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=2e-4)
        for token in (0, 77, int(theirs.top_ids[0, 0])):
            assert ours.logprob(0, token) == pytest.approx(theirs.logprob(0, token), abs=2e-4)


def test_what_was_not_asked_for_stays_right_after_the_next_pass(kernels: KernelRuntime) -> None:
    kept, asked = scores(kernels)[0], np.array(scores(kernels)[0].logits)
    scores(kernels, start=40)
    np.testing.assert_allclose(kept.logits, asked, atol=1e-5)


def test_a_completion_asks_only_for_what_may_complete_the_word_begun(
    kernels: KernelRuntime, tiny_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, kernels)
    engine = Engine(kernels, tiny_tokenizer)
    answers: list[object] = []
    request = InfillRequest(
        id=1,
        session="s",
        prefix="def load(path):\n    ",
        suffix="\n",
        language="python",
        scope="block",
        max_tokens=8,
    )
    engine.submit(1, request, answers.append)
    while engine.step():
        pass
    assert answers
    assert kernels.count.passes > 1
    assert asked.rows == [1]
    assert asked.tokens[0] is not None
