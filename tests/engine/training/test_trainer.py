from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING

import pytest
import torch

from midspan_engine.models.adapter import load_adapter
from midspan_engine.models.adapter_file import AdapterError
from midspan_engine.models.transformer import Transformer
from midspan_engine.training.checkpoint import CheckpointError
from midspan_engine.training.run import prepare
from midspan_engine.training.trainer import TrainingError

if TYPE_CHECKING:
    from midspan_engine.models.adapter import Adapter
    from midspan_engine.training.run import RunPlan
    from midspan_engine.training.settings import TrainSettings
    from midspan_engine.training.trainer import Trainer


def _weights(trainer: Trainer[Adapter]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.weights.state_dict().items()}


def test_a_resumed_run_is_the_same_as_an_unbroken_one(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    unbroken = prepare(run_plan, small_settings)
    losses = [unbroken.step() for _ in range(6)]
    other = dataclasses.replace(run_plan, folder=run_plan.folder.with_name("other"))
    first = prepare(other, small_settings)
    broken = [first.step() for _ in range(3)]
    first.save()
    first.step()  # lost, as when the machine stops between two checkpoints
    second = prepare(other, small_settings)
    assert second.state.step == 3
    broken += [second.step() for _ in range(3)]
    assert losses == broken
    for name, value in _weights(unbroken).items():
        assert torch.equal(value, _weights(second)[name]), name
        assert torch.equal(unbroken.average[name], second.average[name]), name


def test_training_lowers_the_loss(run_plan: RunPlan, small_settings: TrainSettings) -> None:
    trainer = prepare(run_plan, dataclasses.replace(small_settings, steps=1000))

    def loss_of_the_first_contexts() -> float:
        trainer.state.step = 0
        sums = trainer.gradients()
        trainer.optimizer.zero_grad()
        return float(sums[0] / sums[1])

    before = loss_of_the_first_contexts()
    for _ in range(30):
        trainer.step()
    assert loss_of_the_first_contexts() < 0.8 * before


def test_run_stops_at_the_last_step_and_leaves_log_checkpoint_and_adapter(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    trainer = prepare(run_plan, small_settings)
    trainer.run()
    assert trainer.state.step == 6
    assert trainer.rate() == pytest.approx(small_settings.learning_rate * 0.05, rel=0.01)
    lines = [json.loads(line) for line in trainer.files.log.read_text().splitlines()]
    result = lines[-1]
    assert result["kind"] == "evaluation"
    assert len(result["positions"]) == len(result["greedy_positions"]) == 8
    assert 0 <= result["calibration_error"] <= 1
    assert result["passes"]["3"] >= 1
    config = trainer.task.model.config
    _, info = load_adapter(run_plan.export, config, base_sha256="c" * 64)
    assert info.tokens_trained == trainer.state.tokens > 0
    assert prepare(run_plan, small_settings).state.step == 6


def test_a_run_that_is_told_to_stop_saves_after_its_step(
    run_plan: RunPlan, small_settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = prepare(run_plan, small_settings)
    step = trainer.step

    def interrupted_step() -> float:
        trainer.stop()
        return step()

    monkeypatch.setattr(trainer, "step", interrupted_step)
    trainer.run()
    assert not trainer.files.log.exists()
    assert prepare(run_plan, small_settings).state.step == 1


def test_a_step_that_is_not_finite_is_dropped(
    run_plan: RunPlan, small_settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = prepare(run_plan, small_settings)
    trainer.step()
    before = _weights(trainer)
    gradients = trainer.gradients

    def poisoned() -> torch.Tensor:
        sums = gradients()
        assert trainer.parameters[0].grad is not None
        trainer.parameters[0].grad.fill_(torch.nan)
        return sums

    monkeypatch.setattr(trainer, "gradients", poisoned)
    trainer.step()
    assert trainer.state.skipped == 1
    for name, value in _weights(trainer).items():
        assert torch.equal(value, before[name]), name
    trainer.state.skipped = 50
    with pytest.raises(TrainingError, match="lower learning_rate"):
        trainer.step()


def test_a_spike_is_dropped_and_a_lasting_change_is_not(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    trainer = prepare(run_plan, small_settings)
    assert trainer._is_healthy(1.0, 2.0)
    assert not trainer._is_healthy(1.0, 20.0)
    assert trainer._is_healthy(1.0, 2.0)
    assert any(trainer._is_healthy(1.0, 20.0) for _ in range(20))


def test_a_checkpoint_of_another_rank_is_refused(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    prepare(run_plan, small_settings).save()
    with pytest.raises(CheckpointError, match="has rank 4"):
        prepare(run_plan, dataclasses.replace(small_settings, rank=8))


def test_a_damaged_checkpoint_is_refused(run_plan: RunPlan, small_settings: TrainSettings) -> None:
    trainer = prepare(run_plan, small_settings)
    trainer.save()
    file = trainer.files.checkpoint
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="damaged"):
        prepare(run_plan, small_settings)


def test_the_rate_warms_up_stays_and_falls(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    trainer = prepare(run_plan, dataclasses.replace(small_settings, steps=100, warmup_steps=10))
    peak = small_settings.learning_rate
    assert trainer.rate() == pytest.approx(peak / 10)
    trainer.state.step = 50
    assert trainer.rate() == pytest.approx(peak)
    trainer.state.step = 90
    assert trainer.rate() == pytest.approx(peak * 0.525)
    trainer.state.step, trainer.state.seconds = 50, 900.0
    trainer.until = time.time() + 100
    assert trainer.rate() == pytest.approx(peak * 0.525, rel=0.01)


def test_a_new_run_may_begin_from_a_finished_adapter(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    first = prepare(run_plan, small_settings)
    first.step()
    first.save()
    first.export()
    plan = dataclasses.replace(
        run_plan, folder=run_plan.folder.with_name("next"), initial=run_plan.export
    )
    second = prepare(plan, small_settings)
    assert (second.state.step, second.state.tokens) == (0, first.state.tokens)
    for name, value in first.average.items():
        assert torch.allclose(_weights(second)[name], value, atol=1e-2), name
    with pytest.raises(AdapterError, match="rank"):
        prepare(plan, dataclasses.replace(small_settings, rank=small_settings.rank + 1))


def test_a_run_of_a_higher_rank_begins_with_the_same_function(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    first = prepare(run_plan, dataclasses.replace(small_settings, steps=3))
    first.run()
    plan = dataclasses.replace(
        run_plan, folder=run_plan.folder.with_name("wide"), initial=run_plan.export
    )
    wide = prepare(plan, dataclasses.replace(small_settings, rank=6, alpha=12.0))
    narrow = prepare(plan, small_settings)
    assert isinstance(wide.task.model, Transformer)
    model, ids, places = wide.task.model, torch.arange(20, 40), torch.arange(20)
    outputs = [
        model(ids.unsqueeze(0), places.unsqueeze(0), adapter=one).hidden
        for one in (wide.weights, wide.averaged(), narrow.weights, None)
    ]
    torch.testing.assert_close(outputs[0], outputs[2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outputs[1], outputs[2], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(outputs[3], outputs[2], atol=1e-4)
    before = {name: value.clone() for name, value in wide.weights.state_dict().items()}
    wide.step()
    new = [n for n, v in wide.weights.state_dict().items() if n.endswith("lora_b")]
    assert all(bool((wide.weights.state_dict()[n][:, 4:] != before[n][:, 4:]).any()) for n in new)


def test_a_first_adapter_of_a_higher_rank_or_another_scale_is_refused(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    prepare(run_plan, dataclasses.replace(small_settings, steps=1)).run()
    plan = dataclasses.replace(
        run_plan, folder=run_plan.folder.with_name("other"), initial=run_plan.export
    )
    for rank, alpha in ((2, 4.0), (6, 8.0)):
        with pytest.raises(AdapterError, match="a higher rank with the same ratio"):
            prepare(plan, dataclasses.replace(small_settings, rank=rank, alpha=alpha))


def test_a_run_begins_from_an_adapter_of_other_weights_only_when_told_so(
    run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    prepare(run_plan, small_settings).run()
    moved = dataclasses.replace(
        run_plan,
        folder=run_plan.folder.with_name("next"),
        initial=run_plan.export,
        base=dataclasses.replace(run_plan.base, sha256="d" * 64),
    )
    with pytest.raises(AdapterError, match="trained for"):
        prepare(moved, small_settings)
    trainer = prepare(dataclasses.replace(moved, rebase=True), small_settings)
    trainer.export()
    config = trainer.task.model.config
    assert load_adapter(moved.export, config, base_sha256="d" * 64)[1].tokens_trained > 0
