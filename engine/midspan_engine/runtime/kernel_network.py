"""One pass of kernels over packed rows; nothing in it asks the host, so that it can be captured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from midspan_engine.runtime.blocks import BLOCK
from midspan_engine.runtime.kernel_buckets import views
from midspan_engine.runtime.rows import TOP
from midspan_kernels.activation import gate
from midspan_kernels.attention import attend
from midspan_kernels.head import score_rows
from midspan_kernels.norm import add_and_norm
from midspan_kernels.rope import rotary_table, rotate_into_cache
from midspan_kernels.rows import Batch
from midspan_kernels.weights import QuantisedWeight

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.runtime.kernel_buckets import Bucket
    from midspan_engine.runtime.kernel_layers import KernelLayer, KernelWeights

_SLICE = 4096


class KernelNetwork:
    """The transformer of `models.transformer` over a paged cache.

    Args:
        config: Its sizes.
        weights: See `KernelWeights`.
        storage: See `blocks.BlockPool`.
    """

    def __init__(self, config: TransformerConfig, weights: KernelWeights, storage: Tensor) -> None:
        self._config, self._weights, self._storage = config, weights, storage
        positions = torch.arange(storage.shape[2] * BLOCK, device=storage.device)
        self._angles = rotary_table(positions, config.head_dim, config.rope_theta)

        self.failure = ""
        """Why passes run slower than this network was made for; "" where they do not."""

    @property
    def kind(self) -> str:
        """What passes run on, for the runtime's name."""
        return "kernels"

    def prepare(self, bucket: Bucket) -> None:
        """Do what a shape needs before its first pass. Nothing: Triton compiles what is missing."""

    def hidden(self, packed: Tensor, bucket: Bucket) -> Tensor:
        """Run all rows and write their keys and values.

        Args:
            packed: See `kernel_buckets.pack`, on the device.
            bucket: Its shape.

        Returns:
            After the last norm, `[rows, hidden]`.
        """
        rows = views(packed, bucket)
        batch = Batch(
            firsts=rows["firsts"],
            starts=rows["starts"],
            behind=rows["behind"],
            pages=rows["pages"],
            most_rows=bucket.most_rows,
            longest=bucket.places,
        )
        stream = self._embed(rows["ids"])
        block = batch.behind >= 0 if bucket.adapted else None
        epsilon, update = self._config.rms_norm_eps, None
        for layer, (keys, values) in zip(self._weights.layers, self._storage, strict=True):
            x = add_and_norm(stream, update, layer.first_norm, epsilon)
            mixed = self._mixed(layer, x, block)
            query = rotate_into_cache(
                mixed, self._angles, rows["positions"], rows["lines"], keys, values
            )
            attended = attend(query, keys, values, batch).view(bucket.rows, -1)
            update = layer.output(attended, block, split=True)
            x = add_and_norm(stream, update, layer.second_norm, epsilon)
            update = layer.narrowing(gate(layer.widening(x, block)), block, split=True)
        return add_and_norm(stream, update, self._weights.last_norm, epsilon)

    def judge(self, hidden: Tensor) -> Tensor:
        """What is likeliest in chosen rows `[rows, hidden]`, without logits in memory.

        Returns:
            int32 `[rows, 2 TOP + 1]`, see `kernel_scores.split_scores`.
        """
        if not len(hidden):
            return hidden.new_zeros((0, 2 * TOP + 1), dtype=torch.int32)
        judged = score_rows(hidden, self._weights.head.weight, ranked=TOP)
        assert judged.ranked is not None
        assert judged.ranked_logits is not None
        return bits_of_ranks(judged.ranked, judged.ranked_logits, judged.log_normalisers)

    def logits(self, hidden: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Of chosen rows `[rows, hidden]` and tokens, or all: float32 `[rows, tokens]`.

        In float32 and a slice of the vocabulary at a time, for who asks for what `judge` left out.
        """
        weight, parts = self._weights.head.weight, []
        for start in range(0, weight.shape[0] if tokens is None else len(tokens), _SLICE):
            here = slice(start, start + _SLICE)
            which = here if tokens is None else tokens[here]
            part = weight.rows(which) if isinstance(weight, QuantisedWeight) else weight[which]
            parts.append(hidden.float() @ part.float().T)
        return torch.cat(parts, 1)

    def pair_logits(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Of one token for each row `[rows, hidden]`: float32 `[rows]`."""
        weight = self._weights.head.weight
        part = weight.rows(tokens) if isinstance(weight, QuantisedWeight) else weight[tokens]
        return (hidden.float() * part.float()).sum(-1)

    def _embed(self, ids: Tensor) -> Tensor:
        embedded = functional.embedding(ids.clamp(min=0), self._weights.embedding).float()
        if self._weights.mask is None:
            return embedded
        return torch.where(ids[:, None] < 0, self._weights.mask, embedded)

    def _mixed(self, layer: KernelLayer, x: Tensor, block: Tensor | None) -> Tensor:
        """Queries, keys and values, `[rows, heads + 2 key heads, head]`."""
        config = self._config
        mixed = layer.mixing(x, block).view(len(x), -1, config.head_dim)
        if layer.query_norm is None or layer.key_norm is None:
            return mixed
        heads = config.num_attention_heads
        to = heads + config.num_key_value_heads
        query = self._normed(mixed[:, :heads], layer.query_norm)
        key = self._normed(mixed[:, heads:to], layer.key_norm)
        return torch.cat([query, key, mixed[:, to:]], 1)

    def _normed(self, heads: Tensor, weight: Tensor) -> Tensor:
        flat = heads.float().reshape(-1, heads.shape[-1])
        return add_and_norm(flat, None, weight, self._config.rms_norm_eps).view(heads.shape)


def bits_of_ranks(tokens: Tensor, logits: Tensor, log_normalisers: Tensor) -> Tensor:
    """All that the host gets to know of rows in one tensor, see `kernel_scores.split_scores`.

    Args:
        tokens: The likeliest, int32 `[rows, TOP]`.
        logits: Of those, float32 `[rows, TOP]`.
        log_normalisers: float32 `[rows]`.
    """
    floats = torch.cat([logits, log_normalisers[:, None]], 1)
    return torch.cat([tokens, floats.view(torch.int32)], 1)
