"""Batches for both twins, from the same windows of the same stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from midspan_engine.training.scratch.canvas_rows import (
    IGNORED,
    CanvasIds,
    Row,
    scattered_row,
    spans_row,
)
from midspan_engine.training.scratch.spans_in_text import cut_holes
from midspan_engine.training.scratch.vocabulary import DELETE, EXPAND, MASK, token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer
    from torch import Tensor

    from midspan_engine.training.scratch.settings import BatchSettings, Objective
    from midspan_engine.training.scratch.stream import Stream

_ROOM = 1.15
"""Of windows that are cut into holes: what deletes add and merges take is not known before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Each `[rows, tokens]`; a target belongs to the place that predicts it."""

    inputs: Tensor
    targets: Tensor
    weights: Tensor


class BatchSource:
    """Draws batches; the same generator state gives the same batch.

    Args:
        stream: Of one split.
        tokenizer: Of the stream.
        settings: See `BatchSettings`.
        objective: Which twin it is for.
    """

    def __init__(
        self, stream: Stream, tokenizer: Tokenizer, settings: BatchSettings, objective: Objective
    ) -> None:
        self.stream, self.tokenizer = stream, tokenizer
        self.settings, self.objective = settings, objective
        mask, expand, delete = token_ids(tokenizer, MASK, EXPAND, DELETE)
        self.canvas = CanvasIds(mask=mask, expand=expand, delete=delete)
        marks = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|endoftext|>")
        self.prefix, self.suffix, self.middle, self.end = token_ids(tokenizer, *marks)

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch."""
        settings = self.settings
        first = rng.random()
        ratios = [(first + index / settings.rows) % 1.0 for index in range(settings.rows)]
        rows = [
            self._infill_row(ratio, rng)
            if rng.random() < settings.infill_share
            else self._text_row(ratio, rng)
            for ratio in ratios
        ]
        return self._batch(rows)

    def _infill_row(self, ratio: float, rng: np.random.Generator) -> Row:
        length = self.settings.tokens
        for _ in range(20):
            window = self.stream.window(rng, int(length * _ROOM))
            text = str(self.tokenizer.decode(window.tolist(), skip_special_tokens=True))
            pieces = cut_holes(text, rng, 1 if self.objective == "ar" else None)
            encoded = self.tokenizer.encode_batch(pieces, add_special_tokens=False)
            ids = [one.ids for one in encoded]
            if len(ids) > 1 and all(ids[1::2]):
                break
        else:
            return self._text_row(ratio, rng)
        if self.objective == "ar":
            return _next_token_row(self._fim_order(ids, length))
        row = spans_row(ids, self.canvas, self.settings, ratio, rng)
        return row if len(row.inputs) >= length else self._text_row(ratio, rng)

    def _fim_order(self, ids: Sequence[Sequence[int]], length: int) -> np.ndarray:
        prefix, middle, suffix = ids
        room = max(0, length + 1 - len(prefix) - len(middle) - 4)
        head = [self.prefix, *prefix, self.suffix, *suffix[:room], self.middle, *middle, self.end]
        return np.array(head, dtype=np.int64)

    def _text_row(self, ratio: float, rng: np.random.Generator) -> Row:
        length = self.settings.tokens
        if self.objective == "ar":
            return _next_token_row(self.stream.window(rng, length + 1))
        window = self.stream.window(rng, length)
        return scattered_row(window, self.canvas.mask, ratio, rng)

    def _batch(self, rows: Sequence[Row]) -> Batch:
        length = self.settings.tokens

        def stacked(name: str, filler: float) -> Tensor:
            parts = [getattr(row, name)[:length] for row in rows]
            full = [np.pad(part, (0, length - len(part)), constant_values=filler) for part in parts]
            return torch.from_numpy(np.stack(full))

        return Batch(
            inputs=stacked("inputs", self.end),
            targets=stacked("targets", IGNORED),
            weights=stacked("weights", 0),
        )


def _next_token_row(ids: np.ndarray) -> Row:
    return Row(inputs=ids[:-1], targets=ids[1:], weights=np.ones(len(ids) - 1, dtype=np.float32))
