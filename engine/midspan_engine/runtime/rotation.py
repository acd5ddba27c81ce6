"""The network in a basis without outliers, so that one int8 scale serves a whole activation row.

Qwen2's activations hold a few values a hundred times larger than the rest. Every product of the
network may be rotated on its input side if what feeds it is rotated alike, and a rotation by
Hadamard blocks spreads such values over many channels (QuaRot, Ashkboos et al. 2024, arXiv
2404.00456). All rotations are folded into the weights but one: what enters `down` comes out of a
product of two numbers, so its rotation stands in the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from midspan_engine.runtime.folder_weights import joined_linears

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from midspan_engine.models.config import TransformerConfig

    Weights = Callable[[str], NDArray[np.float32]]
    LowRank = Callable[[int, str], tuple[NDArray[np.float32], NDArray[np.float32]]]

_LARGEST = 128
"""Blocks of 128 leave the network as close to float32 as blocks over the whole width do."""
_LARGEST_ONLINE = 64
"""Of the rotation that is computed in every pass: as good as 256 there, and cheaper."""


def block_of(width: int, largest: int = _LARGEST) -> int:
    """The largest power of two that divides `width`, at most `largest`."""
    return min(width & -width, largest)


def online_block(config: TransformerConfig) -> int:
    """Size of the blocks by which what enters `down` is rotated."""
    return block_of(config.intermediate_size, _LARGEST_ONLINE)


def hadamard(size: int) -> NDArray[np.float32]:
    """Sylvester's Hadamard matrix `[size, size]` over the root of its size: its own inverse."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.float32(np.sqrt(size))


def rotated(x: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Rotate the last axis of `x`, in blocks; twice gives `x` back.

    Each row is a product of its own, so that it comes out the same whatever stands beside it.
    """
    split = np.ascontiguousarray(x).reshape(-1, x.shape[-1] // block, block)
    turned: NDArray[np.float32] = (split @ hadamard(block)).reshape(x.shape)
    return turned


class Rotation:
    """Weights of a network in the rotated basis.

    Args:
        config: Sizes of the network.
        weights: Returns the float32 tensor of a Hugging Face tensor name.
    """

    def __init__(self, config: TransformerConfig, weights: Weights) -> None:
        self.config, self._weights = config, weights
        stream, head = block_of(config.hidden_size), block_of(config.head_dim)
        self._stream = stream
        self._sides: dict[str, tuple[str, int, int]] = {
            # projection: the norm before it, blocks of what enters, blocks of what leaves
            **dict.fromkeys(("q_proj", "k_proj"), ("input_layernorm", stream, 1)),
            "v_proj": ("input_layernorm", stream, head),
            "o_proj": ("", head, stream),
            **dict.fromkeys(("gate_proj", "up_proj"), ("post_attention_layernorm", stream, 1)),
            "down_proj": ("", online_block(config), stream),
        }

    def stream(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows of the residual stream `[..., hidden]`."""
        return rotated(rows, self._stream)

    def product(self, name: str) -> NDArray[np.float32]:
        """Stacked weights `[out, in]` of one of `joined_linears`, norms before them included."""
        parts = joined_linears(self.config)[name]
        if name == "head":
            weight = self._weights(parts[0] + ".weight") * self._weights("model.norm.weight")
            return self.stream(weight)
        # A file takes the bytes as they lie.
        return np.ascontiguousarray(np.concatenate([self._linear(part) for part in parts]))

    def bias(self, name: str) -> NDArray[np.float32]:
        """Stacked biases `[out]` of a product that has them."""
        parts = joined_linears(self.config)[name]
        return np.concatenate([self._leaving(p, self._weights(p + ".bias")) for p in parts])

    def low_rank(self, pair: LowRank) -> LowRank:
        """The same for the low-rank additions of an adapter."""

        def turned(layer: int, projection: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            down, up = pair(layer, projection)
            part = f"model.layers.{layer}.x.{projection}"
            return self._entering(part, down), self._leaving(part, up.T).T

        return turned

    def _linear(self, part: str) -> NDArray[np.float32]:
        entering = self._entering(part, self._weights(part + ".weight"))
        return self._leaving(part, entering.T).T

    def _entering(self, part: str, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        norm, block, _ = self._sides[part.rsplit(".", 1)[1]]
        if norm:
            layer = part.split(".")[2]
            matrix = matrix * self._weights(f"model.layers.{layer}.{norm}.weight")
        return rotated(matrix, block)

    def _leaving(self, part: str, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[..., out]`, as what leaves the product is rotated."""
        block = self._sides[part.rsplit(".", 1)[1]][2]
        return matrix if block == 1 else rotated(matrix, block)
