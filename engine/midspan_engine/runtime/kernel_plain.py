"""One layer in plain torch, as `torch.compile` takes it: fixed shapes, no word from the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional

from midspan_engine.runtime.blocks import BLOCK
from midspan_kernels.reference.activation import gate
from midspan_kernels.reference.norm import add_and_norm
from midspan_kernels.reference.rope import rotate

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.runtime.kernel_buckets import Bucket
    from midspan_engine.runtime.kernel_layers import KernelLayer, Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the rows of a pass stand; the same for all layers.

    Attributes:
        block: Which rows the adapter acts on, bool `[rows]`; None: no row.
        pages: Of each piece `[pieces, places / BLOCK]`.
        seen: Places that each row of a piece sees, bool `[pieces, most rows, places]`.
        index: Row of the pass for each row of a piece, any where it has fewer
            `[pieces, most rows]`.
        piece: Of each row; any of padding `[rows]`.
        offset: Of each row in its piece, likewise `[rows]`.
        cosines: Of each row `[rows, 1, head / 2]`.
        sines: Likewise.
        kept: Whether a row's key is written, bool `[rows]`.
        lines: Where each key goes `[rows]`; those that are not written go where `anchor` goes.
        anchor: The first row that is written; 0 where there is none `[1]`.
    """

    block: Tensor | None
    pages: Tensor
    seen: Tensor
    index: Tensor
    piece: Tensor
    offset: Tensor
    cosines: Tensor
    sines: Tensor
    kept: Tensor
    lines: Tensor
    anchor: Tensor


def lay_out(rows: dict[str, Tensor], bucket: Bucket, angles: Tensor) -> Layout:
    """Where the rows of `kernel_buckets.views` stand.

    Args:
        rows: See there.
        bucket: Their shape.
        angles: See `midspan_kernels.rope`.
    """
    device, behind = angles.device, rows["behind"]
    firsts, last = rows["firsts"][:-1].long(), rows["firsts"][1:].long()
    within = torch.arange(bucket.most_rows, device=device)
    index = (firsts[:, None] + within).clamp(max=bucket.rows - 1)
    number = torch.arange(bucket.rows, device=device)
    piece = torch.searchsorted(last, number, right=True).clamp(max=bucket.pieces - 1)
    kept = rows["lines"] >= 0
    anchor = kept.int().argmax(0, keepdim=True)
    lines = rows["lines"].long()
    cosines, sines = angles[:, rows["positions"].long(), None]
    return Layout(
        block=behind >= 0 if bucket.adapted else None,
        pages=rows["pages"].long(),
        seen=_seen(behind[index], rows["starts"].long(), last - firsts, behind, firsts, bucket),
        index=index,
        piece=piece,
        offset=(number - firsts[piece]).clamp(0, bucket.most_rows - 1),
        cosines=cosines,
        sines=sines,
        kept=kept,
        lines=torch.where(kept, lines, lines[anchor].clamp(min=0)),
        anchor=anchor,
    )


def _seen(
    stands: Tensor, starts: Tensor, counts: Tensor, behind: Tensor, firsts: Tensor, bucket: Bucket
) -> Tensor:
    """See `Layout.seen`; `stands` is `behind` by piece."""
    place = torch.arange(bucket.places, device=starts.device)
    own = place - starts[:, None]
    theirs = behind[(firsts[:, None] + own).clamp(0, bucket.rows - 1)][:, None]
    row = torch.arange(bucket.most_rows, device=starts.device)
    limit = torch.where(stands >= 0, stands, row)[..., None]
    past = (theirs < 0) & (own[:, None] <= limit)
    together = (stands >= 0)[..., None] & (stands[..., None] == theirs)
    inside = ((own >= 0) & (own < counts[:, None]))[:, None]
    # A row that saw nothing would be divided by 0.
    nobody = (row >= counts[:, None])[..., None] & (place == 0)
    return (own < 0)[:, None] | (inside & (past | together)) | nobody


def run_layer(
    stream: Tensor, layer: KernelLayer, cache: Tensor, layout: Layout, config: TransformerConfig
) -> Tensor:
    """The stream behind a layer.

    Args:
        stream: Float32 `[rows, hidden]`.
        layer: Its weights, all of them dense.
        cache: Its keys and values `[2, blocks, kv heads, BLOCK, head]`; changed in place.
        layout: See `lay_out`.
        config: Of the network.

    Returns:
        Float32 `[rows, hidden]`.
    """
    epsilon = config.rms_norm_eps
    x = add_and_norm(stream, None, layer.first_norm, epsilon)
    mixed = _project(layer.mixing, x, layout.block).view(len(x), -1, config.head_dim)
    heads, key_heads = config.num_attention_heads, config.num_key_value_heads
    query, key, value = mixed.tensor_split((heads, heads + key_heads), 1)
    if layer.query_norm is not None and layer.key_norm is not None:
        query = add_and_norm(query.float(), None, layer.query_norm, epsilon)
        key = add_and_norm(key.float(), None, layer.key_norm, epsilon)
    query, key = (rotate(turned, layout.cosines, layout.sines) for turned in (query, key))
    _write(cache, layout, torch.stack([key, value]))
    attended = _attend(query, cache, layout).flatten(1)
    stream = stream + _project(layer.output, attended, layout.block).float()
    x = add_and_norm(stream, None, layer.second_norm, epsilon)
    wide = gate(_project(layer.widening, x, layout.block))
    return stream + _project(layer.narrowing, wide, layout.block).float()


def _project(projection: Projection, x: Tensor, block: Tensor | None) -> Tensor:
    product = functional.linear(x, cast("Tensor", projection.weight), projection.bias)
    if block is None:
        return product
    assert projection.down is not None
    assert projection.up is not None
    low_rank = functional.linear(functional.linear(x, projection.down), projection.up)
    return product + low_rank * block[:, None]


def _write(cache: Tensor, layout: Layout, new: Tensor) -> None:
    """Write keys and values `[2, rows, kv heads, head]`.

    A row that is not to be written, for the shape is fixed, writes what the first one writes, and
    in a pass without any row what is there already.
    """
    line = layout.lines[layout.anchor]
    there = cache[:, line // BLOCK, :, line % BLOCK].transpose(0, 1)
    first = torch.where(layout.kept[layout.anchor][:, None, None], new[:, layout.anchor], there)
    written = torch.where(layout.kept[:, None, None], new, first)
    cache[:, layout.lines // BLOCK, :, layout.lines % BLOCK] = written.transpose(0, 1)


def _attend(query: Tensor, cache: Tensor, layout: Layout) -> Tensor:
    """Attention of all rows, `[rows, heads, head]`."""
    pieces, heads = len(layout.pages), cache.shape[2]
    gathered = cache[:, layout.pages].transpose(2, 3)
    keys, values = gathered.reshape(2, pieces, heads, -1, cache.shape[-1])
    attended = functional.scaled_dot_product_attention(
        query[layout.index].transpose(1, 2),
        keys,
        values,
        attn_mask=layout.seen[:, None],
        enable_gqa=True,
    )
    return attended[layout.piece, :, layout.offset]
