from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.training.scratch.canvas_rows import IGNORED

if TYPE_CHECKING:
    from collections.abc import Callable

    from midspan_engine.training.scratch.batches import BatchSource
    from midspan_engine.training.scratch.settings import Objective

    MakeSource = Callable[[Objective], BatchSource]


@pytest.mark.parametrize("objective", ["ar", "diffusion"])
def test_the_same_generator_gives_the_same_batch(
    make_source: MakeSource, objective: Objective
) -> None:
    source = make_source(objective)
    first, again, other = (source.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.inputs.shape == first.targets.shape == first.weights.shape == (4, 48)
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)


def test_the_autoregressive_twin_predicts_the_next_token_of_text_and_of_fim_order(
    make_source: MakeSource,
) -> None:
    source = make_source("ar")
    in_order = 0
    for seed in range(8):
        batch = source.draw(np.random.default_rng(seed))
        for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
            asked = targets != IGNORED
            length = int(asked.sum())
            assert torch.equal(inputs[1:length], targets[: length - 1])
            in_order += int(inputs[0]) == source.prefix
            if int(inputs[0]) == source.prefix and source.middle in inputs:
                marks = [source.suffix, source.middle]
                places = [inputs.tolist().index(mark) for mark in marks]
                assert places == sorted(places)
    assert 8 < in_order < 30


def test_the_diffusion_twin_is_asked_only_about_masks(make_source: MakeSource) -> None:
    source = make_source("diffusion")
    seen = []
    for seed in range(8):
        batch = source.draw(np.random.default_rng(seed))
        asked = batch.targets != IGNORED
        assert (batch.inputs[asked] == source.canvas.mask).all()
        assert (batch.inputs[~asked] != source.canvas.mask).all()
        assert asked.any(dim=1).all()
        seen += batch.targets[asked].tolist()
    assert {source.canvas.expand, source.canvas.delete} <= set(seen)
    assert source.canvas.mask not in seen
