from __future__ import annotations

import dataclasses
import os
import socket
from typing import TYPE_CHECKING

import torch
from torch.multiprocessing.spawn import spawn

from midspan_engine.training.run import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.training.run import RunPlan
    from midspan_engine.training.settings import TrainSettings


def _one_of_two(rank: int, port: int, plan: RunPlan, settings: TrainSettings, result: Path) -> None:
    os.environ.update(
        RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    trainer = prepare(plan, settings)
    trainer.gradients()
    if rank == 0:
        torch.save([p.grad for p in trainer.parameters], result)
    trainer.processes.leave()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_processes_give_the_gradient_of_one(
    run_plan: RunPlan, small_settings: TrainSettings, tmp_path: Path
) -> None:
    alone = prepare(run_plan, dataclasses.replace(small_settings, contexts_per_step=4))
    alone.gradients()
    result = tmp_path / "gradients.pt"
    halves = dataclasses.replace(small_settings, contexts_per_step=2)
    spawn(  # type: ignore[no-untyped-call]
        _one_of_two, args=(_free_port(), run_plan, halves, result), nprocs=2
    )
    shared = torch.load(result)
    for parameter, gradient in zip(alone.parameters, shared, strict=True):
        assert parameter.grad is not None
        # The base writes its middles in batches of another make-up: rounding differs.
        allowed = 1e-3 * float(gradient.abs().max())
        torch.testing.assert_close(parameter.grad, gradient, atol=allowed, rtol=0)
    assert max(float(gradient.abs().max()) for gradient in shared) > 0
