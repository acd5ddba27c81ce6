"""Weights as the kernels take them: linears of one input merged, adapters beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn
from torch.nn import functional

from midspan_kernels.attention import HEAD_SIZES
from midspan_kernels.linear import FEW_ROWS, RANKS, RowAdapter, multiply, useful_parts
from midspan_kernels.norm import WIDEST
from midspan_kernels.weights import GROUP, QuantisedWeight, quantise, quantise_as_floats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from midspan_engine.models.adapter import Adapter, AdapterLayer
    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.models.transformer import Transformer, TransformerLayer

Stored = Literal["dense", "int8", "fp8"]
"""How linears and head are held; dense: in the dtype of the network."""
_MERGED = 3
"""q, k and v share their input, so one product has the ranks of all three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Linears that share an input, one below the other.

    Attributes:
        weight: `[outputs, inputs]`.
        bias: `[outputs]`, if any.
        down: Of the adapter, `[rank, inputs]`, if there is one.
        up: Likewise, `[outputs, rank]`, scaled.
    """

    weight: Tensor | QuantisedWeight
    bias: Tensor | None = None
    down: Tensor | None = None
    up: Tensor | None = None

    def __call__(self, x: Tensor, block: Tensor | None, *, split: bool = False) -> Tensor:
        """The product `[rows, outputs]`.

        Args:
            x: `[rows, inputs]`.
            block: Which rows the adapter acts on, bool `[rows]`; None: no row.
            split: Parts `[parts, rows, outputs]` will do as well.
        """
        if block is None and not self._is_ours(x):
            return functional.linear(x, cast("Tensor", self.weight), self.bias)
        adapter = None
        if block is not None:
            assert self.down is not None
            assert self.up is not None
            adapter = RowAdapter(down=self.down, up=self.up, rows=block)
        parts = useful_parts(x, *self.weight.shape) if split else 1
        return multiply(x, self.weight, bias=self.bias, adapter=adapter, parts=parts)

    def _is_ours(self, x: Tensor) -> bool:
        """Whether our kernel multiplies where no adapter acts.

        Few rows: a library rounds by the number of rows, and with block rows in the pass the kernel
        is ours; a row that is verified would differ from the same row decoded alone.
        """
        quantised = isinstance(self.weight, QuantisedWeight)
        return quantised or (len(x) <= FEW_ROWS and x.shape[1] % GROUP == 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLayer:
    """One decoder layer.

    Attributes:
        first_norm: Before attention `[hidden]`.
        mixing: To queries, keys and values.
        query_norm: `[head]`, where queries are normed.
        key_norm: Likewise.
        output: From heads to the stream.
        second_norm: Before SwiGLU `[hidden]`.
        widening: To gates and values.
        narrowing: Back to the stream.
    """

    first_norm: Tensor
    mixing: Projection
    query_norm: Tensor | None
    key_norm: Tensor | None
    output: Projection
    second_norm: Tensor
    widening: Projection
    narrowing: Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelWeights:
    """All of a network.

    Attributes:
        embedding: `[vocab, hidden]`.
        mask: Stands where the ids say `MASK`, float32 `[hidden]`; None without an adapter.
        layers: From the first to the last.
        last_norm: `[hidden]`.
        head: From hidden states to logits.
    """

    embedding: Tensor
    mask: Tensor | None
    layers: tuple[KernelLayer, ...]
    last_norm: Tensor
    head: Projection

    @classmethod
    def take(cls, model: Transformer, adapter: Adapter | None, stored: Stored) -> KernelWeights:
        """Those of a model, which loses its layers, so that no weight is there twice."""
        embedding = model.embed_tokens.weight
        return cls(
            embedding=embedding,
            mask=None if adapter is None else adapter.mask_embedding.detach().float(),
            layers=tuple(_take_layers(model, adapter, stored)),
            last_norm=model.norm.weight.to(embedding.dtype),
            head=Projection(weight=_store(model.head_weight, stored)),
        )


def misfit(config: TransformerConfig, rank: int = 0, stored: Stored = "dense") -> str:
    """Why the kernels cannot run a network with an adapter of `rank`; "" where they can."""
    if config.head_dim not in HEAD_SIZES:
        return f"heads of {config.head_dim}, and the kernels take {HEAD_SIZES}"
    if config.hidden_size > WIDEST:
        return f"a width of {config.hidden_size}, and the kernels take up to {WIDEST}"
    width = config.num_attention_heads * config.head_dim
    inputs = (config.hidden_size, width, config.intermediate_size)
    if (rank or stored != "dense") and any(size % GROUP for size in inputs):
        return f"linears of {inputs} inputs, and the kernels take multiples of {GROUP}"
    if _MERGED * rank > RANKS[-1]:
        return f"an adapter of rank {rank}, and the kernels take up to {RANKS[-1] // _MERGED}"
    return ""


def _store(weight: Tensor, stored: Stored) -> Tensor | QuantisedWeight:
    if stored == "dense":
        return weight
    return quantise(weight, 8) if stored == "int8" else quantise_as_floats(weight)


def _take_layers(
    model: Transformer, adapter: Adapter | None, stored: Stored
) -> Iterator[KernelLayer]:
    for index in range(len(model.layers)):
        layer = cast("TransformerLayer", model.layers[index])
        low = None if adapter is None else cast("AdapterLayer", adapter.layers[index])
        model.layers[index] = nn.Identity()
        yield _layer(layer, low, stored)


def _layer(layer: TransformerLayer, low: AdapterLayer | None, stored: Stored) -> KernelLayer:
    attention, mlp = layer.self_attn, layer.mlp
    dtype = attention.q_proj.weight.dtype
    normed = attention.config.qk_norm
    return KernelLayer(
        first_norm=layer.input_layernorm.weight.to(dtype),
        mixing=_merge(attention, ("q_proj", "k_proj", "v_proj"), low, stored),
        query_norm=attention.q_norm.weight.to(dtype) if normed else None,
        key_norm=attention.k_norm.weight.to(dtype) if normed else None,
        output=_merge(attention, ("o_proj",), low, stored),
        second_norm=layer.post_attention_layernorm.weight.to(dtype),
        widening=_merge(mlp, ("gate_proj", "up_proj"), low, stored),
        narrowing=_merge(mlp, ("down_proj",), low, stored),
    )


def _merge(
    owner: nn.Module, names: tuple[str, ...], low: AdapterLayer | None, stored: Stored
) -> Projection:
    linears = [cast("nn.Linear", getattr(owner, name)) for name in names]
    weight = torch.cat([linear.weight for linear in linears]).contiguous()
    bias = None
    if linears[0].bias is not None:
        bias = torch.cat([linear.bias for linear in linears])
    down = up = None
    if low is not None:
        down, up = _merged_ranks([low.parts(name) for name in names], weight.dtype)
    return Projection(weight=_store(weight, stored), bias=bias, down=down, up=up)


def _merged_ranks(
    parts: list[tuple[Tensor, Tensor, float]], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Down below down, up block-diagonal, filled up with zeros to a rank that kernels take.

    Plain torch takes a larger one as it is.
    """
    ranks = sum(len(low) for low, _, _ in parts)
    padded = next((rank for rank in RANKS if rank >= ranks), ranks)
    outputs, inputs = sum(len(high) for _, high, _ in parts), parts[0][0].shape[1]
    down = parts[0][0].new_zeros((padded, inputs), dtype=dtype)
    up = down.new_zeros((outputs, padded))
    row = column = 0
    for low, high, scale in parts:
        down[column : column + len(low)] = low
        up[row : row + len(high), column : column + len(low)] = high * scale
        row, column = row + len(high), column + len(low)
    return down, up
