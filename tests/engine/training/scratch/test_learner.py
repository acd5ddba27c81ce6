from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.canvas.fitted import Fitted, read_fitted, write_fitted
from midspan_engine.models.config import ModelConfigError
from midspan_engine.models.family import load_transformer, read_family
from midspan_engine.runtime.canvas_openvino import OpenVinoCanvasRuntime
from midspan_engine.runtime.canvas_rows import CanvasPass, ContextCache
from midspan_engine.training.checkpoint import CheckpointError
from midspan_engine.training.processes import Processes
from midspan_engine.training.scratch.ship import write_shipped
from midspan_engine.training.trainer import Trainer
from midspan_engine.weights.files import read_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midspan_engine.models.transformer import Transformer
    from midspan_engine.training.scratch.learner import ScratchLearner
    from midspan_engine.training.scratch.settings import Objective, ScratchSettings

    MakeLearner = Callable[[Objective], ScratchLearner]


def _trainer(learner: ScratchLearner, settings: ScratchSettings) -> Trainer[Transformer]:
    return Trainer(settings=settings, learner=learner, files=learner.files, processes=Processes())


@pytest.mark.parametrize("objective", ["ar", "diffusion"])
def test_either_twin_learns(
    make_learner: MakeLearner, settings: ScratchSettings, objective: Objective
) -> None:
    learner = make_learner(objective)
    trainer = _trainer(learner, settings)
    before = learner.evaluate(trainer.weights)
    trainer.run()
    after = learner.evaluate(trainer.weights)
    assert after.loss < 0.8 * before.loss
    assert after.right > before.right


def test_a_run_goes_on_from_its_checkpoint_as_if_it_had_not_ended(
    make_learner: MakeLearner, settings: ScratchSettings
) -> None:
    learner = make_learner("diffusion")
    broken = _trainer(learner, settings)
    for _ in range(2):
        broken.step()
    broken.save()
    again = _trainer(learner, settings)
    for _ in range(2):
        broken.step()
        again.step()
    for name, value in broken.weights.state_dict().items():
        assert torch.equal(value, again.weights.state_dict()[name]), name


def test_a_checkpoint_of_another_network_is_refused(
    make_learner: MakeLearner, settings: ScratchSettings
) -> None:
    learner = make_learner("ar")
    _trainer(learner, settings).save()
    content = torch.load(learner.files.checkpoint, weights_only=True)
    content["settings"]["network"]["layers"] = 3
    torch.save(content, learner.files.checkpoint)
    with pytest.raises(CheckpointError, match="network"):
        _trainer(learner, settings)


def test_what_is_exported_is_the_network_that_was_trained(
    make_learner: MakeLearner, settings: ScratchSettings
) -> None:
    learner = make_learner("diffusion")
    trainer = _trainer(learner, settings)
    trainer.step()
    learner.export(trainer.weights, 123)
    folder = learner.files.export
    family = read_family(folder)
    assert family.name == "midspan-nano"
    loaded = load_transformer(folder, family, dtype=torch.float32)
    ids, positions = torch.arange(20, 40).unsqueeze(0), torch.arange(20).unsqueeze(0)
    with torch.no_grad():
        ours = trainer.weights(ids, positions, causal=False).hidden
        theirs = loaded(ids, positions, causal=False).hidden
    torch.testing.assert_close(theirs, ours, atol=2e-2, rtol=2e-2)
    assert json.loads((folder / "config.json").read_text("utf-8"))["tokens"] == 123


def test_what_ships_is_half_as_large_and_says_nearly_the_same(
    make_learner: MakeLearner, settings: ScratchSettings, tmp_path: Path
) -> None:
    learner = make_learner("diffusion")
    learner.export(_trainer(learner, settings).weights, 7)
    shipped = tmp_path / "nano"
    write_shipped(learner.files.export, shipped)
    # Again, as after more training, and then fitted anew.
    write_fitted(shipped, Fitted())
    write_shipped(learner.files.export, shipped)
    write_fitted(shipped, Fitted(masks=2, usual={2: -1.0}))
    files = read_folder(shipped)
    assert (files.name, files.licence) == ("midspan-nano", "Apache-2.0")
    whole = (learner.files.export / "model.safetensors").stat().st_size
    assert files.size_bytes < 0.65 * whole
    logits = []
    for folder in (learner.files.export, shipped):
        family = read_family(folder)
        assert family.marks is not None
        runtime = OpenVinoCanvasRuntime(folder, family, exact=True)
        context = ContextCache(
            prefix=np.arange(20, 30, dtype=np.int32), suffix=np.arange(40, 45, dtype=np.int32)
        )
        span = np.full(3, family.marks.mask, np.int32)
        one = CanvasPass(
            context=context, slots=(span,), wanted=(np.arange(3, dtype=np.int32),), refresh=True
        )
        logits.append(runtime.forward([one])[0].logits[0])
    assert np.abs(logits[0] - logits[1]).max() < 0.1 * np.abs(logits[0]).max()


def test_what_was_fitted_lies_beside_the_weights(tmp_path: Path) -> None:
    assert read_fitted(tmp_path) == Fitted()
    fitted = Fitted(usual={2: -1.5, 8: -2.0}, masks=6)
    write_fitted(tmp_path, fitted)
    assert read_fitted(tmp_path) == fitted
    (tmp_path / "decoding.json").write_text("{", "utf-8")
    with pytest.raises(ModelConfigError, match=r"decoding\.json"):
        read_fitted(tmp_path)


@pytest.mark.parametrize(("objective", "sees"), [("ar", False), ("diffusion", True)])
def test_only_the_diffusion_twin_learns_from_what_follows(
    make_learner: MakeLearner, objective: Objective, sees: bool
) -> None:
    learner = make_learner(objective)
    weights = learner.new()
    ids = torch.arange(20, 32).unsqueeze(0)
    asked = torch.zeros_like(ids, dtype=torch.bool)
    asked[0, 3] = True
    with torch.no_grad():
        first = learner._logits(weights, ids, asked)
        ids[0, 9] = 50
        second = learner._logits(weights, ids, asked)
    assert torch.equal(first, second) is not sees
