"""How the products of the graph are computed: in float32, or in int8 in one of two ways.

`GroupedProducts` brings activations to int8 in groups of 128 channels, which the plugin does inside
its products: best for few rows where int8 runs on VNNI. `RotatedProducts` has one scale for each
row, in a basis where that loses nothing (`rotation`): then a product is one of integers and runs
on AMX tiles, where a prompt takes half the time and further rows next to none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import openvino.opset15 as ops
from openvino import Type

from midspan_engine.runtime.folder_weights import joined_linears
from midspan_engine.runtime.openvino_nodes import (
    Node,
    constant,
    float_product,
    int8_product,
    rms_factor,
    rms_norm,
    row_product,
    scaled_rows,
)
from midspan_engine.runtime.quantised import quantise, quantise_rows
from midspan_engine.runtime.rotation import hadamard, online_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from midspan_engine.models.config import TransformerConfig

    Weights = Callable[[str], NDArray[np.float32]]

Added = Callable[[str, "Operand"], Node]
"""What an adapter adds to the product of that name."""


@dataclass(frozen=True, slots=True)
class Operand:
    """What enters a product, and by what `[rows, 1]` the result has to be multiplied."""

    rows: Node
    factor: Node | None = None


class Products(Protocol):
    """The arithmetic of one graph."""

    def normal(self, hidden: Node, name: str) -> Operand:
        """The residual stream after the RMSNorm of that name."""
        ...

    def operand(self, x: Node) -> Operand:
        """Any other activations."""
        ...

    def middle(self, x: Node) -> Operand:
        """What enters `down`."""
        ...

    def product(self, name: str, x: Operand) -> Node:
        """The product of that name in `joined_linears`, without bias."""
        ...

    def gated(self, gate: str, up: str, x: Operand, added: Added | None) -> Node:
        """`silu(gate) * up` of two products, to each of which something may be added."""
        ...

    def bias(self, name: str) -> NDArray[np.float32]:
        """The bias `[out]` of a product."""
        ...

    def low_rank(
        self, down: NDArray[np.float32], up: NDArray[np.float32], x: Operand, share: Node
    ) -> Node:
        """`x down^T up^T`, rows multiplied by `share [rows, 1]` in between."""
        ...


class ExactProducts:
    """float32: the oracle of the tests."""

    def __init__(self, config: TransformerConfig, weights: Weights) -> None:
        self._epsilon = config.rms_norm_eps
        self._weights = weights
        self._parts = joined_linears(config)

    def normal(self, hidden: Node, name: str) -> Operand:
        """See `Products.normal`."""
        return Operand(rms_norm(hidden, self._weights(name).reshape(1, -1), self._epsilon))

    def operand(self, x: Node) -> Operand:
        """See `Products.operand`."""
        return Operand(x)

    def middle(self, x: Node) -> Operand:
        """See `Products.middle`."""
        return Operand(x)

    def product(self, name: str, x: Operand) -> Node:
        """See `Products.product`."""
        return float_product(x.rows, self._stacked(name, ".weight"))

    def gated(self, gate: str, up: str, x: Operand, added: Added | None) -> Node:
        """See `Products.gated`."""
        both = [self.product(name, x) for name in (gate, up)]
        if added:
            both = [ops.add(y, added(name, x)) for y, name in zip(both, (gate, up), strict=True)]
        return ops.multiply(ops.swish(both[0]), both[1])

    def bias(self, name: str) -> NDArray[np.float32]:
        """See `Products.bias`."""
        return self._stacked(name, ".bias")

    def low_rank(
        self, down: NDArray[np.float32], up: NDArray[np.float32], x: Operand, share: Node
    ) -> Node:
        """See `Products.low_rank`."""
        return float_product(ops.multiply(float_product(x.rows, down), share), up)

    def _stacked(self, name: str, kind: str) -> NDArray[np.float32]:
        return np.concatenate([self._weights(part + kind) for part in self._parts[name]])


class GroupedProducts(ExactProducts):
    """int8 in groups of 128 input channels.

    Args:
        config: Sizes of the network.
        weights: Returns the float32 tensor of a Hugging Face tensor name.
        arrays: Those of `read_quantised`, used in place and alive as long as the model.
    """

    def __init__(
        self, config: TransformerConfig, weights: Weights, arrays: dict[str, NDArray[Any]]
    ) -> None:
        super().__init__(config, weights)
        self._arrays = arrays

    def product(self, name: str, x: Operand) -> Node:
        """See `Products.product`."""
        stored, scale = (self._arrays[f"{name}.{part}"] for part in ("values", "scale"))
        values = ops.constant(stored, Type.i8, shared_memory=True)
        return int8_product(x.rows, values, ops.constant(scale, Type.f16, shared_memory=True))

    def low_rank(
        self, down: NDArray[np.float32], up: NDArray[np.float32], x: Operand, share: Node
    ) -> Node:
        """See `Products.low_rank`."""
        return _grouped(ops.multiply(_grouped(x.rows, down), share), up)


class RotatedProducts:
    """int8 with one scale for each row of activations.

    Args:
        config: Sizes of the network.
        arrays: Those of `read_quantised` for a rotated network, used in place and alive as long as
            the model. Low-rank weights have to be rotated too.
    """

    def __init__(self, config: TransformerConfig, arrays: dict[str, NDArray[Any]]) -> None:
        self._config, self._arrays = config, arrays

    def normal(self, hidden: Node, name: str) -> Operand:  # noqa: ARG002  in the product's weights
        """See `Products.normal`: a factor for each row changes none of its steps, so it waits."""
        rows, factor = scaled_rows(hidden)
        return Operand(rows, ops.multiply(factor, rms_factor(hidden, self._config.rms_norm_eps)))

    def operand(self, x: Node) -> Operand:
        """See `Products.operand`."""
        return Operand(*scaled_rows(x))

    def middle(self, x: Node) -> Operand:
        """See `Products.middle`: the one rotation that no weights can take over."""
        width, block = self._config.intermediate_size, online_block(self._config)
        split = ops.reshape(x, constant([-1, width // block, block]), False)
        turned = ops.matmul(split, constant(hadamard(block), Type.f32), False, False)
        return self.operand(ops.reshape(turned, constant([-1, width]), False))

    def product(self, name: str, x: Operand) -> Node:
        """See `Products.product`.

        Whatever follows must follow the multiplication: a product with several consumers, or with
        a bias of its own, is taken apart by the plugin and computed more than once.
        """
        return ops.multiply(self._unscaled(name, x), x.factor)

    def gated(self, gate: str, up: str, x: Operand, added: Added | None) -> Node:
        """See `Products.gated`: with the factor at the end one operator does it all."""
        first, second = self.product(gate, x), self._unscaled(up, x)
        if added:
            first = ops.add(first, added(gate, x))
            second = ops.add(second, added(up, Operand(x.rows)))
        return ops.multiply(ops.multiply(ops.swish(first), second), x.factor)

    def _unscaled(self, name: str, x: Operand) -> Node:
        stored, scale = (self._arrays[f"{name}.{part}"] for part in ("values", "scale"))
        values = ops.constant(stored, Type.i8, shared_memory=True)
        return row_product(x.rows, values, constant(scale, Type.f32))

    def bias(self, name: str) -> NDArray[np.float32]:
        """See `Products.bias`."""
        found: NDArray[np.float32] = self._arrays[f"{name}.bias"]
        return found

    def low_rank(
        self, down: NDArray[np.float32], up: NDArray[np.float32], x: Operand, share: Node
    ) -> Node:
        """See `Products.low_rank`."""
        values, scale = quantise_rows(down)
        low = row_product(x.rows, constant(values, Type.i8), constant(scale, Type.f32))
        scaled = share if x.factor is None else ops.multiply(x.factor, share)
        return _grouped(ops.multiply(low, scaled), up)


def _grouped(x: Node, weight: NDArray[np.float32]) -> Node:
    values, scale = quantise(weight)
    return int8_product(x, constant(values, Type.i8), constant(scale, Type.f16))
