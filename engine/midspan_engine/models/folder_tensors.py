"""The weights of a model folder under our names, checked against its `config.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.weights.checkpoint import open_checkpoint
from midspan_engine.weights.errors import WeightsUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.models.family_spec import TensorNames
    from midspan_engine.weights.checkpoint import StoredTensor

SCALE = ".scale"
"""Ends the name of an int8 matrix's scales, one a row: `[rows, 1]`."""
_COMPARED_BYTES = 1 << 20
_RECOMPUTED = (".rotary_emb.inv_freq",)


def expected_tensors(
    config: TransformerConfig, names: TensorNames
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Our name (that of `Transformer`'s parameter), theirs, and the shape of every tensor."""
    hidden = config.hidden_size
    yield "embed_tokens.weight", names.embedding, (config.vocab_size, hidden)
    yield "norm.weight", names.norm, (hidden,)
    if not config.tie_word_embeddings:
        yield "lm_head.weight", names.head, (config.vocab_size, hidden)
    shapes = dict(_layer_shapes(config))
    for layer in range(config.num_hidden_layers):
        for part, shape in shapes.items():
            ours, _, kind = part.rpartition(".")
            theirs = names.layer.format(layer) + names.parts[ours] + "." + kind
            yield f"layers.{layer}.{part}", theirs, shape


def _layer_shapes(config: TransformerConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, middle, head = config.hidden_size, config.intermediate_size, config.head_dim
    width, narrow = config.num_attention_heads * head, config.num_key_value_heads * head
    for norm in ("input_layernorm", "post_attention_layernorm"):
        yield f"{norm}.weight", (hidden,)
    for part, rows in (("q", width), ("k", narrow), ("v", narrow)):
        yield f"self_attn.{part}_proj.weight", (rows, hidden)
        if config.qkv_bias:
            yield f"self_attn.{part}_proj.bias", (rows,)
    if config.qk_norm:
        for part in "qk":
            yield f"self_attn.{part}_norm.weight", (head,)
    yield "self_attn.o_proj.weight", (hidden, width)
    yield "mlp.gate_proj.weight", (middle, hidden)
    yield "mlp.up_proj.weight", (middle, hidden)
    yield "mlp.down_proj.weight", (hidden, middle)


def find_tensors(
    folder: Path, config: TransformerConfig, names: TensorNames
) -> dict[str, StoredTensor]:
    """The tensors of a folder by our names; an int8 matrix's scales end in `.scale`.

    Raises:
        WeightsUnusable: the files are damaged, or hold other tensors than `config` promises; the
            message names the first one.
    """
    stored = open_checkpoint(folder)
    found: dict[str, StoredTensor] = {}
    # The sizes in config.json may be absurd: this stops at the first tensor that is not there,
    # before anything is made of them.
    for ours, theirs, shape in expected_tensors(config, names):
        if theirs not in stored:
            raise WeightsUnusable(_missing(folder, theirs, names, config))
        tensor = stored.pop(theirs)
        if tensor.shape != shape:
            raise WeightsUnusable(
                f"{tensor.path}: {theirs} has the shape {list(tensor.shape)}, and config.json "
                f"means {list(shape)}; fetch both from one revision"
            )
        found[ours] = tensor
        if tensor.kind == "I8":
            found[ours + SCALE] = _scale(stored.pop(theirs + SCALE, None), tensor)
    if config.tie_word_embeddings and names.head in stored:
        _require_same(stored.pop(names.head), found["embed_tokens.weight"])
    for name, tensor in stored.items():
        if not name.endswith(_RECOMPUTED):
            raise WeightsUnusable(
                f"{tensor.path} holds {name}, which this family does not have: the model has parts "
                "that Midspan would leave out, so its answers would be wrong"
            )
    return found


def _missing(folder: Path, name: str, names: TensorNames, config: TransformerConfig) -> str:
    text = f"the weights in {folder} lack {name}; fetch the model again"
    if name == names.head and not config.tie_word_embeddings:
        text += ", for its config.json says that the head is not tied to the embedding"
    return text


def _scale(scale: StoredTensor | None, matrix: StoredTensor) -> StoredTensor:
    if scale is None or scale.shape != (matrix.shape[0], 1) or scale.kind == "I8":
        raise WeightsUnusable(
            f"{matrix.path}: {matrix.name} is stored as int8, and {matrix.name + SCALE} with one "
            f"number for each of {matrix.shape[0]} rows is not there"
        )
    return scale


def _require_same(head: StoredTensor, embedding: StoredTensor) -> None:
    """A tied head that was stored anyway has to be the embedding, or one of them is wrong."""
    same = head.kind == embedding.kind and head.shape == embedding.shape
    if same:
        one, other = (tensor.map().reshape(-1).view(np.uint8) for tensor in (head, embedding))
        pieces = range(0, one.size, _COMPARED_BYTES)
        same = all(
            np.array_equal(
                one[start : start + _COMPARED_BYTES], other[start : start + _COMPARED_BYTES]
            )
            for start in pieces
        )
    if not same:
        raise WeightsUnusable(
            f"{head.path}: {head.name} is not the embedding, but config.json says that the head is "
            "tied to it; fetch both from one revision"
        )
