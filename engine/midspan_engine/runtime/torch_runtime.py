"""The reference runtime: plain torch, float32 on CPUs, bf16 on CUDA.

Groups of a pass run one after the other, each against its own gathered cache: simple enough to be
the oracle that the compiled graph is compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from midspan_engine.models.adapter import merge_adapter
from midspan_engine.models.config import TransformerConfig
from midspan_engine.models.transformer import Transformer
from midspan_engine.runtime.blocks import BLOCK, BlockPool
from midspan_engine.runtime.rows import TOP, PassCount, RowScores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from midspan_engine.models.adapter import Adapter
    from midspan_engine.models.transformer import KeyValues
    from midspan_engine.runtime.rows import RowGroup


class TorchRuntime:
    """See `rows.Runtime`.

    Args:
        folder: Model folder in Hugging Face layout.
        cache_bytes: Size of the key/value cache.
        device: "cpu" or "cuda".
        adapter: Low-rank weights for block rows.
        merge: Low-rank weights that are merged into the model's own.

    Raises:
        ModelConfigError: the folder does not describe a network that we run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache_bytes: int,
        device: str = "cpu",
        adapter: Adapter | None = None,
        merge: Adapter | None = None,
    ) -> None:
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.name = f"torch-{device}-{'bf16' if device == 'cuda' else 'fp32'}"
        self.config = TransformerConfig.from_folder(folder)
        self.has_adapter = adapter is not None
        self.count = PassCount()
        self._device = device
        self._model = Transformer.from_folder(folder, dtype=dtype, device=device)
        if merge is not None:
            merge_adapter(self._model, merge.to(device))
        self._adapter = adapter.to(device) if adapter is not None else None
        config = self.config
        per_block = config.num_hidden_layers * 2 * config.num_key_value_heads * BLOCK
        per_block *= config.head_dim * dtype.itemsize
        blocks = max(2, cache_bytes // per_block)
        heads, size = config.num_key_value_heads, config.head_dim
        shape = (config.num_hidden_layers, 2, blocks, heads, BLOCK, size)
        storage = torch.zeros(shape, dtype=dtype, device=device)
        self.pool = BlockPool(storage, config.rope_theta)

    @torch.inference_mode()
    def forward(self, groups: Sequence[RowGroup]) -> list[RowScores]:
        """See `rows.Runtime.forward`."""
        self.count.add(sum(len(group.ids) for group in groups))
        return [self._one(group) for group in groups]

    def settle(self) -> None:
        """Nothing to give back: torch runs on the arrays that it loaded."""

    def _one(self, group: RowGroup) -> RowScores:
        ids = torch.from_numpy(np.where(group.masked, 0, group.ids).astype(np.int64))
        hidden = self._model.embed(ids.to(self._device)).float()
        block = torch.from_numpy(group.block).to(self._device)
        if group.block.any():
            if self._adapter is None:
                raise ValueError("a block row needs an adapter, and none is loaded")
            masked = torch.from_numpy(group.masked).to(self._device)
            hidden[masked] = self._adapter.mask_embedding.to(hidden.dtype)
        positions = torch.from_numpy(group.positions).to(self._device)
        output = self._model(
            hidden.unsqueeze(0),
            positions.unsqueeze(0),
            mask=self._visible(group).unsqueeze(0),
            past=self._past(group),
            adapter=self._adapter if group.block.any() else None,
            adapter_rows=block.unsqueeze(0),
        )
        self._store(group, output.keys_values)
        wanted = torch.from_numpy(group.wanted.astype(np.int64)).to(self._device)
        return _scores(self._model.head(output.hidden[0, wanted]))

    def _visible(self, group: RowGroup) -> torch.Tensor:
        """Which of `start + rows` positions each row may attend to, `[rows, start + rows]`."""
        past = np.ones((len(group.ids), group.start), np.bool_)
        return torch.from_numpy(np.concatenate([past, group.visible()], 1)).to(self._device)

    def _past(self, group: RowGroup) -> list[KeyValues] | None:
        if not group.start:
            return None
        places, slots = self.pool.places(group.sequence, 0, group.start)
        stored = self.pool.storage[:, :, places, :, slots]
        # Two separate lists index first: [positions, layers, 2, heads, head].
        stored = stored.permute(1, 2, 3, 0, 4).unsqueeze(2)
        return [(layer[0], layer[1]) for layer in stored]

    def _store(self, group: RowGroup, new: tuple[KeyValues, ...]) -> None:
        places, slots = self.pool.places(group.sequence, group.start, len(group.ids))
        stacked = torch.stack([torch.cat([k, v]) for k, v in new])
        self.pool.storage[:, :, places, :, slots] = stacked.permute(3, 0, 1, 2, 4)


def _scores(logits: torch.Tensor) -> RowScores:
    logits = logits.float()
    top = logits.topk(min(TOP, logits.shape[-1]), dim=-1)
    return RowScores(
        logits=logits.cpu().numpy(),
        top_ids=top.indices.int().cpu().numpy(),
        top_logits=top.values.cpu().numpy(),
        log_normaliser=torch.logsumexp(logits, dim=-1).cpu().numpy(),
    )
