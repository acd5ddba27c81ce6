"""A canvas model as an OpenVINO graph: every row sees every other one and a cached context.

Attention is the plain operator over keys that the caller hands in: the context of a canvas is a
few hundred tokens and changes as a whole, so pages would gain nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino.opset15 as ops
from openvino import Model, PartialShape, Type

from midspan_engine.runtime.folder_weights import joined_linears
from midspan_engine.runtime.openvino_nodes import (
    Node,
    constant,
    float_product,
    int8_product,
    rms_norm,
)
from midspan_engine.runtime.quantised import quantise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from midspan_engine.models.config import TransformerConfig

    Weights = Callable[[str], NDArray[np.float32]]


class CanvasGraphBuilder:
    """Builds the graph of `config`.

    Args:
        config: Sizes of the network.
        weights: Returns the float32 tensor of a Hugging Face tensor name.
        exact: float32 products instead of int8 ones.
    """

    def __init__(self, config: TransformerConfig, weights: Weights, *, exact: bool) -> None:
        self.config, self.weights, self.exact = config, weights, exact
        self.parts = joined_linears(config)
        self._inputs: dict[str, Node] = {}
        self._outputs: dict[str, Any] = {}

    def build(self) -> Model:
        """Return the model.

        Inputs, for `slots` alternatives of `rows` each behind `context` cached tokens:
        `hidden [slots, rows, width]`, `cosine` and `sine` `[slots, 1, rows, head]`,
        `turn_cosine` and `turn_sine` `[slots, 1, context, head]` (by how much cached keys move),
        `bias [slots, 1, rows, context + rows]`, `logit_rows [n]` of all slots' rows one after
        another, and `key.L` and `value.L` `[1, kv heads, context, head]`.
        Outputs: `logits [n, vocab]`, `new_key.L` and `new_value.L` `[slots, kv heads, rows, head]`.
        """
        head, heads = self.config.head_dim, self.config.num_key_value_heads
        hidden = self._input("hidden", [-1, -1, self.config.hidden_size])
        for name in ("cosine", "sine", "turn_cosine", "turn_sine"):
            self._input(name, [-1, 1, -1, head])
        self._input("bias", [-1, 1, -1, -1])
        self._input("logit_rows", [-1], Type.i32)
        for layer in range(self.config.num_hidden_layers):
            for name in ("key", "value"):
                self._input(f"{name}.{layer}", [1, heads, -1, head])
            hidden = self._layer(layer, hidden)
        flat = ops.reshape(hidden, constant([-1, self.config.hidden_size]), False)
        chosen = ops.gather(flat, self._inputs["logit_rows"], constant(0))
        self._outputs["logits"] = self._product("head", self._norm(chosen, "model.norm.weight"))
        for name, node in self._outputs.items():
            node.output(0).set_names({name})
        results = [ops.result(node) for node in self._outputs.values()]
        return Model(results, list(self._inputs.values()), "midspan-canvas")

    def _input(self, name: str, shape: list[int], kind: Type = Type.f32) -> Node:
        node = ops.parameter(PartialShape(shape), kind, name=name)
        node.output(0).set_names({name})
        self._inputs[name] = node
        return node

    def _layer(self, layer: int, hidden: Node) -> Node:
        prefix = f"model.layers.{layer}."
        normal = self._norm(hidden, prefix + "input_layernorm.weight")
        hidden = ops.add(hidden, self._product(f"{layer}.o", self._attention(layer, normal)))
        normal = self._norm(hidden, prefix + "post_attention_layernorm.weight")
        gate, up = (self._product(f"{layer}.{name}", normal) for name in ("gate", "up"))
        middle = ops.multiply(ops.swish(gate), up)
        return ops.add(hidden, self._product(f"{layer}.down", middle))

    def _attention(self, layer: int, x: Node) -> Node:
        config = self.config
        wide = config.num_attention_heads * config.head_dim
        narrow = config.num_key_value_heads * config.head_dim
        joined = self._product(f"{layer}.qkv", x)
        if config.qkv_bias:
            names = self.parts[f"{layer}.qkv"]
            bias = np.concatenate([self.weights(name + ".bias") for name in names])
            joined = ops.add(joined, constant(bias.reshape(1, 1, -1), Type.f32))
        parts = ops.variadic_split(joined, constant(2), constant([wide, narrow, narrow])).outputs()
        query, key, value = (self._heads(part) for part in parts)
        query, key = self._head_norm(layer, "q", query), self._head_norm(layer, "k", key)
        query, key = self._rotate(query, ""), self._rotate(key, "")
        self._outputs[f"new_key.{layer}"] = key
        self._outputs[f"new_value.{layer}"] = value = ops.convert(value, Type.f32)
        keys = ops.concat([self._rotate(self._inputs[f"key.{layer}"], "turn_"), key], 2)
        values = ops.concat([self._for_each_slot(f"value.{layer}", value), value], 2)
        mixed = self._attend(query, keys, values)
        back = ops.transpose(mixed, constant([0, 2, 1, 3]))
        return ops.reshape(back, constant([0, 0, wide]), True)

    def _heads(self, x: Any) -> Node:
        """`[slots, heads, rows, head]`."""
        split = ops.reshape(x, constant([0, 0, -1, self.config.head_dim]), True)
        return ops.transpose(split, constant([0, 2, 1, 3]))

    def _head_norm(self, layer: int, which: str, x: Node) -> Node:
        if not self.config.qk_norm:
            return x
        name = f"model.layers.{layer}.self_attn.{which}_norm.weight"
        return self._norm(x, name)

    def _rotate(self, x: Node, kind: str) -> Node:
        halves = ops.split(x, constant(3), 2)
        turned = ops.concat([halves.output(1), halves.output(0)], 3)
        cosine, sine = self._inputs[f"{kind}cosine"], self._inputs[f"{kind}sine"]
        return ops.add(ops.multiply(x, cosine), ops.multiply(turned, sine))

    def _for_each_slot(self, name: str, like: Node) -> Node:
        slots = ops.gather(ops.shape_of(like, "i32"), constant([0]), constant(0))
        shape = ops.concat([slots, constant([1, 1, 1])], 0)
        return ops.broadcast(self._inputs[name], shape, broadcast_spec="BIDIRECTIONAL")

    def _attend(self, query: Node, keys: Node, values: Node) -> Node:
        groups = self.config.query_groups
        if groups > 1:
            keys, values = (self._repeated(part, groups) for part in (keys, values))
        return ops.scaled_dot_product_attention(query, keys, values, self._inputs["bias"])

    def _repeated(self, x: Node, groups: int) -> Node:
        """Each key/value head once for every query head that shares it."""
        index = np.repeat(np.arange(self.config.num_key_value_heads), groups)
        return ops.gather(x, constant(index), constant(1))

    def _product(self, product: str, x: Node) -> Node:
        weight = np.concatenate([self.weights(n + ".weight") for n in self.parts[product]])
        if self.exact:
            return float_product(x, weight)
        values, scale = quantise(weight)
        return int8_product(x, constant(values, Type.i8), constant(scale, Type.f16))

    def _norm(self, x: Node, name: str) -> Node:
        return rms_norm(x, self.weights(name), self.config.rms_norm_eps)
