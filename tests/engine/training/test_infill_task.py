"""The infilling adapter: it learns whole middles, EOS after them, and can be merged."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.models.adapter import Adapter, load_adapter, merge_adapter
from midspan_engine.models.adapter_file import AdapterError, merged_sha256
from midspan_engine.models.transformer import Transformer
from midspan_engine.training.infill_task import InfillReport, InfillTask
from midspan_engine.training.run import prepare
from midspan_engine.training.settings import SettingsError, infill_settings, settings_from
from midspan_engine.training.spans import SpanLimits

if TYPE_CHECKING:
    from midspan_engine.training.run import RunPlan
    from midspan_engine.training.settings import TrainSettings


@pytest.fixture
def infill_plan(run_plan: RunPlan) -> RunPlan:
    return dataclasses.replace(run_plan, kind="infill")


def test_it_learns_the_middles_and_where_they_end(
    infill_plan: RunPlan, small_settings: TrainSettings
) -> None:
    trainer = prepare(infill_plan, dataclasses.replace(small_settings, steps=1_000))
    before = trainer.task.evaluate(trainer.averaged())
    for _ in range(40):
        trainer.step()
    after = trainer.task.evaluate(trainer.averaged())
    assert isinstance(before, InfillReport)
    assert isinstance(after, InfillReport)
    assert after.loss < before.loss - 0.3
    assert after.end_right >= before.end_right
    assert after.score > before.score


def test_eos_is_the_last_target_of_a_span_that_ends(
    infill_plan: RunPlan, small_settings: TrainSettings
) -> None:
    task = prepare(infill_plan, small_settings).task
    assert isinstance(task, InfillTask)
    adapter = Adapter(task.model.config, rank=2, alpha=2.0, masks=False)
    end = task.sampler.specials.end
    for seed in range(12):
        context = task.sampler.draw(np.random.default_rng(seed))
        hidden, targets = task._middle(adapter, context)
        middle = context.ids[context.middle_start :].tolist()
        assert targets.tolist() == middle + [end] * context.ends
        assert len(hidden) == len(targets)


def test_a_run_leaves_an_adapter_that_merges_into_what_was_trained(
    infill_plan: RunPlan, small_settings: TrainSettings
) -> None:
    trainer = prepare(infill_plan, small_settings)
    trainer.run()
    line = json.loads(trainer.files.log.read_text().splitlines()[-1])
    assert {"exact", "text_exact", "right", "loss", "end_right"} <= line.keys()
    config = trainer.task.model.config
    adapter, info = load_adapter(infill_plan.export, config, base_sha256="c" * 64, kind="infill")
    assert info.kind == "infill"
    merged = Transformer.from_folder(infill_plan.model)
    merge_adapter(merged, adapter)
    ids, places = torch.arange(20, 40).unsqueeze(0), torch.arange(20).unsqueeze(0)
    beside = Transformer.from_folder(infill_plan.model)(ids, places, adapter=adapter)
    torch.testing.assert_close(merged(ids, places).hidden, beside.hidden, atol=1e-4, rtol=1e-4)


def test_a_mask_adapter_is_trained_on_the_merged_weights_and_says_so(
    infill_plan: RunPlan, run_plan: RunPlan, small_settings: TrainSettings
) -> None:
    trainer = prepare(infill_plan, dataclasses.replace(small_settings, steps=2))
    trainer.run()
    plan = dataclasses.replace(
        run_plan,
        merge=infill_plan.export,
        folder=run_plan.folder.with_name("mask"),
        export=run_plan.export.with_name("mask.safetensors"),
    )
    prepare(plan, dataclasses.replace(small_settings, steps=1)).run()
    config = trainer.task.model.config
    merged = merged_sha256("c" * 64, infill_plan.export)
    assert load_adapter(plan.export, config, base_sha256=merged)[1].kind == "mask"
    with pytest.raises(AdapterError, match="trained for"):
        load_adapter(plan.export, config, base_sha256="c" * 64)
    with pytest.raises(AdapterError, match="of kind 'infill'"):
        load_adapter(infill_plan.export, config, base_sha256="c" * 64)


def test_settings_are_laid_over_the_defaults_of_the_kind() -> None:
    changed = settings_from({"limits": {"prefix": 99}}, "here", infill_settings())
    assert changed == dataclasses.replace(
        infill_settings(), limits=SpanLimits(prefix=99, middle=96, no_suffix_share=0.05)
    )
    with pytest.raises(SettingsError, match="unknown key 'prefxi'"):
        settings_from({"limits": {"prefxi": 99}}, "here", infill_settings())
