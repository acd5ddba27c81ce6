"""One Qwen2 forward pass as an OpenVINO graph: int8 weights, paged key/value cache, adapter rows.

The rows of a pass come from any number of sequences. `PagedAttentionExtension` writes their keys
and values into cache blocks that the caller owns, and lets neighbouring rows whose `row_kind` is 1
attend to each other in both directions, as a block of masks needs; other rows are causal.

How products are computed is another's matter (`openvino_products`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino.opset15 as ops
from openvino import Model, PartialShape, Type

# The operator is part of OpenVINO's public model format; only its Python name is private.
from openvino._pyopenvino.op import _PagedAttentionExtension as PagedAttention

from midspan_engine.runtime.folder_weights import joined_linears
from midspan_engine.runtime.openvino_nodes import Node, constant
from midspan_engine.runtime.rows import TOP

if TYPE_CHECKING:
    from midspan_engine.models.config import TransformerConfig
    from midspan_engine.runtime.openvino_products import Operand, Products
    from midspan_engine.runtime.rotation import LowRank


def _empty(kind: Type, rank: int = 1) -> Node:
    return ops.constant(np.zeros((0,) * rank, np.int32), kind)


def _cut(x: Node, *widths: int) -> Any:
    return ops.variadic_split(x, constant(1), constant(widths)).outputs()


class GraphBuilder:
    """Builds the graph of `config`, one constant at a time, so that memory stays low.

    Args:
        config: Sizes of the network.
        products: How they are computed.
        low_rank: Returns `(a, b)`, scale included, of an adapter for a layer and a projection, as
            `products` take them; None builds a graph without adapter rows.
    """

    def __init__(
        self,
        config: TransformerConfig,
        products: Products,
        low_rank: LowRank | None = None,
    ) -> None:
        self.config = config
        self.products = products
        self.low_rank = low_rank
        self.parts = joined_linears(config)
        self._inputs: dict[str, Node] = {}

    def build(self) -> Model:
        """Return the model.

        Inputs, `rows` being all rows of the pass and `n` those whose logits are wanted:
        `hidden [rows, width]`, `cosine` and `sine` `[rows, 1, head]` (see `_rotate`),
        `row_kind [rows]`, `past_lens [sequences]`, `subsequence_begins [sequences + 1]`,
        `block_indices`, `block_indices_begins [sequences + 1]`, `tree [cells]` and
        `tree_begins [sequences + 1]` (a matrix `[rows, rows]` of what sees what for sequences that
        need one), `longest []`, `logit_rows [n]`, `key.L` and `value.L` `[blocks, kv heads, block
        size, head]`, and `adapted [rows, 1]` with an adapter.
        Outputs: `logits [n, vocab]`, `top_values [n, TOP]`, `top_ids [n, TOP]`,
        `log_normaliser [n, 1]`.
        """
        head = self.config.head_dim
        hidden = self._input("hidden", [-1, self.config.hidden_size], Type.f32)
        for name in ("cosine", "sine"):
            self._input(name, [-1, 1, head], Type.f32)
        for name in ("row_kind", "past_lens", "subsequence_begins", "block_indices"):
            self._input(name, [-1], Type.i32)
        self._input("block_indices_begins", [-1], Type.i32)
        self._input("tree", [-1], Type.u8)
        self._input("tree_begins", [-1], Type.i32)
        self._input("longest", [], Type.i32)
        self._input("logit_rows", [-1], Type.i32)
        if self.low_rank is not None:
            self._input("adapted", [-1, 1], Type.f32)
        for layer in range(self.config.num_hidden_layers):
            hidden = self._layer(layer, hidden)
        outputs = self._head(ops.gather(hidden, self._inputs["logit_rows"], constant(0)))
        return Model(outputs, list(self._inputs.values()), "midspan")

    def _input(self, name: str, shape: list[int], kind: Type) -> Node:
        node = ops.parameter(PartialShape(shape), kind, name=name)
        node.output(0).set_names({name})
        self._inputs[name] = node
        return node

    def _layer(self, layer: int, hidden: Node) -> Node:
        prefix = f"model.layers.{layer}."
        normal = self.products.normal(hidden, prefix + "input_layernorm.weight")
        attended = self.products.operand(self._attention(layer, normal))
        hidden = ops.add(hidden, self._linear(f"{layer}.o", attended))
        normal = self.products.normal(hidden, prefix + "post_attention_layernorm.weight")
        added = None if self.low_rank is None else self._adapter
        gated = self.products.gated(f"{layer}.gate", f"{layer}.up", normal, added)
        return ops.add(hidden, self._linear(f"{layer}.down", self.products.middle(gated)))

    def _head(self, hidden: Node) -> list[Node]:
        normal = self.products.normal(hidden, "model.norm.weight")
        logits = self.products.product("head", normal)
        count = min(TOP, self.config.vocab_size)
        top = ops.topk(logits, constant(count), -1, "max", "value")
        highest = ops.reduce_max(logits, constant([1]), True)
        total = ops.reduce_sum(ops.exp(ops.subtract(logits, highest)), constant([1]), True)
        named = {
            "logits": logits.output(0),
            "top_values": top.output(0),
            "top_ids": top.output(1),
            "log_normaliser": ops.add(highest, ops.log(total)).output(0),
        }
        for key, output in named.items():
            output.set_names({key})
        return [ops.result(output) for output in named.values()]

    def _linear(self, product: str, x: Operand) -> Node:
        """Several projections of one input as one product, plus the adapter on its rows."""
        y = self.products.product(product, x)
        if product.endswith("qkv"):
            y = ops.add(y, constant(self.products.bias(product).reshape(1, -1), Type.f32))
        return y if self.low_rank is None else ops.add(y, self._adapter(product, x))

    def _adapter(self, product: str, x: Operand) -> Node:
        assert self.low_rank is not None
        layer = int(product.split(".", maxsplit=1)[0])
        pairs = [self.low_rank(layer, name.rsplit(".", 1)[1]) for name in self.parts[product]]
        down = np.concatenate([a for a, _ in pairs])
        up = np.zeros((sum(b.shape[0] for _, b in pairs), down.shape[0]), np.float32)
        row = column = 0
        for a, b in pairs:
            up[row : row + b.shape[0], column : column + a.shape[0]] = b
            row, column = row + b.shape[0], column + a.shape[0]
        return self.products.low_rank(down, up, x, self._inputs["adapted"])

    def _rotate(self, x: Node, heads: int) -> Node:
        """Rotary embedding of `[rows, heads * head]`, halves paired as in the reference.

        The first half of `sine` is negative, which saves negating half of `x`: with a few rows a
        pass is as much a matter of how many operators it has as of what they compute.
        """
        split = ops.reshape(x, constant([-1, heads, self.config.head_dim]), False)
        halves = ops.split(split, constant(2), 2)
        turned = ops.concat([halves.output(1), halves.output(0)], 2)
        rotated = ops.add(
            ops.multiply(split, self._inputs["cosine"]), ops.multiply(turned, self._inputs["sine"])
        )
        return ops.reshape(rotated, constant([-1, heads * self.config.head_dim]), False)

    def _attention(self, layer: int, x: Operand) -> Node:
        config = self.config
        wide = config.num_attention_heads * config.head_dim
        narrow = config.num_key_value_heads * config.head_dim
        joined = self._linear(f"{layer}.qkv", x)
        both, value = _cut(joined, wide + narrow, narrow)
        rotated = self._rotate(both, config.num_attention_heads + config.num_key_value_heads)
        query, key = _cut(rotated, wide, narrow)
        cache = [
            self._input(f"{name}.{layer}", [-1, -1, -1, -1], Type.f32) for name in ("key", "value")
        ]
        return self._paged(query, key, value, cache)

    def _paged(self, query: Any, key: Any, value: Any, cache: list[Node]) -> Node:
        """`PagedAttentionExtension` with its 28 inputs; what we leave out is an empty constant."""
        get = self._inputs
        i32, f32 = Type.i32, Type.f32
        rest = [
            *cache,
            *(get["past_lens"], get["subsequence_begins"]),
            *(get["block_indices"], get["block_indices_begins"]),
            constant(np.float32(self.config.head_dim**-0.5), f32),
            *(constant(0), _empty(f32)),  # sliding window, alibi
            get["longest"],
            _empty(i32),  # score aggregation window
            *(_empty(i32), _empty(i32), _empty(f32)),  # rotation of cached keys
            *(_empty(f32), constant(128), constant(16)),  # sparse attention
            _empty(f32, 4),  # sinks
            *(constant(0), _empty(i32), _empty(i32), _empty(i32)),  # eviction
            get["row_kind"],
            *(get["tree"], get["tree_begins"]),
        ]
        outputs = [query, key, value, *(n.output(0) for n in rest)]
        node = PagedAttention(outputs)
        info = node.get_rt_info()
        for side in ("k", "v"):
            info[f"{side}_head_size"] = self.config.head_dim
            info[f"num_{side}_heads"] = self.config.num_key_value_heads
        # A product that reads the node directly fails to compile ("node index is out of range").
        width = self.config.num_attention_heads * self.config.head_dim
        return ops.reshape(node.output(0), constant([-1, width]), False)
