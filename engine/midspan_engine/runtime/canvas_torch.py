"""Canvas models in torch: the reference, and the path for GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from midspan_engine.models.family import load_transformer
from midspan_engine.models.transformer import rotate_by
from midspan_engine.runtime.canvas_rows import (
    CanvasPass,
    CanvasScores,
    cached_rows,
    turned_by,
    whole_sequence,
)
from midspan_engine.runtime.rows import PassCount

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from midspan_engine.models.family import ModelFamily
    from midspan_engine.models.transformer import KeyValues
    from midspan_engine.runtime.canvas_rows import CachedRows


class TorchCanvasRuntime:
    """See `CanvasRuntime`.

    Args:
        folder: Holds the model.
        family: What it is.
        device: As torch names it.
        dtype: Of the weights; None for float32 on CPUs and bfloat16 elsewhere.

    Raises:
        ModelConfigError: the folder cannot be loaded.
    """

    def __init__(
        self,
        folder: Path,
        family: ModelFamily,
        *,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> None:
        self.family = family
        self.name = f"torch-{device}"
        self.count = PassCount()
        self._device = device
        chosen = dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
        self._model = load_transformer(folder, family, dtype=chosen, device=device)

    @torch.inference_mode()
    def forward(self, groups: Sequence[CanvasPass]) -> list[CanvasScores]:
        """See `CanvasRuntime`."""
        self.count.add(sum(one.rows for one in groups))
        return [self._refreshing(one) if one.refresh else self._cached(one) for one in groups]

    def settle(self) -> None:
        """Nothing is left over."""

    def _refreshing(self, one: CanvasPass) -> CanvasScores:
        ids, span = whole_sequence(one)
        positions = torch.arange(len(ids), device=self._device).unsqueeze(0)
        mask = self._block_mask(positions[0], positions[0])
        output = self._model(self._tensor(ids), positions, mask=mask, causal=False)
        kept = np.r_[0 : span.start, span.stop : len(ids)]
        index = torch.from_numpy(kept).to(self._device)
        one.context.layers = [
            (keys[:, :, index].clone(), values[:, :, index].clone())
            for keys, values in output.keys_values
        ]
        one.context.span = len(one.slots[0])
        return CanvasScores(logits=(self._logits(output.hidden[0], one.wanted[0] + span.start),))

    def _cached(self, one: CanvasPass) -> CanvasScores:
        """All slots as one batch, the shorter ones padded with rows that nobody sees."""
        rows = cached_rows(one)
        ids = np.zeros((len(rows.slots), rows.longest), np.int32)
        for row, slot in zip(ids, rows.slots, strict=True):
            row[: len(slot)] = slot
        positions = torch.arange(rows.longest, device=self._device) + rows.start
        output = self._model(
            torch.from_numpy(ids).to(self._device),
            positions.expand(len(rows.slots), -1),
            mask=self._slot_mask(rows, one.context.length, positions),
            causal=False,
            past=self._past(one),
        )
        return CanvasScores(
            logits=tuple(
                self._logits(hidden, wanted)
                for hidden, wanted in zip(output.hidden, rows.wanted, strict=True)
            )
        )

    def _past(self, one: CanvasPass) -> list[KeyValues]:
        moves = torch.from_numpy(np.stack([turned_by(one, slot) for slot in one.slots]))
        count = len(one.slots)
        if not moves.any():
            return [
                (keys.expand(count, -1, -1, -1), values.expand(count, -1, -1, -1))
                for keys, values in one.context.layers
            ]
        moves = moves.to(self._device)
        return [
            (rotate_by(keys, moves, self._model.config), values.expand(count, -1, -1, -1))
            for keys, values in one.context.layers
        ]

    def _slot_mask(self, rows: CachedRows, context: int, positions: Tensor) -> Tensor:
        """Bool `[slots, rows, context + rows]`."""
        count = len(positions)
        seen = torch.ones(len(rows.slots), count, context + count, dtype=torch.bool)
        seen[:, :, rows.hidden] = False
        for index, slot in enumerate(rows.slots):
            seen[index, :, context + len(slot) :] = False
        seen = seen.to(self._device)
        own = self._block_mask(positions, positions)
        if own is not None:
            seen[:, :, context:] &= own
        return seen

    def _block_mask(self, rows: Tensor, keys: Tensor) -> Tensor | None:
        """Of block-causal models: a row sees its own block and those before it."""
        block = self.family.block
        if not block:
            return None
        return ((keys // block)[None, :] <= (rows // block)[:, None]).unsqueeze(0)

    def _tensor(self, ids: NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(ids).unsqueeze(0).to(self._device)

    def _logits(self, hidden: Tensor, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        chosen = hidden[torch.from_numpy(rows.astype(np.int64)).to(self._device)]
        logits: NDArray[np.float32] = self._model.head(chosen).cpu().numpy()
        return logits
