"""Next edits: edits and silence are learned."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from midspan_engine.commands import train
from midspan_engine.decoding.edit_prompt import EditWindow
from midspan_engine.models.adapter_file import read_adapter, read_adapter_info
from midspan_engine.models.config import TransformerConfig
from midspan_engine.protocol import MidspanError
from midspan_engine.training.edits.edit_task import EditSampler, EditTask
from midspan_engine.training.edits.samples import REAL, EditCorpus, read_samples
from midspan_engine.training.edits.targets import EditSettings
from midspan_engine.training.run import prepare
from midspan_engine.training.settings import TrainSettings, edit_settings, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tokenizers import Tokenizer

    from midspan_engine.decoding.edit_prompt import Layout
    from midspan_engine.training.edits.package_list import EditPackage
    from midspan_engine.training.run import AdapterTrainer, RunPlan

WINDOW = EditWindow(total=700, region=500, history=100, before=60, after=30, newest=60)
CONFIG = """
rank = 4
alpha = 8.0
steps = 2
contexts_per_step = 1
evaluation_contexts = 3

[edit]
layout = "sections"

[edit.window]
total = 700
region = 500
history = 100
before = 60
after = 30
newest = 60
"""


@pytest.fixture
def edit_plan(run_plan: RunPlan, edit_samples: Path) -> RunPlan:
    return dataclasses.replace(run_plan, kind="edits", data=edit_samples)


def edit_task(trainer: AdapterTrainer) -> EditTask:
    assert isinstance(trainer.task, EditTask)
    return trainer.task


@pytest.fixture
def settings(small_settings: TrainSettings) -> TrainSettings:
    edit = EditSettings(window=WINDOW)
    return dataclasses.replace(small_settings, evaluation_contexts=6, edit=edit)


def test_it_learns_to_edit_and_to_be_quiet(edit_plan: RunPlan, settings: TrainSettings) -> None:
    trainer = prepare(edit_plan, dataclasses.replace(settings, steps=1_000))
    task = edit_task(trainer)
    before = task.evaluate(trainer.averaged())
    for _ in range(30):
        trainer.step()
    after = task.evaluate(trainer.averaged())
    assert after.loss < before.loss - 0.3
    assert after.score > before.score
    assert before.quiet_rate == 0.0
    assert after.samples == before.samples == 6


@pytest.mark.parametrize("layout", ["fim", "sections"])
def test_a_gradient_that_ends_at_the_region_leaves_the_loss_as_it_is(
    edit_plan: RunPlan, settings: TrainSettings, layout: Layout
) -> None:
    losses, gradients = [], []
    for reach in ("all", "region"):
        edit = EditSettings(window=WINDOW, layout=layout, gradient=reach)
        trainer = prepare(edit_plan, dataclasses.replace(settings, edit=edit))
        with torch.no_grad():
            for name, value in trainer.weights.state_dict().items():
                if name.endswith("lora_b"):  # nothing is added before the first step
                    torch.manual_seed(len(name))
                    value.normal_(std=0.02)
        sums = trainer.gradients()
        losses.append(float(sums[0]))
        gradients.append(
            sum(float(p.grad.norm()) for p in trainer.parameters if p.grad is not None)
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert gradients[1] > 0
    assert gradients[1] != pytest.approx(gradients[0], rel=1e-3)


def test_a_run_leaves_an_adapter_for_next_edits(
    edit_plan: RunPlan, settings: TrainSettings
) -> None:
    trainer = prepare(edit_plan, dataclasses.replace(settings, steps=2))
    trainer.run()
    line = json.loads(trainer.files.log.read_text().splitlines()[-1])
    assert {"exact_release", "right", "quiet_rate", "false_quiet_rate", "loss"} <= line.keys()
    config = TransformerConfig.from_folder(edit_plan.model)
    arrays, info = read_adapter(edit_plan.export, config, base_sha256="c" * 64, kind="edits")
    assert info.kind == "edits"
    assert arrays.mask_embedding is None


def test_a_run_may_begin_from_an_infilling_adapter(
    run_plan: RunPlan, edit_plan: RunPlan, settings: TrainSettings
) -> None:
    prepare(
        dataclasses.replace(run_plan, kind="infill"), dataclasses.replace(settings, steps=2)
    ).run()
    assert read_adapter_info(run_plan.export).kind == "infill"
    begun = dataclasses.replace(
        edit_plan, initial=run_plan.export, folder=run_plan.folder.with_name("edits")
    )
    trainer = prepare(begun, settings)
    assert any(bool(v.any()) for n, v in trainer.average.items() if n.endswith("lora_b"))
    assert trainer.task.kind == "edits"


def test_the_held_out_samples_are_kept_with_the_run(
    edit_plan: RunPlan, settings: TrainSettings
) -> None:
    prepare(edit_plan, settings)
    kept = read_samples(edit_plan.folder / "held_out.msgpack.z")
    assert [sum(s.kind == REAL and not s.quiet for s in kept), sum(s.quiet for s in kept)] == [2, 2]
    changed = dataclasses.replace(settings, seed=99, evaluation_contexts=60)
    assert edit_task(prepare(edit_plan, changed)).held_out == kept


def test_draws_repeat_and_follow_the_shares(edit_samples: Path, tokenizer: Tokenizer) -> None:
    corpus = EditCorpus.load(edit_samples, held_out=False)
    settings = EditSettings(window=WINDOW, quiet_share=0.5, real_share=1.0)
    sampler = EditSampler(corpus, tokenizer, settings)
    first, second = (sampler.draw(np.random.default_rng([1, 2])) for _ in range(2))
    assert first.ids.tolist() == second.ids.tolist()
    drawn = [sampler.pick(np.random.default_rng(seed)) for seed in range(200)]
    assert 0.35 < sum(sample.quiet for sample in drawn) / len(drawn) < 0.65
    assert all(sample.kind == REAL for sample in drawn if not sample.quiet)


def test_a_window_that_no_region_fits_is_named(edit_samples: Path, tokenizer: Tokenizer) -> None:
    corpus = EditCorpus.load(edit_samples, held_out=False)
    settings = EditSettings(window=dataclasses.replace(WINDOW, region=1))
    sampler = EditSampler(corpus, tokenizer, settings)
    with pytest.raises(ValueError, match="longer than the window"):
        sampler.draw(np.random.default_rng(0))


def test_settings_of_the_prompt_can_be_changed_by_name() -> None:
    changed = settings_from({"edit": {"layout": "sections"}}, "here", edit_settings())
    assert changed.edit.layout == "sections"
    assert (changed.rank, changed.alpha) == (32, 64.0)


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.run(parser.parse_args(arguments))


def test_the_command_trains_and_exports(
    tiny_folder: Path, edit_samples: Path, tmp_path: Path
) -> None:
    config, export = tmp_path / "config.toml", tmp_path / "a.safetensors"
    config.write_text(CONFIG)
    arguments = [
        "--model", str(tiny_folder), "--base-sha256", "d" * 64, "--data", str(edit_samples),
        "--run", str(tmp_path / "run"), "--export", str(export), "--config", str(config),
        "--dtype", "fp32", "--threads", "1",
    ]  # fmt: skip
    assert _run(["edit", *arguments]) == 0
    info = read_adapter_info(export)
    assert (info.kind, info.rank, info.base_sha256) == ("edits", 4, "d" * 64)
    export.unlink()
    assert _run(["export", "--kind", "edits", *arguments]) == 0
    assert read_adapter_info(export) == info
    assert (tmp_path / "run" / "curves.png").stat().st_size > 0


def test_the_command_builds_the_data(
    edit_data: Path,
    make_package: Callable[..., EditPackage],
    two_releases: dict[str, dict[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    package = make_package("one", two_releases)
    listed = tmp_path / "list.json"
    releases = [{"version": r.version, "sha256": r.sha256} for r in package.releases]
    entry = {"ecosystem": "wheel", "name": "one", "licence": "MIT", "releases": releases}
    listed.write_text(json.dumps([entry]))
    assert _run(["edit-data", "--data", str(edit_data), "--packages", str(listed)]) == 0
    assert "1 packages" in capsys.readouterr().out
    assert (edit_data / "manifest.json").is_file()
    with pytest.raises(MidspanError, match="nowhere"):
        _run(["edit-data", "--data", str(edit_data), "--packages", str(tmp_path / "nowhere")])
