"""A corpus of a few functions, and a network that learns them in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from midspan_engine.training.run_files import RunFiles
from midspan_engine.training.scratch.batches import BatchSource
from midspan_engine.training.scratch.learner import ScratchLearner
from midspan_engine.training.scratch.settings import (
    BatchSettings,
    NetworkSettings,
    Objective,
    ScratchSettings,
)
from midspan_engine.training.scratch.stream import Stream
from midspan_engine.training.scratch.vocabulary import train_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tokenizers import Tokenizer

TEXT = "".join(
    f"def area_{n}(width, height):\n    if width < {n}:\n        return None\n"
    f"    return width * height + {n}\n\n\n"
    for n in range(40)
)
VOCABULARY = 400


@pytest.fixture(scope="session")
def vocabulary() -> Tokenizer:
    return train_vocabulary([TEXT], VOCABULARY)


@pytest.fixture(scope="session")
def settings() -> ScratchSettings:
    return ScratchSettings(
        steps=30,
        learning_rate=1e-2,
        warmup_steps=2,
        average=0.5,
        network=NetworkSettings(
            vocabulary=VOCABULARY, hidden=32, layers=2, heads=2, key_value_heads=1, mlp=64
        ),
        batch=BatchSettings(rows=4, tokens=48),
    )


@pytest.fixture(scope="session")
def make_source(
    vocabulary: Tokenizer, settings: ScratchSettings
) -> Callable[[Objective], BatchSource]:
    ids = np.array(vocabulary.encode(TEXT).ids, dtype=np.uint16)
    stream = Stream(tokens={"python": ids})
    return lambda objective: BatchSource(stream, vocabulary, settings.batch, objective)


@pytest.fixture
def make_learner(
    tmp_path: Path,
    vocabulary: Tokenizer,
    settings: ScratchSettings,
    make_source: Callable[[Objective], BatchSource],
) -> Callable[[Objective], ScratchLearner]:
    def make(objective: Objective) -> ScratchLearner:
        source = make_source(objective)
        export = tmp_path / objective / "model"
        export.mkdir(parents=True, exist_ok=True)
        vocabulary.save(str(export / "tokenizer.json"))
        return ScratchLearner(
            settings=settings,
            objective=objective,
            source=source,
            held_out=[source.draw(np.random.default_rng(99))],
            files=RunFiles(folder=tmp_path / objective, export=export),
        )

    return make
