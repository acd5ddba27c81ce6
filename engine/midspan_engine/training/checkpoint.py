"""The state of a run on disk: exact, atomic, refused when it belongs to another run."""

from __future__ import annotations

import math
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class CheckpointError(RuntimeError):
    """The checkpoint cannot be resumed from."""


@dataclass(slots=True, kw_only=True)
class RunState:
    """All that changes from step to step, beside the weights and the optimizer.

    Contexts and blocks are drawn from generators seeded by (seed, step, process, context), so the
    step number is the position in the data and the state of the generators.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    gradient_mean: float = 0.0
    skipped: int = 0
    best_score: float = -math.inf


def save_checkpoint(
    path: Path,
    *,
    run: RunState,
    weights: dict[str, Tensor],
    average: dict[str, Tensor],
    optimizer: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Write beside `path` and move into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    content = {
        "run": {name: getattr(run, name) for name in RunState.__dataclass_fields__},
        "weights": weights,
        "average": average,
        "optimizer": optimizer,
        "settings": settings,
        "torch_rng": torch.get_rng_state(),
    }
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; `run` becomes a `RunState`.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content["run"] = RunState(**content["run"])
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}): move it away to start anew, or restore a copy"
        ) from error
    return content
