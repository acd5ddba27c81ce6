"""Held-out edit samples as requests: what a bench of next edits runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.protocol import EditRequest
from midspan_engine.training.data_shards import ShardError
from midspan_engine.training.edits.samples import EditCorpus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_engine.protocol import Effort
    from midspan_engine.tokenizer import Tokenizer
    from midspan_engine.training.edits.samples import EditSample

_MISSING = """{error}
The samples are hunks between released versions of packages, and refactorings of them, made by
`midspan train edit-data`; a fifth of the packages is held out, and only those are read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which samples to run: so many with a change and so many without, the same for a seed."""

    changed: int
    unchanged: int
    seed: int
    longest: int
    """Tokens of a region, before and after, as the engine's window has it."""


def load_samples(folder: Path) -> EditCorpus:
    """Samples of held-out packages.

    Raises:
        FileNotFoundError: there are none; the text says where they come from.
    """
    try:
        return EditCorpus.load(folder, held_out=True)
    except ShardError as error:
        raise FileNotFoundError(_MISSING.format(error=error)) from error


def choose(corpus: EditCorpus, choice: Choice, tokenizer: Tokenizer) -> list[EditSample]:
    """Samples in a fixed order, changed ones and others mixed."""
    rng = np.random.default_rng(choice.seed)

    def drawn(pool: Sequence[EditSample], count: int) -> list[EditSample]:
        order = (pool[int(index)] for index in rng.permutation(len(pool)))
        found: list[EditSample] = []
        for sample in order:
            if len(found) == count:
                break
            sizes = (len(tokenizer.encode(text)) for text in (sample.original, sample.updated))
            if max(sizes) <= choice.longest:
                found.append(sample)
        return found

    samples = drawn(corpus.changed, choice.changed) + drawn(corpus.quiet, choice.unchanged)
    return [samples[int(index)] for index in rng.permutation(len(samples))]


def request_for(
    sample: EditSample, *, number: int, effort: Effort, edit_from: float | None
) -> EditRequest:
    """The request of a sample, as an editor would send it."""
    return EditRequest(
        id=number,
        session=f"edit {number}",
        language=sample.language,
        path=sample.path,
        history=sample.context.history,
        before=sample.before,
        region=sample.original,
        after=sample.after,
        effort=effort,
        edit_from=edit_from,
    )
