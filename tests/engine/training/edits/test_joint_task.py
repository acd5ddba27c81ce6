"""One adapter for edits and spans: which of them a context of a step is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch

from midspan_engine.decoding.edit_prompt import EditWindow
from midspan_engine.training.edits.joint_task import JointReport, JointTask
from midspan_engine.training.edits.targets import EditSettings
from midspan_engine.training.run import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.training.run import RunPlan
    from midspan_engine.training.settings import TrainSettings
    from midspan_engine.training.trainer import Trainer

WINDOW = EditWindow(total=700, region=500, history=100, before=60, after=30, newest=60)


@pytest.fixture
def trainer(run_plan: RunPlan, edit_samples: Path, small_settings: TrainSettings) -> Trainer:
    plan = dataclasses.replace(run_plan, kind="infill", edits=edit_samples)
    edit = EditSettings(window=WINDOW, spans=2)
    return prepare(plan, dataclasses.replace(small_settings, contexts_per_step=4, edit=edit))


@pytest.fixture
def joint(trainer: Trainer) -> JointTask:
    assert isinstance(trainer.task, JointTask)
    return trainer.task


def _spend(_stage: str) -> None:
    """Nobody counts."""


def test_the_first_contexts_of_a_step_are_spans_and_the_others_edits(
    trainer: Trainer, joint: JointTask
) -> None:
    for place in range(4):
        mine = joint.loss(trainer.adapter, 3, place, _spend)
        task = joint.infill if place < 2 else joint.edit
        theirs = task.loss(trainer.adapter, 3, place, _spend)
        assert torch.equal(mine.total, theirs.total)
        assert mine.tokens == theirs.tokens
        other = joint.edit if place < 2 else joint.infill
        assert not torch.equal(mine.total, other.loss(trainer.adapter, 3, place, _spend).total)


def test_both_are_reported_and_both_count(trainer: Trainer, joint: JointTask) -> None:
    report = joint.evaluate(trainer._averaged())
    assert isinstance(report, JointReport)
    assert report.score == pytest.approx(-report.edit.loss - report.infill.loss)
    figures = report.as_json()
    assert figures["loss"] == report.edit.loss
    assert figures["infill_loss"] == report.infill.loss
    assert figures["infill_spans"] == report.infill.spans


def test_both_are_learned_by_one_adapter(trainer: Trainer, joint: JointTask) -> None:
    before = joint.evaluate(trainer._averaged())
    for _ in range(30):
        trainer.step()
    after = joint.evaluate(trainer._averaged())
    assert after.edit.loss < before.edit.loss - 0.2
    assert after.infill.loss < before.infill.loss - 0.2
