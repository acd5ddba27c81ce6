"""Put the training of a twin together from folders on disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.training.processes import Processes
from midspan_engine.training.run_files import RunFiles
from midspan_engine.training.scratch.batches import BatchSource
from midspan_engine.training.scratch.learner import ScratchLearner
from midspan_engine.training.scratch.stream import prepare_stream
from midspan_engine.training.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from midspan_engine.models.transformer import Transformer
    from midspan_engine.training.scratch.settings import Objective, ScratchSettings


def prepare_scratch(
    *,
    data: Path,
    base: Path,
    folder: Path,
    objective: Objective,
    settings: ScratchSettings,
    initial: Path | None = None,
) -> Trainer[Transformer]:
    """A trainer that goes on from its checkpoint if there is one.

    Args:
        data: Folder of `midspan train data`.
        base: `tokenizer.json` that the data was encoded with.
        folder: Holds the vocabulary that the twins share, and a folder for each of them.
        objective: Which twin.
        settings: Sizes and rates.
        initial: Exported weights to begin with; such a run has a folder of its own.

    Raises:
        ShardError, CheckpointError: something on disk cannot be used.
    """
    tokenizer, train, held_out = prepare_stream(data, folder, base, settings.network.vocabulary)
    own = folder / (f"{objective}-from-{initial.parent.name}" if initial else objective)
    files = RunFiles(folder=own, export=own / "model", initial=initial)
    files.export.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "tokenizer.json", files.export / "tokenizer.json")
    measured = BatchSource(held_out, tokenizer, settings.batch, objective)
    rng = np.random.default_rng(settings.seed)
    batches = max(1, settings.evaluation_rows // settings.batch.rows)
    learner = ScratchLearner(
        settings=settings,
        objective=objective,
        source=BatchSource(train, tokenizer, settings.batch, objective),
        held_out=[measured.draw(rng) for _ in range(batches)],
        files=files,
    )
    return Trainer(settings=settings, learner=learner, files=files, processes=Processes())
